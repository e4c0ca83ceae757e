package bootstrap

import (
	"fmt"
	"net/netip"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Names of the listeners for probes and for metrics, and prefixes of their
// statistics: a count of Envoy's clients leaves these out.
const (
	HealthListener  = "health"
	MetricsListener = "metrics"
	// adminCluster leads to Envoy's own admin interface.
	adminCluster = "legation-admin"
)

// staticListener is a static listener that shows a little of the admin interface.
type staticListener struct {
	name, address string
	routes        []*routev3.Route
}

// staticListeners are the listeners of cfg.
func staticListeners(cfg Config) []staticListener {
	var list []staticListener
	if cfg.Health != "" {
		list = append(list, staticListener{HealthListener, cfg.Health, []*routev3.Route{alive("/live"), shown("/ready", "/ready")}})
	}
	if cfg.Metrics != "" {
		list = append(list, staticListener{MetricsListener, cfg.Metrics, []*routev3.Route{shown("/metrics", "/stats/prometheus?usedonly")}})
	}
	return list
}

// addStaticListeners adds the listeners of cfg, and the cluster that they lead to.
func addStaticListeners(to *bootstrapv3.Bootstrap_StaticResources, cfg Config, admin *corev3.Address) error {
	for _, d := range staticListeners(cfg) {
		l, err := d.listener()
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		to.Listeners = append(to.Listeners, l)
	}
	if len(to.Listeners) > 0 {
		to.Clusters = append(to.Clusters, adminClusterOf(admin))
	}
	return nil
}

// alive answers 200 as long as Envoy answers anything: for a liveness probe, which
// must not fail while Envoy drains.
func alive(path string) *routev3.Route {
	return &routev3.Route{Match: exactly(path),
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 200}}}
}

// adminTimeout bounds an answer of the admin interface: that of all statistics
// takes longest, as Prometheus' own scrape_timeout.
const adminTimeout = 10 * time.Second

// shown passes one path on to a path of the admin interface.
func shown(path, to string) *routev3.Route {
	return &routev3.Route{Match: exactly(path), Action: &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: adminCluster},
		PrefixRewrite:    to,
		Timeout:          durationpb.New(adminTimeout),
	}}}
}

// exactly is a GET of a path: the admin interface obeys a POST.
func exactly(path string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}, Headers: []*routev3.HeaderMatcher{get()}}
}

func get() *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: ":method", HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{
		StringMatch: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "GET"}}}}
}

// listener is fixed for the life of Envoy. It is open when all others are full or
// drain: it counts in no limit of connections, no overload stops it, and being told
// to fail does not end its connections (measured).
func (d staticListener) listener() (*listenerv3.Listener, error) {
	host, port, err := splitHostPort(d.address)
	if err != nil {
		return nil, err
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return nil, fmt.Errorf("%q is not an IP address; want IP:PORT", host)
	}
	at := socketAddress(host, port)
	at.GetSocketAddress().Ipv4Compat = address == netip.IPv6Unspecified()
	manager, err := anypb.New(d.manager())
	if err != nil {
		return nil, err
	}
	return &listenerv3.Listener{
		Name: d.name, StatPrefix: d.name, Address: at,
		DrainType:             listenerv3.Listener_MODIFY_ONLY,
		IgnoreGlobalConnLimit: true,
		BypassOverloadManager: true,
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "envoy.filters.network.http_connection_manager", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager}}}}},
	}, nil
}

func (d staticListener) manager() *hcmv3.HttpConnectionManager {
	router, _ := anypb.New(&routerv3.Router{}) // an empty message can be packed
	return &hcmv3.HttpConnectionManager{
		StatPrefix: d.name,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
			Name: d.name, VirtualHosts: []*routev3.VirtualHost{{Name: d.name, Domains: []string{"*"}, Routes: d.routes}}}},
		HttpFilters:               []*hcmv3.HttpFilter{{Name: "envoy.filters.http.router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: router}}},
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(doorIdle)},
	}
}

// doorIdle is how long a connection of a prober or scraper may rest: longer than
// Prometheus' default interval of 1 min.
const doorIdle = 2 * time.Minute

// adminClusterOf leads to the admin interface at its address.
func adminClusterOf(admin *corev3.Address) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 adminCluster,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       durationpb.New(xdsConnectTimeout),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: adminCluster, Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
				Endpoint: &endpointv3.Endpoint{Address: proto.CloneOf(admin)}}}}}}},
	}
}
