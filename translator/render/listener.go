package render

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	proxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/pmap"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Front is what the chains and listeners of a class have in common.
type Front struct{ settings *policy.Listener }

// NewFront makes it of the settings of a class.
func NewFront(s *policy.Listener) *Front { return &Front{s} }

// Listener makes a listener out of the chains of all TLS hosts; without TLS it has
// none. It costs O(their bytes), but computes none of them.
func (f *Front) Listener(l route.Listener, chains pmap.Map[Chain]) (*snapshot.Resource, error) {
	head := newListener(l, f.settings)
	meta := snapshot.Meta{Needs: []snapshot.Ref{{Type: snapshot.Listener, Name: holder}},
		Pulls: append(pullsOf(l.Routes), f.managers(l)...)}
	if !l.TLS {
		f.plainChains(head, l)
		return newResource(snapshot.Listener, l.Name, head, meta)
	}
	head.ListenerFilters = append(head.ListenerFilters, &listenerv3.ListenerFilter{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&inspectorv3.TlsInspector{})},
	})
	meta.Pulls = append(meta.Pulls, snapshot.Ref{Type: snapshot.Secret, Name: sessionTickets},
		snapshot.Ref{Type: snapshot.Secret, Name: ClientsOf(route.DefaultCertificate)})
	if l.Certified {
		meta.Pulls = append(meta.Pulls, snapshot.Ref{Type: snapshot.Secret, Name: route.DefaultCertificate})
	}
	f.defaultChains(head, l)
	return withChains(head, chains, meta)
}

// withChains appends serialised chains to a listener.
func withChains(head *listenerv3.Listener, chains pmap.Map[Chain], meta snapshot.Meta) (*snapshot.Resource, error) {
	if err := head.ValidateAll(); err != nil {
		return nil, err
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(head)
	if err != nil {
		return nil, err
	}
	headSum, chainsSum := pmap.SumOf(string(body)), chains.Digest()
	size := 0
	for _, ch := range chains.All() {
		size += len(ch.wire)
	}
	body, meta.Pulls = slices.Grow(body, size), slices.Grow(meta.Pulls, 2*chains.Len())
	meta.Chains = make([]string, 0, chains.Len())
	for host, ch := range chains.All() {
		body = append(body, ch.wire...)
		meta.Chains = append(meta.Chains, host)
		if ch.bare {
			continue
		}
		meta.Pulls = append(meta.Pulls, snapshot.Ref{Type: snapshot.Secret, Name: host}, snapshot.Ref{Type: snapshot.Secret, Name: ClientsOf(host)})
	}
	version := pmap.SumOf(string(headSum[:]), string(chainsSum[:]))
	return snapshot.FromBytes(snapshot.Listener, head.Name, versionOf(version), body, meta), nil
}

// managers are what the chains of a listener ask for.
func (f *Front) managers(l route.Listener) []snapshot.Ref {
	list := []snapshot.Ref{{Type: snapshot.ExtensionConfig, Name: l.Name}}
	if len(f.settings.TrustedProxies) > 0 {
		list = append(list, snapshot.Ref{Type: snapshot.ExtensionConfig, Name: l.Name + trustedSuffix})
	}
	return list
}

// plainChains are those of a listener without TLS.
func (f *Front) plainChains(head *listenerv3.Listener, l route.Listener) {
	head.FilterChains = append([]*listenerv3.FilterChain{{Name: defaultChain, Filters: managed(l.Name)}},
		f.trusted(l, defaultChain, &listenerv3.FilterChainMatch{}, nil)...)
}

// defaultChain is the name of the chain that takes what no other one does.
const defaultChain = "default"

// versionBytes is as many as in any other version.
const versionBytes = 12

func versionOf(sum pmap.Sum) string { return base64.RawURLEncoding.EncodeToString(sum[:versionBytes]) }

// defaultChains serve names without a chain of their own, and clients that name
// none: a listener with TLS answers for every host.
func (f *Front) defaultChains(head *listenerv3.Listener, l route.Listener) {
	socket := f.defaultSocket(l)
	head.DefaultFilterChain = &listenerv3.FilterChain{Name: defaultChain, TransportSocket: socket, Filters: managed(l.Name),
		TransportSocketConnectTimeout: timeOf(socket)}
	head.FilterChains = append(head.FilterChains, f.trusted(l, defaultChain, &listenerv3.FilterChainMatch{}, socket)...)
}

// defaultSocket presents the default certificate.
func (f *Front) defaultSocket(l route.Listener) *corev3.TransportSocket {
	var source *corev3.ConfigSource // the bootstrap's
	if l.Certified {
		source = ads()
	}
	return downstreamTLS(route.DefaultCertificate, source, nil)
}

// everywhere are all addresses that a node can have.
var everywhere = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}

func newListener(spec route.Listener, s *policy.Listener) *listenerv3.Listener {
	bind := s.BindAddresses
	if len(bind) == 0 {
		bind = everywhere
	}
	l := &listenerv3.Listener{
		Name:                          spec.Name,
		StatPrefix:                    spec.Name,
		Address:                       bindAddress(bind[0], spec.Port),
		PerConnectionBufferLimitBytes: number(bufferBytes),
		ListenerFiltersTimeout:        seconds(helloTime),
		TcpKeepalive:                  tcpKeepAlive(s.TCPKeepAlive),
	}
	for _, ip := range bind[1:] {
		l.AdditionalAddresses = append(l.AdditionalAddresses, &listenerv3.AdditionalAddress{Address: bindAddress(ip, spec.Port)})
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
