package route_test

import (
	"net/http"
	"reflect"
	"slices"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// leading is a fragment whose paths lead to Services, each by its own name.
func leading(name string, hours int, services ...string) *route.Fragment {
	f := fragment(object.KindIngress, name, hours, route.ByElement)
	for _, s := range services {
		f.Hosts[0].Rules = append(f.Hosts[0].Rules, route.Rule{Match: route.Match{Path: "/" + s}, Name: name + " /" + s, Action: to(target(s, 0)).Action})
	}
	return f
}

// canary is one of a Service to "next".
func canary(main string, c route.Canary) route.Canary {
	c.Main, c.To = target(main, 0).Backend, target("next", 0).Backend
	c.Origin = object.Origin{Object: object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "canary"}, Field: "canary"}
	return c
}

// TestCanary: a header decides first, then a cookie, then the weight.
func TestCanary(t *testing.T) {
	main, next, both := cluster("web"), cluster("next"), cluster("web", "next")
	cookies := func(text string) http.Header { return http.Header{"Cookie": {text}} }
	for _, c := range []struct {
		canary  route.Canary
		headers http.Header
		want    []route.Outcome
	}{
		{route.Canary{}, nil, main},
		{route.Canary{Weight: 10, Total: 100}, nil, both},
		{route.Canary{Weight: 0, Total: 100}, nil, main},
		{route.Canary{Weight: 100, Total: 100}, nil, next},
		{route.Canary{Weight: 300, Total: 100}, nil, next},
		{route.Canary{Weight: 10}, nil, main},
		{route.Canary{Header: "X-C"}, http.Header{"X-C": {"always"}}, next},
		{route.Canary{Header: "X-C", Weight: 100, Total: 100}, http.Header{"X-C": {"never"}}, main},
		{route.Canary{Header: "X-C", Weight: 10, Total: 100}, http.Header{"X-C": {"perhaps"}}, both},
		{route.Canary{Header: "X-C", Value: "b.ta"}, http.Header{"X-C": {"b.ta"}}, next},
		{route.Canary{Header: "X-C", Value: "b.ta"}, http.Header{"X-C": {"beta"}}, main},
		{route.Canary{Header: "X-C", Value: "b.ta", Weight: 1, Total: 2}, http.Header{"X-C": {"never"}}, both},
		{route.Canary{Header: "X-C", Pattern: "b.*"}, http.Header{"X-C": {"beta"}}, next},
		{route.Canary{Header: "X-C", Pattern: "b.*"}, http.Header{"X-C": {"a beta"}}, main},
		{route.Canary{Cookie: "c"}, cookies("a=b; c=always; d=e"), next},
		{route.Canary{Cookie: "c"}, cookies("xc=always; c=alwaysx"), main},
		{route.Canary{Cookie: "c", Weight: 100, Total: 100}, cookies("c=never"), main},
		{route.Canary{Cookie: "c", Header: "X-C"}, http.Header{"X-C": {"never"}, "Cookie": {"c=always"}}, main},
		{route.Canary{Cookie: "c", Header: "X-C"}, http.Header{"X-C": {"always"}, "Cookie": {"c=never"}}, next},
	} {
		class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
		vh, found := route.Merge("a.test", route.Input{Class: class, Own: owned(leading("main", 0, "web", "other")), Canaries: []route.Canary{canary("web", c.canary)}})
		d := route.Decide(vh, route.Request{Host: "a.test", Path: "/web", Headers: c.headers})
		if !reflect.DeepEqual(d.Allowed, c.want) || len(found) > 0 {
			t.Errorf("%+v: %v leads to %+v, want %+v; %v", c.canary, c.headers, d.Allowed, c.want, found)
		}
		d = route.Decide(vh, route.Request{Host: "a.test", Path: "/other", Headers: c.headers})
		if !reflect.DeepEqual(d.Allowed, cluster("other")) {
			t.Errorf("%+v: another Service is led to %+v", c.canary, d.Allowed)
		}
	}
}

