package render

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/translator/policy"
)

// filter is an HTTP filter that is in every listener, switched off, and that routes
// switch on, by any configuration for it: their own, or that of their route configuration. If it
// were on and had nothing to do, it would cost each request time all the same. Envoy accepts
// the configuration of a filter that it does not have, and ignores it: a name on a route must
// be in this list, or what it guards would be open.
type filter struct {
	name string
	// config is its configuration in the listener. A filter_chain runs what a route says of it:
	// that is enough for nearly all that Envoy has (envoy.filters.http.composite is refused).
	// Others are driven by a route's metadata.
	config validated
	// bodyOnly: it does not run on WebSocket upgrades, for it looks at nothing but
	// bodies. Never so for what restricts access: an upgrade would pass by it.
	bodyOnly bool
	// parts are what it runs, in order; each decides by itself.
	parts []part
	// wanted, of a filter without parts, reports whether it is to run, as it is in the listener.
	wanted func(*policy.Route) bool
}

// part is one filter inside a filter_chain.
type part struct {
	// differs reports whether a route wants another configuration than its class.
	differs func(route, class *policy.Route) bool
	// config is the configuration for these settings; nil if it is not to run.
	config func(*policy.Route) *corev3.TypedExtensionConfig
	// bodyOnly: it may stand in a filter that is so.
	bodyOnly bool
}

// preFilter runs before all others that routes switch on. A renewal of connections runs in
// it, in the route configuration (renewal.go): what routes say of it is added to that,
// but a route that disables it takes no part.
const preFilter = "legation.pre"

// policyFilter runs what restricts access and changes requests and answers.
const policyFilter = "legation.policy"

// filters are all, in the order in which they run; the router comes after them. A
// new function of routes is a part of one of them, in a file of its own: that changes
// no listener. A new name here changes all, and connections that are older run without
// it, so that nothing may be guarded by it alone.
var filters = []filter{
	// What the limiter has to know first: who is exempt, by shadow rules.
	{name: preFilter, config: &chainv3.FilterChainConfig{}, parts: []part{exemption, unlogged}},
	{name: limiterFilter, config: limiter()},
	{name: policyFilter, config: &chainv3.FilterChainConfig{}, parts: []part{corsOrigin, corsHeaders, addresses, auth, session}},
	{name: retryFilter, config: idempotentOnly(), wanted: func(s *policy.Route) bool { return s.RetryIdempotent }},
	// It keeps the name that it had when it was the only one: a connection from then
	// knows no other, and its bodies stay limited only by that name.
	{name: "envoy.filters.http.filter_chain", config: &chainv3.FilterChainConfig{}, bodyOnly: true, parts: []part{bodyLimit}},
}

// httpFilters are those of a listener, or of its upgrades.
func httpFilters(upgrades bool) (list []*hcmv3.HttpFilter) {
	for _, f := range filters {
		if !f.bodyOnly || !upgrades {
			list = append(list, &hcmv3.HttpFilter{Name: f.name, Disabled: true, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(f.config)}})
		}
	}
	return append(list, router())
}

// onAll is what runs on every route that does not say otherwise. It is in the
// route configuration, once for all hosts: Envoy makes a filter of each that a
// virtual host has, anew with every route push.
func onAll(class *policy.Route, renewal policy.Renewal) map[string]*anypb.Any {
	var all map[string]*anypb.Any
	for _, f := range filters {
		running := f.running(class)
		if f.name == preFilter {
			running = append(renewing(renewal), running...)
		}
		switch {
		case len(running) > 0:
			all = with(all, f.name, perRoute(running))
		case f.wanted != nil && f.wanted(class):
			all = with(all, f.name, ask())
		}
	}
	return all
}

// onRoute is what runs on a route, where that is not what runs on all: all parts of a
// filter, or none. A part takes the place of that of the class with its name; one that the
// class alone has runs, too (measured), unless the route switches the whole filter off.
// What comes first is of the host, and runs before the others.
func onRoute(route, class *policy.Route, first ...*corev3.TypedExtensionConfig) map[string]*anypb.Any {
	var own map[string]*anypb.Any
	for _, f := range filters {
		differs := func(p part) bool { return p.differs(route, class) }
		switch {
		case f.name == policyFilter && len(first) > 0, slices.ContainsFunc(f.parts, differs):
			running := f.running(route)
			if f.name == policyFilter && len(first)+len(running) > 0 {
				running = slices.Concat(first, running, everyAddress(route, class))
			}
			own = with(own, f.name, perRoute(running))
		case f.wanted != nil && f.wanted(route) && !f.wanted(class):
			own = with(own, f.name, ask())
		case f.wanted != nil && !f.wanted(route) && f.wanted(class):
			own = with(own, f.name, perRoute(nil))
		}
	}
	return own
}

func (f filter) running(s *policy.Route) (list []*corev3.TypedExtensionConfig) {
	for _, p := range f.parts {
		if c := p.config(s); c != nil {
			list = append(list, c)
		}
	}
	return list
}

// perRoute runs parts; none switches the filter off.
func perRoute(parts []*corev3.TypedExtensionConfig) *anypb.Any {
	if len(parts) == 0 {
		return packed(&routev3.FilterConfig{Disabled: true})
	}
	return packed(&chainv3.FilterChainConfigPerRoute{FilterChain: &chainv3.FilterChain{Filters: parts}})
}

// ask switches a filter on for a route, with the configuration that it has in the listener, and
// so with what it has counted there.
func ask() *anypb.Any { return packed(&routev3.FilterConfig{Config: &anypb.Any{}}) }

func with(m map[string]*anypb.Any, name string, config *anypb.Any) map[string]*anypb.Any {
	if m == nil {
		m = map[string]*anypb.Any{}
	}
	m[name] = config
	return m
}

// FilterNames are the names that may stand on a route or a route configuration.
func FilterNames() (names []string) {
	for _, f := range filters {
		names = append(names, f.name)
	}
	return names
}
