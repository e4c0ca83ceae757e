package render

import (
	"net/netip"
	"slices"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// TestParts: the parts of a filter are composed. A route that switches one of them
// off keeps the others, and says so of all, since what stands on a route replaces
// what the class says.
func TestParts(t *testing.T) {
	access := part{ // as one that restricts would be
		differs: func(route, class *policy.Route) bool { return false },
		config: func(*policy.Route) *corev3.TypedExtensionConfig {
			return &corev3.TypedExtensionConfig{Name: "access", TypedConfig: packed(&routev3.FilterConfig{})}
		},
	}
	defer func(list []filter) { filters = list }(filters)
	filters = []filter{{name: "chain", config: &chainv3.FilterChainConfig{}, parts: []part{access, bodyLimit}}}
	class := policy.Defaults().Route
	route := class
	if own := onRoute(&route, &class); own != nil {
		t.Errorf("a route like its class says %v", own)
	}
	route.RequestBody = 0 // no limit
	for name, c := range map[string]struct {
		got  map[string]*anypb.Any
		want []string
	}{
		"class":         {onAll(&class, policy.Renewal{}), []string{"access", "envoy.filters.http.body_size_limit"}},
		"without limit": {onRoute(&route, &class), []string{"access"}},
	} {
		var m chainv3.FilterChainConfigPerRoute
		if err := c.got["chain"].UnmarshalTo(&m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, f := range m.FilterChain.Filters {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s runs %q, want %q", name, got, c.want)
		}
	}
	if upgrades := httpFilters(true); len(upgrades) != 2 || upgrades[0].Name != "chain" {
		t.Errorf("upgrades run %v", upgrades)
	}
}

// TestNoAddresses: on a route without the addresses that its class has, nobody is asked for
// them, whatever else runs there: a redirect of a compatible class comes before them, at a
// host with client certificates, too.
func TestNoAddresses(t *testing.T) {
	class := policy.Defaults().Route
	class.Denied = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	open := class
	open.Addresses = policy.Addresses{}
	first := &corev3.TypedExtensionConfig{Name: "legation.clients", TypedConfig: packed(&rbacfilterv3.RBAC{})}
	checked := &route.Checked{Clients: route.Clients{Mode: route.Required}, Chain: "app.example.com"}
	for name, c := range map[string]struct {
		own    map[string]*anypb.Any
		guards bool
	}{
		"a redirect":                  {onRoute(&open, &class, first), false},
		"a rule":                      {onRoute(&class, &class, first), true},
		"who has no good certificate": {refusals(checked, &class)[0].TypedPerFilterConfig, false},
	} {
		var m chainv3.FilterChainConfigPerRoute
		if err := c.own[policyFilter].UnmarshalTo(&m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		i := slices.IndexFunc(m.FilterChain.Filters, func(f *corev3.TypedExtensionConfig) bool { return f.Name == addressesName })
		if i < 0 {
			t.Errorf("%s: what the class says runs, and it does not say so itself", name)
			continue
		}
		var addresses rbacfilterv3.RBAC
		if err := m.FilterChain.Filters[i].TypedConfig.UnmarshalTo(&addresses); err != nil {
			t.Fatal(err)
		}
		if (addresses.Rules != nil) != c.guards {
			t.Errorf("%s: addresses are %v", name, &addresses)
		}
	}
	if m := onRoute(&open, &class)[policyFilter]; !m.MessageIs(&routev3.FilterConfig{}) {
		t.Errorf("where nothing else runs the filter is not switched off: %v", m)
	}
}

// TestBodyOnly: what is no limit of bodies runs on upgrades, too.
func TestBodyOnly(t *testing.T) {
	for _, f := range filters {
		for i, p := range f.parts {
			if f.bodyOnly && !p.bodyOnly {
				t.Errorf("%s does not run on upgrades, and its part %d must", f.name, i)
			}
		}
	}
}
