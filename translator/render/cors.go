package render

import (
	"fmt"
	"slices"
	"strconv"

	mutationrulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Envoy's own filter cors answers preflights with 200, whatever comes after it, and tells
// other answers less than ingress-nginx does. So there are two parts: shadow rules find out
// whether the origin is allowed, and a change of headers tells it. They come first, so that
// they see the refusals of the parts behind them.

func corsDiffers(route, class *policy.Route) bool { return route.Told() != class.Told() }

// corsOrigin finds out whether the origin is allowed, where not all are.
var corsOrigin = part{
	differs: corsDiffers,
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if !s.Cors.Active() || s.CorsOrigins == policy.AnyOrigin {
			return nil
		}
		origin := &rbacv3.Principal{Identifier: &rbacv3.Principal_Header{Header: header("origin", matching(s.CorsOrigins.Pattern()), false)}}
		return &corev3.TypedExtensionConfig{Name: "legation.origin", TypedConfig: packed(&rbacfilterv3.RBAC{
			ShadowRulesStatPrefix: "origin_",
			ShadowRules: &rbacv3.RBAC{Action: rbacv3.RBAC_ALLOW, Policies: map[string]*rbacv3.Policy{"allowed": {
				Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}},
				Principals:  []*rbacv3.Principal{origin},
			}}},
		})}
	},
}

// originAllowed is what corsOrigin found, in CEL.
const originAllowed = `metadata.filter_metadata['envoy.filters.http.rbac']['origin_shadow_engine_result'] == 'allowed'`

// corsHeaders tells browsers what pages of an origin may do.
var corsHeaders = part{
	differs: corsDiffers,
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if !s.Cors.Active() {
			return nil
		}
		mutations := &mutationv3.Mutations{}
		for _, h := range corsAnswer(&s.Cors) {
			if s.CorsOrigins != policy.AnyOrigin {
				h.Header.Value = fmt.Sprintf("%%CEL(%s ? %s : '')%%", originAllowed, inCEL(h.Header.Value))
			}
			mutations.ResponseMutations = append(mutations.ResponseMutations, &mutationrulesv3.HeaderMutation{
				Action: &mutationrulesv3.HeaderMutation_Append{Append: h}})
		}
		return &corev3.TypedExtensionConfig{Name: "legation.cors", TypedConfig: packed(&mutationv3.HeaderMutation{Mutations: mutations})}
	},
}

// requestOrigin is the origin of a request, as a format.
const requestOrigin = "%REQ(ORIGIN)%"

// inCEL is a format of corsAnswer as an expression. Names, which it else consists of,
// have no quotes.
func inCEL(format string) string {
	if format == requestOrigin {
		return "request.headers['origin']"
	}
	return "'" + format + "'"
}

// toBrowsers has a route tell what an answer to a preflight does. It stands on the route itself,
// so that what its host's other routes have in common stays so.
func toBrowsers(m *routev3.Route, p *route.Preflight) {
	m.ResponseHeadersToRemove = p.Headers.Remove // Envoy removes first
	m.ResponseHeadersToAdd = slices.DeleteFunc(corsAnswer(p.Cors), func(o *corev3.HeaderValueOption) bool {
		return slices.Contains(p.Headers.Remove, o.Header.Key)
	})
	m.ResponseHeadersToAdd = append(m.ResponseHeadersToAdd, unlessEmpty(added(p.Headers))...)
}

// corsAnswer are the headers for an origin that is allowed.
func corsAnswer(c *policy.Cors) []*corev3.HeaderValueOption {
	origin := requestOrigin
	if c.CorsOrigins == policy.AnyOrigin {
		origin = string(policy.AnyOrigin)
	}
	list := []*corev3.HeaderValueOption{setHeader("access-control-allow-origin", origin)}
	if c.CorsCredentials {
		list = append(list, setHeader("access-control-allow-credentials", "true"))
	}
	for _, h := range []struct{ name, value string }{
		{"access-control-allow-methods", c.CorsMethods},
		{"access-control-allow-headers", c.CorsHeaders},
		{"access-control-expose-headers", c.CorsExpose},
	} {
		if h.value != "" {
			list = append(list, setHeader(h.name, h.value))
		}
	}
	return append(list, setHeader("access-control-max-age", strconv.Itoa(int(c.CorsMaxAge.Seconds()))))
}