// TestCanaries: whatever leads to the main Service has its canary, once; what splits by
// itself, is closed or is not on the port has none. The older of two counts, and one
// that its object has closed does not.
func TestCanaries(t *testing.T) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: to(target("web", 0))}
	class.CatchAll.Owner, class.CatchAll.Settings = "default", &class.Settings.Route
	splits := leading("splits", 1, "splits", "other")
	splits.Hosts[0].Rules[0].Action.Targets = []route.Target{target("web", 1), target("other", 1)}
	all := route.Canary{Weight: 1, Total: 1}
	list := func(guarded bool) []route.Canary {
		first, second := leading("first", 0), leading("second", 1)
		first.Canaries, second.Canaries = []route.Canary{canary("web", all), canary("unused", all)}, []route.Canary{canary("web", all)}
		if second.Canaries[0].To = target("second", 0).Backend; guarded {
			first.Guards = []route.Guard{{Restricts: "users"}}
		}
		return class.Canaries([]*route.Fragment{first, second})
	}
	for guarded, want := range map[bool]string{false: "next", true: "second"} {
		vh, found := route.Merge("a.test", route.Input{Class: class, Own: owned(leading("main", 0, "web"), splits), Canaries: list(guarded)})
		for path, want := range map[string][]route.Outcome{"/web": cluster(want), "/": cluster(want), "/splits": cluster("web", "other"), "/other": cluster("other")} {
			if got := route.Decide(vh, route.Request{Host: "a.test", Path: path}).Allowed; !reflect.DeepEqual(got, want) {
				t.Errorf("guarded %t: %s leads to %+v, want %+v", guarded, path, got, want)
			}
		}
		var names []string
		for _, b := range vh.Backends {
			names = append(names, b.Service)
		}
		if want := slices.Sorted(slices.Values([]string{"other", "web", want})); !slices.Equal(names, want) {
			t.Errorf("guarded %t: it needs %v, want %v", guarded, names, want)
		}
		told := len(found) == 1 && found[0].Code == finding.CanaryTaken
		if told == guarded || !slices.ContainsFunc(vh.From, func(r object.Ref) bool { return r.Name == "canary" }) {
			t.Errorf("guarded %t: found %v, made of %v", guarded, found, vh.From)
		}
	}
}

// TestResolved: the main Service is that of the oldest rule with the same host, path and
// type; a canary that has none, or is that Service itself, is left out.
func TestResolved(t *testing.T) {
	older, newer := leading("older", 0, "web"), leading("newer", 1, "web", "other")
	newer.Hosts[0].Rules[0].Action = to(target("newer", 0)).Action
	tenure := func(host string) route.Tenure {
		if host != older.Hosts[0].Name {
			return route.Tenure{}
		}
		return route.Tenure{Served: []*route.Fragment{older, newer}}
	}
	on := func(host, service string, m route.Match) route.Canary {
		return route.Canary{Host: host, Match: m, To: target(service, 0).Backend}
	}
	f := leading("canary", 2)
	host := older.Hosts[0].Name
	f.Canaries = []route.Canary{
		on(host, "next", route.Match{Path: "/web"}), on(host, "web", route.Match{Path: "/web"}), on(host, "next", route.Match{Path: "/other"}),
		on(host, "next", route.Match{Path: "/web", Kind: route.Exact}), on("elsewhere.test", "next", route.Match{Path: "/web"}),
	}
	var got []string
	for _, c := range f.Resolved(tenure).Canaries {
		got = append(got, c.Main.Service+" "+c.To.Service)
	}
	if want := []string{"web next", "other next"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	f.Origin.Object.Namespace = "elsewhere"
	if list := f.Resolved(tenure).Canaries; len(list) > 0 {
		t.Errorf("a canary of another namespace than the rule's has a share: %v", list)
	}
}
