package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// How an HTTP configuration finds its routes: by scope. A configuration that travels by
// itself (manager.go) must not name a route configuration: Envoy 1.40 does not survive
// that (measured). So it writes the name into a header of each request, Envoy looks up
// the scope of that name, and the scope names the route configuration.

// scopeHeader carries the scope of a request inside Envoy. Clients cannot set it, since
// all that begins like it is removed first, and backends never see it.
const scopeHeader = "x-envoy-legation-scope"

// scopedRoutes is where scopes come from. Its bytes must never change: Envoy takes other
// ones for other scopes, which it has never asked for, and answers 404.
func scopedRoutes() *hcmv3.HttpConnectionManager_ScopedRoutes {
	return &hcmv3.HttpConnectionManager_ScopedRoutes{ScopedRoutes: &hcmv3.ScopedRoutes{
		Name: "scopes",
		ScopeKeyBuilder: &hcmv3.ScopedRoutes_ScopeKeyBuilder{Fragments: []*hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder{{
			Type: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_{
				HeaderValueExtractor: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor{
					Name:        scopeHeader,
					ExtractType: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_Index{}}}}}},
		RdsConfigSource: patient(),
		ConfigSpecifier: &hcmv3.ScopedRoutes_ScopedRds{ScopedRds: &hcmv3.ScopedRds{ScopedRdsConfigSource: patient()}},
	}}
}

// patient is ads for what a listener cannot do without: Envoy keeps its ports closed
// until it comes. With Envoy's own timeout it would open them after 15 s, and answer 404
// for hosts that exist, or refuse every handshake.
func patient() *corev3.ConfigSource {
	source := ads()
	source.InitialFetchTimeout = durationpb.New(0)
	return source
}

// Scope is the scope that leads to a route configuration, and has its name.
func Scope(routes string) (*snapshot.Resource, error) {
	m := &routev3.ScopedRouteConfiguration{Name: routes, RouteConfigurationName: routes,
		Key: &routev3.ScopedRouteConfiguration_Key{Fragments: []*routev3.ScopedRouteConfiguration_Key_Fragment{{
			Type: &routev3.ScopedRouteConfiguration_Key_Fragment_StringKey{StringKey: routes}}}}}
	return newResource(snapshot.ScopedRoute, m.Name, m, snapshot.Meta{})
}

// holder is the name of the listener that Holder makes.
const holder = "routes"

// Holder is a listener that no client can reach. It keeps what the others ask for, whatever
// becomes of them: by the HTTP configuration that is in it, scopes and routes, without
// which one that comes late would answer 404 for ever; by a chain for each manager, the
// managers. Without these, a listener that comes back asks for its manager anew, and goes
// into service without it if Envoy rejects another one at that moment (test/ecds).
//
// By the names of its chains shutdown-manager knows which listeners and managers there are
// to be (drain/admin).
func (f *Front) Holder(listeners []route.Listener) (*snapshot.Resource, error) {
	m := &listenerv3.Listener{
		Name:       holder,
		StatPrefix: holder,
		Address:    socketAddress("127.0.0.1", 1),
		BindToPort: no(),
		FilterChains: []*listenerv3.FilterChain{{Name: defaultChain, Filters: []*listenerv3.Filter{{
			Name: managerFilter,
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(&hcmv3.HttpConnectionManager{
				StatPrefix: holder, RouteSpecifier: scopedRoutes(), HttpFilters: []*hcmv3.HttpFilter{bareRouter()}})},
		}}}},
	}
	var pulls []snapshot.Ref
	for _, routes := range route.RoutesOf(listeners) {
		pulls = append(pulls, pullsOf(routes)...)
	}
	for _, l := range listeners {
		for _, manager := range f.managers(l) {
			m.FilterChains = append(m.FilterChains, &listenerv3.FilterChain{
				Name:             manager.Name,
				FilterChainMatch: &listenerv3.FilterChainMatch{DestinationPort: number(uint32(len(m.FilterChains)) + 1)},
				Filters:          managed(manager.Name),
			})
			pulls = append(pulls, manager)
		}
	}
	return newResource(snapshot.Listener, m.Name, m, snapshot.Meta{Pulls: pulls})
}

// bareRouter has no settings, so that the holder stays as it is whatever becomes of
// the router of others.
func bareRouter() *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: "envoy.filters.http.router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&routerv3.Router{})}}
}

// pullsOf is what Envoy asks for to have a route configuration.
func pullsOf(routes string) []snapshot.Ref {
	return []snapshot.Ref{{Type: snapshot.ScopedRoute, Name: routes}, {Type: snapshot.RouteConfiguration, Name: routes}}
}
