package render

import (
	"encoding/base64"
	"net/netip"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	proxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/pmap"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// The listeners. Everything in them but filter chains is fixed at install: a
// change of a listener-level field drains every connection.
const (
	HTTPListener  = "http"
	HTTPSListener = "https"
)

// Edge is what chains and listeners have in common: made once for a class.
type Edge struct {
	settings                               *policy.Values
	http, https, httpTrusted, httpsTrusted *anypb.Any // trusted ones are nil if no proxy is trusted
}

// NewEdge makes it.
func NewEdge(s *policy.Values) *Edge {
	manager := func(name string, port uint32, trusted bool) *anypb.Any {
		return packed(connectionManager(s, door{name: name, port: port, trusted: trusted}))
	}
	e := &Edge{settings: s,
		http:  manager(HTTPListener, s.ExternalHTTPPort, s.TrustedHops > 0),
		https: manager(HTTPSListener, s.ExternalHTTPSPort, s.TrustedHops > 0)}
	if len(s.TrustedProxies) > 0 {
		e.httpTrusted = manager(HTTPListener, s.ExternalHTTPPort, true)
		e.httpsTrusted = manager(HTTPSListener, s.ExternalHTTPSPort, true)
	}
	return e
}

// HTTPListenerOf makes the listener of plain http.
func HTTPListenerOf(e *Edge) (*snapshot.Resource, error) {
	head := newListener(HTTPListener, e.settings.HTTPPort, e.settings)
	head.FilterChains = []*listenerv3.FilterChain{{Name: "default", Filters: networkFilters(e.http)}}
	if e.httpTrusted != nil {
		head.FilterChains = append(head.FilterChains, &listenerv3.FilterChain{
			Name:             "default" + trustedSuffix,
			FilterChainMatch: &listenerv3.FilterChainMatch{DirectSourcePrefixRanges: ranges(e.settings.TrustedProxies)},
			Filters:          networkFilters(e.httpTrusted),
		})
	}
	return newResource(snapshot.Listener, head.Name, head, snapshot.Meta{Pulls: routesPulled()})
}

// HTTPSListenerOf computes the listener of https out of the chains of all TLS
// hosts. It costs O(their bytes), but computes none of them.
func HTTPSListenerOf(e *Edge, chains pmap.Map[Chain]) (*snapshot.Resource, error) {
	head := newListener(HTTPSListener, e.settings.HTTPSPort, e.settings)
	head.ListenerFilters = append(head.ListenerFilters, &listenerv3.ListenerFilter{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&inspectorv3.TlsInspector{})},
	})
	pulls := routesPulled()
	var source *corev3.ConfigSource
	if e.settings.DefaultTLSSecret != "" {
		source = ads()
		pulls = append(pulls, snapshot.Ref{Type: snapshot.Secret, Name: route.DefaultCertificate})
	}
	defaultChains(head, e, source)
	if err := head.ValidateAll(); err != nil {
		return nil, err
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(head)
	if err != nil {
		return nil, err
	}
	headSum, chainsSum := pmap.SumOf(string(body)), chains.Digest()
	for host, ch := range chains.All() {
		body = append(body, ch.wire...)
		pulls = append(pulls, snapshot.Ref{Type: snapshot.Secret, Name: host})
	}
	version := pmap.SumOf(string(headSum[:]), string(chainsSum[:]))
	return snapshot.FromBytes(snapshot.Listener, head.Name, versionOf(version), body, snapshot.Meta{Pulls: pulls}), nil
}

// versionBytes is as many as in any other version.
const versionBytes = 12

func versionOf(sum pmap.Sum) string { return base64.RawURLEncoding.EncodeToString(sum[:versionBytes]) }

func routesPulled() []snapshot.Ref {
	return []snapshot.Ref{{Type: snapshot.RouteConfiguration, Name: RouteConfigurationName}}
}

// defaultChains serve names without a chain of their own, and clients that name
// none: 443 answers for every host.
func defaultChains(head *listenerv3.Listener, e *Edge, source *corev3.ConfigSource) {
	socket := downstreamTLS(route.DefaultCertificate, source)
	head.DefaultFilterChain = &listenerv3.FilterChain{Name: "default", TransportSocket: socket, Filters: networkFilters(e.https)}
	if e.httpsTrusted != nil {
		head.FilterChains = append(head.FilterChains, &listenerv3.FilterChain{
			Name:             "default" + trustedSuffix,
			FilterChainMatch: &listenerv3.FilterChainMatch{DirectSourcePrefixRanges: ranges(e.settings.TrustedProxies)},
			TransportSocket:  socket,
			Filters:          networkFilters(e.httpsTrusted),
		})
	}
}

func newListener(name string, port uint32, s *policy.Values) *listenerv3.Listener {
	bind := s.BindAddresses
	l := &listenerv3.Listener{
		Name:                          name,
		StatPrefix:                    name,
		Address:                       bindAddress(bind[0], port),
		PerConnectionBufferLimitBytes: number(bufferBytes),
		TcpKeepalive:                  tcpKeepAlive(s.TCPKeepAlive),
	}
	for _, ip := range bind[1:] {
		l.AdditionalAddresses = append(l.AdditionalAddresses, &listenerv3.AdditionalAddress{Address: bindAddress(ip, port)})
	}
	if s.ProxyProtocol == policy.ProxyProtocolRequired { // before whatever reads what the client sent
		l.ListenerFilters = []*listenerv3.ListenerFilter{{
			Name:       "envoy.filters.listener.proxy_protocol",
			ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&proxyv3.ProxyProtocol{})},
		}}
	}
	return l
}

// bindAddress is an address to listen on; an IPv6 one takes no IPv4, which has
// its own.
func bindAddress(ip netip.Addr, port uint32) *corev3.Address { return socketAddress(ip.String(), port) }

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
