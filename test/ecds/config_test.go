//go:build real

package ecds

import (
	"crypto/sha256"
	"encoding/base64"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/xds/snapshot"
)

// kind is an xDS type.
type kind int

// The kinds, in the order in which changes are sent.
const (
	clusters kind = iota
	endpoints
	secrets
	managers // by ECDS
	listeners
	scopes
	routes
	hosts
	numKinds
)

var kinds = [numKinds]struct {
	name, url string
	wildcard  bool // Envoy asks for all of them
}{
	clusters:  {"CDS", snapshot.Cluster.URL(), true},
	endpoints: {"EDS", snapshot.Endpoints.URL(), false},
	secrets:   {"SDS", snapshot.Secret.URL(), false},
	managers:  {"ECDS", "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", false},
	listeners: {"LDS", snapshot.Listener.URL(), true},
	scopes:    {"SRDS", "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration", true},
	routes:    {"RDS", snapshot.RouteConfiguration.URL(), false},
	hosts:     {"VHDS", snapshot.VirtualHost.URL(), true},
}

func (k kind) String() string { return kinds[k].name }

// kindOf is the kind of a type URL; numKinds if it is none.
func kindOf(url string) kind {
	for k := range numKinds {
		if kinds[k].url == url {
			return k
		}
	}
	return numKinds
}

// resource is what is sent under a name.
type resource struct {
	version string
	body    *anypb.Any
	bad     bool // Envoy has to reject it
}

func resourceOf(k kind, m proto.Message) resource {
	body := packed(m)
	sum := sha256.Sum256(body.Value)
	return resource{version: base64.RawURLEncoding.EncodeToString(sum[:12]), body: body}
}

// table is what an Envoy should have, by name.
type table [numKinds]map[string]resource

// Names that Envoy sees.
const (
	http   = "http"  // listener and manager
	https  = "https" // listener and manager
	holder = "routes"
	scope  = "all"
	header = "x-scope"
)

// extras are what the walk changes besides what the translator reads. The zero
// extras change nothing.
type extras struct {
	shut    bool           // listener http is away
	buffer  uint32         // bytes; another value replaces listener http, not in place
	marks   map[string]int // of chains of https by name: another mark is another chain
	manager map[string]tweak
}

// encode makes the resources of a snapshot: those of Legation, but that its listeners
// find their managers by ECDS and these their routes by scope. Clusters, endpoints and
// secrets stay when nothing names them any more: when they may go is not what is asked here.
func encode(before table, s snapshot.Snapshot, e extras) table {
	t := before.unnamed()
	for k, of := range map[kind]snapshot.Type{clusters: snapshot.Cluster, endpoints: snapshot.Endpoints, secrets: snapshot.Secret, hosts: snapshot.VirtualHost} {
		for name, r := range s.Of(of).All() {
			t[k][name] = resource{version: r.Version, body: r.Any()}
		}
	}
	for name, r := range s.Of(snapshot.RouteConfiguration).All() {
		m := read(r, &routev3.RouteConfiguration{})
		m.RequestHeadersToRemove = append(m.RequestHeadersToRemove, header)
		m.Vhds.ConfigSource = ads()
		t[routes][name] = resourceOf(routes, m)
	}
	for name, r := range s.Of(snapshot.Listener).All() {
		l := read(r, &listenerv3.Listener{})
		manager := byECDS(l)
		t[managers][name] = extension(name, scoped(e.manager[name].apply(manager)), e.manager[name].bad != "")
		if e.mark(l); name != http || !e.shut {
			t[listeners][name] = resourceOf(listeners, l)
		}
	}
	t[listeners][holder] = resourceOf(listeners, holdingRoutes())
	t[scopes][scope] = resourceOf(scopes, &routev3.ScopedRouteConfiguration{Name: scope, RouteConfigurationName: "ingress",
		Key: &routev3.ScopedRouteConfiguration_Key{Fragments: []*routev3.ScopedRouteConfiguration_Key_Fragment{{
			Type: &routev3.ScopedRouteConfiguration_Key_Fragment_StringKey{StringKey: scope}}}}})
	return t
}

// unnamed is an empty table but for what stays.
func (t table) unnamed() (next table) {
	for k := range numKinds {
		next[k] = map[string]resource{}
		if k == clusters || k == endpoints || k == secrets {
			for name, r := range t[k] {
				next[k][name] = r
			}
		}
	}
	return next
}

// mark changes a listener, and which of its connections Envoy drains for it.
func (e extras) mark(l *listenerv3.Listener) {
	if l.Name == http {
		l.PerConnectionBufferLimitBytes.Value += e.buffer
		return
	}
	for _, c := range append(l.FilterChains, l.DefaultFilterChain) {
		if n := e.marks[c.Name]; n > 0 {
			c.Metadata = &corev3.Metadata{TypedFilterMetadata: map[string]*anypb.Any{"mark": packed(wrapperspb.Int64(int64(n)))}}
		}
	}
}

