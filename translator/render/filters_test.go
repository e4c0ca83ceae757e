package render

import (
	"slices"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/translator/policy"
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
