package render

import (
	"fmt"
	"net/netip"
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	headersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// measured are the filters of measures. The one that changes headers is first, so that
// answers of the others have them, too, and whether an origin is allowed is known before
// anybody is refused, who is told so.
func measured(m *route.Measures, s *policy.Route) (list []*corev3.TypedExtensionConfig) {
	if m == nil {
		return nil
	}
	mutations := &headersv3.Mutations{RequestMutations: mutationsOf(m.Headers.Request), ResponseMutations: mutationsOf(m.Headers.Response)}
	if len(mutations.RequestMutations)+len(mutations.ResponseMutations) > 0 {
		list = append(list, &corev3.TypedExtensionConfig{Name: "legation.headers", TypedConfig: packed(&headersv3.HeaderMutation{Mutations: mutations})})
	}
	if len(m.Addresses) == 0 {
		return list
	}
	if origin := corsOrigin.config(s); origin != nil {
		origin.Name += ".first"
		list = append(list, origin)
	}
	return append(list, inOrder(m.Addresses))
}

func mutationsOf(c route.HeaderChange) (list []*mutationv3.HeaderMutation) {
	for _, name := range c.Remove {
		list = append(list, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Remove{Remove: name}})
	}
	for _, o := range unlessEmpty(added(c)) {
		list = append(list, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Append{Append: o}})
	}
	return list
}

// unlessEmpty has headers left out whose value turns out to be empty.
func unlessEmpty(list []*corev3.HeaderValueOption) []*corev3.HeaderValueOption {
	for _, o := range list {
		o.KeepEmptyValue = false
	}
	return list
}

// valueOf is the value of a header as a format string of Envoy.
func valueOf(h route.Header) string {
	switch {
	case h.Ordinary:
		return ordinary(h.Value)
	case len(h.Parts) > 0:
		return formatted(h.Parts)
	}
	return escaped(h.Value)
}

// ordinary is a format string that gives a value with the statuses that nginx calls ordinary,
// and nothing with others. The value is written byte by byte, so that none of them is read
// as part of the expression.
func ordinary(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return "%CEL(response.code in [200, 201, 204, 206, 301, 302, 303, 304, 307, 308] ? '" + b.String() + "' : '')%"
}

// inOrder answers 403 to whom the first rule that has his address keeps out.
func inOrder(rules []route.AddressRule) *corev3.TypedExtensionConfig {
	mayCome := &rbacv3.Principal{Identifier: &rbacv3.Principal_Any{Any: true}}
	for i := len(rules) - 1; i >= 0; i-- {
		these := anyOf([]netip.Prefix{rules[i].Of})
		if !rules[i].Of.IsValid() {
			these = &rbacv3.Principal{Identifier: &rbacv3.Principal_Any{Any: true}}
		}
		if rules[i].Allow {
			mayCome = &rbacv3.Principal{Identifier: &rbacv3.Principal_OrIds{OrIds: &rbacv3.Principal_Set{Ids: []*rbacv3.Principal{these, mayCome}}}}
			continue
		}
		these = &rbacv3.Principal{Identifier: &rbacv3.Principal_NotId{NotId: these}}
		mayCome = &rbacv3.Principal{Identifier: &rbacv3.Principal_AndIds{AndIds: &rbacv3.Principal_Set{Ids: []*rbacv3.Principal{these, mayCome}}}}
	}
	policies := map[string]*rbacv3.Policy{"allowed": {Principals: []*rbacv3.Principal{mayCome}}}
	return allow("legation.addresses.ordered", policies)
}
