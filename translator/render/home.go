package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	codecv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	upstreamportv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/matchers/upstream_ip_port/v3"

	"legation.dev/translator/route"
)

// notHome are the HTTP filters of a cluster of names: a request for which Envoy has chosen
// an address of its own node is answered 403, before a connection is made. The address is
// judged, not the name, for each request: so it does not matter who resolved the name,
// and when.
func notHome() []*hcmv3.HttpFilter {
	var home []*rbacv3.Permission
	for _, p := range route.Home {
		home = append(home, &rbacv3.Permission{Rule: &rbacv3.Permission_Matcher{Matcher: &corev3.TypedExtensionConfig{Name: "envoy.rbac.matchers.upstream_ip_port",
			TypedConfig: packed(&upstreamportv3.UpstreamIpPortMatcher{UpstreamIp: &corev3.CidrRange{AddressPrefix: p.Addr().String(), PrefixLen: number(uint32(p.Bits()))}})}}})
	}
	rules := &rbacv3.RBAC{Action: rbacv3.RBAC_DENY, Policies: map[string]*rbacv3.Policy{"home": {
		Permissions: home, Principals: []*rbacv3.Principal{{Identifier: &rbacv3.Principal_Any{Any: true}}}}}}
	return []*hcmv3.HttpFilter{
		{Name: "legation.home", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&rbacfilterv3.RBAC{Rules: rules})}},
		{Name: "envoy.filters.http.upstream_codec", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&codecv3.UpstreamCodec{})}},
	}
}
