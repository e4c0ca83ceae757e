package render

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"legation.dev/pmap"
	"legation.dev/translator/route"
)

// Chain is the filter chain of a TLS host, serialised as elements of
// Listener.filter_chains: a listener is put together from such bytes, so that
// one more host costs one chain. It is two chains if the class trusts proxies.
// It must not contain anything that changes often: Envoy drains the connections
// of a filter chain whose bytes have changed.
type Chain struct {
	wire []byte
	sum  pmap.Sum
	// bare: it needs no secret of its own, since it passes connections on as they are, or
	// presents the default certificate.
	bare bool
}

// Sum identifies the bytes.
func (c Chain) Sum() pmap.Sum { return c.sum }

// handshakeTime is how long a TLS handshake may take. Half handshakes would else fill the
// fleet's connections for as long as idle clients may stay. The same as Envoy's default
// for what comes before it, the reading of the ClientHello.
const handshakeTime = 15 * time.Second

// timeOf is the handshakeTime of a chain that ends TLS; nil without a socket.
func timeOf(socket *corev3.TransportSocket) *durationpb.Duration {
	if socket == nil {
		return nil
	}
	return seconds(handshakeTime)
}

// fieldFilterChains is the number of envoy.config.listener.v3.Listener.filter_chains.
const fieldFilterChains = 3

func newChain(list ...*listenerv3.FilterChain) (Chain, error) {
	var c Chain
	for _, m := range list {
		if err := m.ValidateAll(); err != nil {
			return Chain{}, err
		}
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return Chain{}, err
		}
		c.wire = protowire.AppendTag(c.wire, fieldFilterChains, protowire.BytesType)
		c.wire = protowire.AppendBytes(c.wire, body)
	}
	c.sum = pmap.SumOf(string(c.wire))
	return c, nil
}

// Chain makes the chain of a TLS host for a listener: it ends TLS, unless the connections go
// through to a Service. The ciphers are those of route.Server.
func (f *Front) Chain(l route.Listener, host string, through *route.Backend, ciphers string) (c Chain, err error) {
	defer rescue(&err)
	if through != nil {
		c, err = newChain(&listenerv3.FilterChain{Name: host, FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{host}},
			Filters: []*listenerv3.Filter{{Name: "envoy.filters.network.tcp_proxy", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(
				&tcpv3.TcpProxy{StatPrefix: "through", ClusterSpecifier: &tcpv3.TcpProxy_Cluster{Cluster: through.Cluster()}})}}}})
		c.bare = true
		return c, err
	}
	return f.ending(l, host, downstreamTLS(host, ads(), suites(ciphers)))
}

// Fence makes the chain of a host that has no certificate, where the chain of somebody
// else's wildcard would take its handshakes: it does what is done for names without a chain.
func (f *Front) Fence(l route.Listener, host string) (Chain, error) {
	c, err := f.ending(l, host, f.defaultSocket(l))
	c.bare = true
	return c, err
}

// ending are the chains of a host that end TLS.
func (f *Front) ending(l route.Listener, host string, socket *corev3.TransportSocket) (Chain, error) {
	list := []*listenerv3.FilterChain{{
		Name:             host,
		FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{host}},
		TransportSocket:  socket,
		Filters:          managed(l.Name),

		TransportSocketConnectTimeout: seconds(handshakeTime),
	}}
	list = append(list, f.trusted(l, host, &listenerv3.FilterChainMatch{ServerNames: []string{host}}, socket)...)
	return newChain(list...)
}

// trusted returns a second filter chain beside the one of that name. It takes the
// connections that come from a proxy that the class trusts, and believes the
// X-Forwarded headers there. It returns nothing if the class trusts no proxy.
//
// It adds the addresses of the proxies to match and keeps it, so match must not be
// that of the first chain.
func (f *Front) trusted(l route.Listener, name string, match *listenerv3.FilterChainMatch, socket *corev3.TransportSocket) []*listenerv3.FilterChain {
	if len(f.settings.TrustedProxies) == 0 {
		return nil
	}
	match.DirectSourcePrefixRanges = ranges(f.settings.TrustedProxies)
	return []*listenerv3.FilterChain{{Name: name + trustedSuffix, FilterChainMatch: match, TransportSocket: socket, Filters: managed(l.Name + trustedSuffix),
		TransportSocketConnectTimeout: timeOf(socket)}}
}

// downstreamTLS terminates TLS with the certificate that Envoy gets from source under
// the name secret. A nil source means a static secret of Envoy's bootstrap. Everything
// else comes as a secret, too: which client certificates are asked for, and the keys of
// session tickets.
func downstreamTLS(secret string, source *corev3.ConfigSource, ciphers []string) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: tlsSocket, ConfigType: &corev3.TransportSocket_TypedConfig{
		TypedConfig: packed(&tlsv3.DownstreamTlsContext{
			CommonTlsContext: &tlsv3.CommonTlsContext{
				AlpnProtocols: []string{"h2", "http/1.1"},
				TlsParams: &tlsv3.TlsParameters{
					TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
					TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
					CipherSuites:              ciphers,
				},
				TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{Name: secret, SdsConfig: source}},
				ValidationContextType: &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
					ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: ClientsOf(secret), SdsConfig: ads()}},
			},
			RequireClientCertificate: no(), // routes say so: they can tell who lacks one
			SessionTicketKeysType: &tlsv3.DownstreamTlsContext_SessionTicketKeysSdsSecretConfig{
				SessionTicketKeysSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: sessionTickets, SdsConfig: patient()}},
		}),
	}}
}
