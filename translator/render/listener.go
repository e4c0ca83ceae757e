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
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Front is what the chains and listeners of a class have in common: the HTTP
// configuration of each listener, made once.
type Front struct {
	settings *policy.Values
	managers map[string]managers // by listener
}

// managers are the HTTP configurations of one listener: for everybody, and for the
// proxies that the class trusts, if it trusts any.
type managers struct{ all, trusted *anypb.Any }

// NewFront makes it for the listeners of a class.
func NewFront(s *policy.Values, listeners []route.Listener) *Front {
	f := &Front{settings: s, managers: map[string]managers{}}
	for _, l := range listeners {
		m := managers{all: packed(connectionManager(s, l, s.TrustedHops > 0))}
		if len(s.TrustedProxies) > 0 {
			m.trusted = packed(connectionManager(s, l, true))
		}
		f.managers[l.Name] = m
	}
	return f
}

// Listener makes a listener out of the chains of all TLS hosts; without TLS it has
// none. It costs O(their bytes), but computes none of them.
func (f *Front) Listener(l route.Listener, chains pmap.Map[Chain]) (*snapshot.Resource, error) {
	head := newListener(l, f.settings)
	pulls := []snapshot.Ref{{Type: snapshot.RouteConfiguration, Name: l.Routes}}
	if !l.TLS {
		f.plainChains(head, l)
		return newResource(snapshot.Listener, l.Name, head, snapshot.Meta{Pulls: pulls})
	}
	head.ListenerFilters = append(head.ListenerFilters, &listenerv3.ListenerFilter{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&inspectorv3.TlsInspector{})},
	})
	var source *corev3.ConfigSource
	if f.settings.DefaultTLSSecret != (object.Ref{}) {
		source = ads()
		pulls = append(pulls, snapshot.Ref{Type: snapshot.Secret, Name: route.DefaultCertificate})
	}
	f.defaultChains(head, l, source)
	return withChains(head, chains, pulls)
}

// withChains appends serialised chains to a listener.
func withChains(head *listenerv3.Listener, chains pmap.Map[Chain], pulls []snapshot.Ref) (*snapshot.Resource, error) {
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
	body, pulls = slices.Grow(body, size), slices.Grow(pulls, chains.Len())
	hosts := make([]string, 0, chains.Len())
	for host, ch := range chains.All() {
		body = append(body, ch.wire...)
		hosts = append(hosts, host)
		pulls = append(pulls, snapshot.Ref{Type: snapshot.Secret, Name: host})
	}
	version := pmap.SumOf(string(headSum[:]), string(chainsSum[:]))
	return snapshot.FromBytes(snapshot.Listener, head.Name, versionOf(version), body, snapshot.Meta{Pulls: pulls, Chains: hosts}), nil
}

// plainChains are those of a listener without TLS.
func (f *Front) plainChains(head *listenerv3.Listener, l route.Listener) {
	head.FilterChains = append([]*listenerv3.FilterChain{{Name: defaultChain, Filters: networkFilters(f.managers[l.Name].all)}},
		f.trusted(l, defaultChain, &listenerv3.FilterChainMatch{}, nil)...)
}

// defaultChain is the name of the chain that takes what no other one does.
const defaultChain = "default"

// versionBytes is as many as in any other version.
const versionBytes = 12

func versionOf(sum pmap.Sum) string { return base64.RawURLEncoding.EncodeToString(sum[:versionBytes]) }

// defaultChains serve names without a chain of their own, and clients that name
// none: a listener with TLS answers for every host.
func (f *Front) defaultChains(head *listenerv3.Listener, l route.Listener, source *corev3.ConfigSource) {
	socket := downstreamTLS(route.DefaultCertificate, source)
	head.DefaultFilterChain = &listenerv3.FilterChain{Name: defaultChain, TransportSocket: socket, Filters: networkFilters(f.managers[l.Name].all)}
	head.FilterChains = append(head.FilterChains, f.trusted(l, defaultChain, &listenerv3.FilterChainMatch{}, socket)...)
}

func newListener(spec route.Listener, s *policy.Values) *listenerv3.Listener {
	bind := s.BindAddresses
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
