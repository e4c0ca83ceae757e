package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	"legation.dev/translator/policy"
)

// exemption notes who is not limited, for the limiter behind it (limit.go).
var exemption = part{
	differs: func(route, _ *policy.Route) bool { return len(route.RateExempt) > 0 },
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if len(s.RateExempt) == 0 {
			return nil
		}
		rules := &rbacv3.RBAC{Action: rbacv3.RBAC_ALLOW, Policies: map[string]*rbacv3.Policy{"exempt": {
			Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}},
			Principals:  []*rbacv3.Principal{anyOf(s.RateExempt)},
		}}}
		return &corev3.TypedExtensionConfig{Name: "legation.exempt", TypedConfig: packed(&rbacfilterv3.RBAC{ShadowRulesStatPrefix: "exempt_", ShadowRules: rules})}
	},
}