// byECDS takes the manager, which is the same in all chains of a listener, out of them
// and leaves its name.
func byECDS(l *listenerv3.Listener) *hcmv3.HttpConnectionManager {
	var inline *anypb.Any
	for _, c := range append(l.FilterChains, l.DefaultFilterChain) {
		if c != nil {
			inline = c.Filters[0].GetTypedConfig()
			c.Filters = named(l.Name)
		}
	}
	m := &hcmv3.HttpConnectionManager{}
	unpack(inline, m)
	return m
}

// named are the filters of a chain whose manager comes by ECDS.
func named(manager string) []*listenerv3.Filter {
	return []*listenerv3.Filter{{Name: manager, ConfigType: &listenerv3.Filter_ConfigDiscovery{ConfigDiscovery: &corev3.ExtensionConfigSource{
		ConfigSource: ads(), TypeUrls: []string{"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"}}}}}
}

// extension is a manager as ECDS has it.
func extension(name string, m *hcmv3.HttpConnectionManager, bad bool) resource {
	r := resourceOf(managers, &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed(m)})
	r.bad = bad
	return r
}

// scoped is a manager that finds its routes by the scope that it says itself.
func scoped(m *hcmv3.HttpConnectionManager) *hcmv3.HttpConnectionManager {
	m.RouteSpecifier = byScope()
	m.EarlyHeaderMutationExtensions = append(m.EarlyHeaderMutationExtensions, overwriting(header, scope))
	return m
}

// overwriting sets a header of each request before it is routed.
func overwriting(name, value string) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: "envoy.http.early_header_mutation.header_mutation", TypedConfig: packed(&earlyv3.HeaderMutation{
		Mutations: []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}}}}})}
}

// byScope never changes: with other sources of configuration Envoy would ask for
// nothing, and answer 404.
func byScope() *hcmv3.HttpConnectionManager_ScopedRoutes {
	return &hcmv3.HttpConnectionManager_ScopedRoutes{ScopedRoutes: &hcmv3.ScopedRoutes{
		Name: "ingress",
		ScopeKeyBuilder: &hcmv3.ScopedRoutes_ScopeKeyBuilder{Fragments: []*hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder{{
			Type: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_{
				HeaderValueExtractor: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor{Name: header,
					ExtractType: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_Index{Index: 0}}}}}},
		RdsConfigSource: ads(),
		ConfigSpecifier: &hcmv3.ScopedRoutes_ScopedRds{ScopedRds: &hcmv3.ScopedRds{ScopedRdsConfigSource: ads()}},
	}}
}

// holdingRoutes is a listener without a port, which keeps alive what no other may: by a
// manager of its own, scopes and routes; by chains that nothing reaches, the managers.
// Else Envoy gives a manager up with the last of its chains, and a listener that comes
// back waits for it, until it is there or *any* manager was rejected: then it opens its
// port without one, and closes every connection (found by TestWalk).
func holdingRoutes() *listenerv3.Listener {
	m := &hcmv3.HttpConnectionManager{StatPrefix: holder, RouteSpecifier: byScope(), HttpFilters: []*hcmv3.HttpFilter{router()}}
	chains := []*listenerv3.FilterChain{{Name: holder, Filters: []*listenerv3.Filter{{
		Name: "envoy.filters.network.http_connection_manager", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(m)}}}}}
	for i, name := range []string{http, https} {
		chains = append(chains, &listenerv3.FilterChain{Name: name, Filters: named(name),
			FilterChainMatch: &listenerv3.FilterChainMatch{DestinationPort: wrapperspb.UInt32(uint32(2 + i))}})
	}
	return &listenerv3.Listener{Name: holder, BindToPort: wrapperspb.Bool(false), FilterChains: chains,
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 1}}}}}
}

func router() *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: "envoy.filters.http.router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&routerv3.Router{})}}
}

// ads is where Envoy asks, and waits for an answer however long it takes.
func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion: corev3.ApiVersion_V3, InitialFetchTimeout: durationpb.New(0)}
}

// packed panics on what does not serialise, which no message here does.
func packed(m proto.Message) *anypb.Any {
	a := new(anypb.Any)
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(err)
	}
	return a
}

func read[M proto.Message](r *snapshot.Resource, m M) M {
	unpack(r.Any(), m)
	return m
}

// unpack panics on what the translator did not make.
func unpack(a *anypb.Any, m proto.Message) {
	if err := a.UnmarshalTo(m); err != nil {
		panic(err)
	}
}
