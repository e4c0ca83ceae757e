package route_test

import (
	"slices"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// fragment has rules for a.test, of an object as old as hours say.
func fragment(kind object.Kind, name string, hours int, order route.Order, matches ...route.Match) *route.Fragment {
	f := &route.Fragment{Origin: object.Origin{Object: object.Ref{Kind: kind, Namespace: "shop", Name: name}},
		Age: time.Unix(int64(hours)*3600, 0), Order: order, Hosts: []route.Host{{Name: "a.test"}}}
	for _, m := range matches {
		f.Hosts[0].Rules = append(f.Hosts[0].Rules, route.Rule{Match: m, Name: name + " " + m.Path, Action: route.Action{Status: 503}})
	}
	return f
}

// owned is a name that belongs to the namespace of all fragments.
func owned(list ...*route.Fragment) route.Tenure {
	return route.Tenure{Owner: list[0].Origin.Object.Namespace, Served: list}
}

// TestOrderOfHost: an owner that asks for the order of Gateway API has it for the
// host; what that order leaves open goes to the older owner, then to the rule that
// stands first.
func TestOrderOfHost(t *testing.T) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
	header := func(name string) []route.ValueMatch { return []route.ValueMatch{{Name: name, Value: "1"}} }
	old := fragment("HTTPRoute", "old", 0, route.BySpecificity,
		route.Match{Path: "/z", Headers: header("z")}, route.Match{Path: "/z", Headers: header("y")})
	young := fragment("HTTPRoute", "young", 1, route.BySpecificity, route.Match{Path: "/z", Headers: header("a")}, route.Match{Path: "/z/", Method: "GET"})
	ingress := fragment(object.KindIngress, "ingress", 2, route.ByElement, route.Match{Path: "/z/long"}, route.Match{Kind: route.Exact, Path: "/z"})
	vh, found := route.Merge("a.test", route.Input{Class: class, Own: owned(old, young, ingress)})
	var order []string
	for _, r := range vh.Routes {
		text := r.Name
		for _, h := range r.Match.Headers {
			text += " " + h.Name
		}
		order = append(order, text)
	}
	want := []string{"ingress /z", "ingress /z/long", "young /z/", "old /z z", "old /z y", "young /z a", "legation/not-found default"}
	if !slices.Equal(order, want) || len(found) > 0 {
		t.Errorf("got %q, %v, want %q", order, found, want)
	}
}

// TestDeepWildcard: names of more labels than one go to the owners that claim them,
// beside others that do not.
func TestDeepWildcard(t *testing.T) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
	owner := func(name string, hours int, deep bool) *route.Fragment {
		f := fragment("HTTPRoute", name, hours, route.BySpecificity, route.Match{Path: "/" + name}, route.Match{Path: "/all"})
		f.Hosts[0].Name, f.Hosts[0].Deep = "*.test", deep
		return f
	}
	rest := fragment(object.KindIngress, "rest", 3, route.ByElement, route.Match{Path: "/all"})
	rest.Hosts[0].Name = route.Any
	flat, deep := owner("flat", 1, false), owner("deep", 2, true)
	for _, c := range []struct {
		name      string
		own       []*route.Fragment
		one, more string // who takes /all of a name of one label, and of two
	}{
		{"nobody claims them", []*route.Fragment{flat}, "flat /all", "deeper rest /all"},
		{"one of two", []*route.Fragment{flat, deep}, "flat /all", "deeper deep /all"},
		{"all", []*route.Fragment{deep}, "deep /all", "deep /all"},
	} {
		vh, _ := route.Merge("*.test", route.Input{Class: class, Own: owned(c.own...), Any: owned(rest)})
		for host, want := range map[string]string{"a.test": c.one, "b.a.test": c.more} {
			if got := name(route.Decide(vh, route.Request{Host: host, Path: "/all"})); got != want {
				t.Errorf("%s: %s is taken by %q, want %q", c.name, host, got, want)
			}
		}
	}
	asking := *rest
	asking.Hosts = []route.Host{rest.Hosts[0]}
	asking.Hosts[0].Server.Clients = &route.Clients{}
	vh, _ := route.Merge("*.test", route.Input{Class: class, Own: owned(flat), Any: owned(&asking)})
	for proto, want := range map[string]string{"https": "deeper shop/rest closed by TLS", "http": "deeper rest /all"} { // by the chain of flat nobody is asked
		if got := name(route.Decide(vh, route.Request{Host: "b.a.test", Path: "/all", Proto: proto})); got != want {
			t.Errorf("where client certificates are asked for, %s is taken by %q, want %q", proto, got, want)
		}
	}
	vh, _ = route.Merge("*.test", route.Input{Class: class, Own: owned(flat, deep), Any: owned(rest)})
	if want := []object.Ref{flat.Origin.Object, deep.Origin.Object}; !slices.Equal(vh.From, want) {
		t.Errorf("made of %v, want %v", vh.From, want)
	}
	if got := name(route.Decide(vh, route.Request{Host: "b.a.test", Path: "/flat"})); got != "deeper legation/not-found default" {
		t.Errorf("what nobody has is taken by %q", got)
	}
}
