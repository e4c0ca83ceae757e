package render

import (
	"net/netip"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	"legation.dev/translator/policy"
)

// addresses answers 403 to clients that may not come. The address is that of the client,
// also behind proxies that are trusted.
var addresses = part{
	differs: func(route, class *policy.Route) bool {
		return !slices.Equal(route.Allowed, class.Allowed) || !slices.Equal(route.Denied, class.Denied) || enough(route) != enough(class)
	},
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if len(s.Allowed)+len(s.Denied) == 0 {
			return nil
		}
		rules := &rbacv3.RBAC{Action: rbacv3.RBAC_ALLOW, Policies: map[string]*rbacv3.Policy{"allowed": {
			Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}},
			Principals:  []*rbacv3.Principal{mayCome(s.Addresses)},
		}}}
		m := &rbacfilterv3.RBAC{RulesStatPrefix: "addresses_", Rules: rules}
		if enough(s) { // who may not come by address is asked who it is
			m = &rbacfilterv3.RBAC{ShadowRulesStatPrefix: "addresses_", ShadowRules: rules}
		}
		return &corev3.TypedExtensionConfig{Name: addressesName, TypedConfig: packed(m)}
	},
}

const addressesName = "legation.addresses"

// everyAddress takes the place of the addresses of the class where a route has none, and
// others run in the same filter: they would be asked for, too, before a redirect that comes
// before them. It is nil where the class has none.
func everyAddress(route, class *policy.Route) []*corev3.TypedExtensionConfig {
	if len(route.Allowed)+len(route.Denied) > 0 || len(class.Allowed)+len(class.Denied) == 0 {
		return nil
	}
	return []*corev3.TypedExtensionConfig{{Name: addressesName, TypedConfig: packed(&rbacfilterv3.RBAC{})}}
}

// mayCome is who is allowed and not denied.
func mayCome(a policy.Addresses) *rbacv3.Principal {
	var all []*rbacv3.Principal
	if len(a.Denied) > 0 {
		all = append(all, &rbacv3.Principal{Identifier: &rbacv3.Principal_NotId{NotId: anyOf(a.Denied)}})
	}
	if len(a.Allowed) > 0 {
		all = append(all, anyOf(a.Allowed))
	}
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_AndIds{AndIds: &rbacv3.Principal_Set{Ids: all}}}
}

func anyOf(list []netip.Prefix) *rbacv3.Principal {
	var ids []*rbacv3.Principal
	for _, p := range list {
		ids = append(ids, &rbacv3.Principal{Identifier: &rbacv3.Principal_RemoteIp{RemoteIp: &corev3.CidrRange{
			AddressPrefix: p.Addr().String(), PrefixLen: number(uint32(p.Bits()))}}})
	}
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_OrIds{OrIds: &rbacv3.Principal_Set{Ids: ids}}}
}
