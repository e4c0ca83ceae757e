package translator

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	bodyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/body_size_limit/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// routeFilters is the name of the filter that runs what a route says. By itself
// it does nothing.
const routeFilters = "envoy.filters.http.filter_chain"

// byRoute lets routes say which filters run. body_size_limit takes no setting of
// a route by itself (measured), and in the listener a change of it would drain
// every connection.
func byRoute() *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: routeFilters, ConfigType: &hcmv3.HttpFilter_TypedConfig{
		TypedConfig: packed(&chainv3.FilterChainConfig{})}}
}

// bodyLimit answers 413 to what has a larger body, in bytes; 0 is no limit. It
// counts what passes and holds nothing back. The class's limit stands in the route
// configuration, once for all hosts: Envoy makes a filter of each that a virtual
// host has, anew with every route push.
func bodyLimit(most uint64) map[string]*anypb.Any {
	if most == 0 {
		return map[string]*anypb.Any{routeFilters: packed(&routev3.FilterConfig{Disabled: true})}
	}
	return map[string]*anypb.Any{routeFilters: packed(&chainv3.FilterChainConfigPerRoute{
		FilterChain: &chainv3.FilterChain{Filters: []*corev3.TypedExtensionConfig{{
			Name:        "envoy.filters.http.body_size_limit",
			TypedConfig: packed(&bodyv3.BodySizeLimit{MaxRequestBytes: wrapperspb.UInt64(most)}),
		}}}})}
}
