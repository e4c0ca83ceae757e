package route_test

import (
	"testing"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// TestRegexHostOfNothing: who asks for patterns and has no path that is not an older one's
// makes none.
func TestRegexHostOfNothing(t *testing.T) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
	one := fragment(object.KindIngress, "one", 0, route.ByElement, route.Match{Path: "/a"})
	for own, want := range map[string]string{"/a": "legation/not-found default", "/b": "one /a"} {
		two := fragment(object.KindIngress, "two", 1, route.ByElement, route.Match{Path: own})
		two.Hosts[0].Server.Regex = true
		vh, _ := route.Merge("a.test", route.Input{Class: class, Own: owned(one, two)})
		if got := name(route.Decide(vh, route.Request{Host: "a.test", Path: "/abc"})); got != want {
			t.Errorf("beside %s, /abc is taken by %q, want %q", own, got, want)
		}
	}
	three := fragment(object.KindIngress, "three", 1, route.ByElement, route.Match{Path: "/a"}, route.Match{Path: "/b"})
	three.Hosts[0].Server.Regex, three.Hosts[0].Rules[0].Pattern = true, true // its only pattern is not served
	vh, _ := route.Merge("a.test", route.Input{Class: class, Own: owned(one, three)})
	if got := name(route.Decide(vh, route.Request{Host: "a.test", Path: "/abc"})); got != "legation/not-found default" {
		t.Errorf("where the only pattern is an older one's path, /abc is taken by %q", got)
	}
}

// TestRegexHost: one owner who says so makes patterns of all paths of the host. What is
// no pattern is not served, and told; a guard closes its place also then.
func TestRegexHost(t *testing.T) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
	exact := func(path string) route.Match { return route.Match{Kind: route.Exact, Path: path} }
	one := fragment(object.KindIngress, "one", 0, route.ByElement, exact("/a"), route.Match{Path: "/a/[0-9]+"}, route.Match{Path: "/b("}, route.Match{Path: "/x|/y"})
	two := fragment(object.KindIngress, "two", 1, route.ByElement, route.Match{Path: "/a/12/private"}, route.Match{Path: "/a"})
	two.Hosts[0].Server.Regex = true
	two.Guards = []route.Guard{{Match: route.Match{Path: "/a/[0-9]+/x"}, Restricts: "users", Field: "guard"}, {Match: route.Match{Path: "/c("}, Restricts: "users", Field: "guard"}}
	vh, found := route.Merge("a.test", route.Input{Class: class, Own: owned(one, two)})
	for path, want := range map[string]string{
		"/a": "one /a", "/abc": "one /a", "/A?q": "one /a", "/a/7": "one /a/[0-9]+", "/A/77/y": "one /a/[0-9]+", "/a/12/private": "two /a/12/private",
		"/x/1": "one /x|/y", "/z/y": "one /x|/y", "/a/99/x": "shop/two closed /a/[0-9]+/x", "/b(": "legation/not-found default", "/C(/d": "shop/two closed /c(",
	} {
		if got := name(route.Decide(vh, route.Request{Host: "a.test", Path: path})); got != want {
			t.Errorf("%s is taken by %q, want %q", path, got, want)
		}
	}
	codes := map[finding.Code]int{}
	for _, f := range found {
		codes[f.Code]++
	}
	if len(found) != 2 || codes[finding.BadPath] != 1 || codes[finding.PathTaken] != 1 {
		t.Errorf("found %v", found)
	}
}

// TestExactAmongPatterns: beside a rule of type Exact, a prefix that others make a pattern
// of has what is below it; as ingress-nginx has it, which compares neither with the end of
// a path then. A guest's rule takes nothing of the owner's.
func TestExactAmongPatterns(t *testing.T) {
	shared := policy.Defaults()
	shared.HostOwnership = policy.SharedHosts
	class := &route.Class{Settings: shared, CatchAll: route.NotFound()}
	exact, prefix := route.Match{Kind: route.Exact, Path: "/a"}, route.Match{Path: "/a"}
	pattern := fragment(object.KindIngress, "pattern", 9, route.ByElement, route.Match{Path: "/z"})
	pattern.Hosts[0].Server.Regex = true
	made := fragment(object.KindIngress, "made", 0, route.ByElement, prefix)
	made.Hosts[0].Rules[0].Pattern = true
	guest := fragment(object.KindIngress, "guest", 1, route.ByElement, exact)
	guest.Origin.Object.Namespace = "bakery"
	again := fragment(object.KindIngress, "again", 2, route.ByElement, prefix, exact)
	again.Hosts[0].Rules[0].Pattern = true
	for what, test := range map[string]struct {
		list               []*route.Fragment
		itself, longer, in string // who has /a, /Ab and /a/b
	}{
		"the prefix again, as a pattern": {[]*route.Fragment{fragment(object.KindIngress, "one", 0, route.ByElement, prefix), again}, "again /a", "again /a", "one /a"},
		"an older prefix":                {[]*route.Fragment{fragment(object.KindIngress, "one", 0, route.ByElement, prefix), fragment(object.KindIngress, "two", 1, route.ByElement, exact)}, "two /a", "two /a", "one /a"},
		"an older exact path":            {[]*route.Fragment{fragment(object.KindIngress, "one", 0, route.ByElement, exact), fragment(object.KindIngress, "two", 1, route.ByElement, prefix)}, "one /a", "one /a", "one /a"},
		"a prefix that is a pattern":     {[]*route.Fragment{made, fragment(object.KindIngress, "two", 1, route.ByElement, exact)}, "made /a", "made /a", "made /a"},
		"an exact path of a guest":       {[]*route.Fragment{fragment(object.KindIngress, "one", 0, route.ByElement, prefix), guest}, "one /a", "one /a", "one /a"},
		"a longer path, tried before":    {[]*route.Fragment{fragment(object.KindIngress, "one", 0, route.ByElement, prefix), fragment(object.KindIngress, "two", 1, route.ByElement, exact, route.Match{Path: "/.*"})}, "two /.*", "two /.*", "two /.*"},
	} {
		vh, _ := route.Merge("a.test", route.Input{Class: class, Own: owned(append(test.list, pattern)...)})
		for path, want := range map[string]string{"/a": test.itself, "/Ab": test.longer, "/a/b": test.in} {
			if got := name(route.Decide(vh, route.Request{Host: "a.test", Path: path})); got != want {
				t.Errorf("%s: %s is taken by %q, want %q", what, path, got, want)
			}
		}
	}
}

// TestPlaces: a place of a host is tried where a prefix of its text would be, and before all
// patterns.
func TestPlaces(t *testing.T) {
	class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
	place := func(text string) route.Place {
		return route.Place{Match: route.Match{Kind: route.Regex, Path: text + "(?s:.*)"}, Literal: text, Action: route.Action{Status: 403}}
	}
	const first, second = "shop/one location /a(?s:.*)", "shop/one location /a/b/c(?s:.*)"
	for regex, wants := range map[bool]map[string]string{
		false: {"/a": first, "/ab": first, "/a/b": "one /a/b", "/a/b/c": second, "/": "one /"},
		true:  {"/a": first, "/ab": first, "/a/b": first, "/a/b/c": second, "/": "one /"},
	} {
		f := fragment(object.KindIngress, "one", 0, route.ByElement, route.Match{Path: "/a/b"}, route.Match{Path: "/"})
		f.Hosts[0].Server.Regex, f.Hosts[0].Server.Places = regex, []route.Place{place("/a"), place("/a/b/c")}
		vh, _ := route.Merge("a.test", route.Input{Class: class, Own: owned(f)})
		for path, want := range wants {
			if got := name(route.Decide(vh, route.Request{Host: "a.test", Path: path})); got != want {
				t.Errorf("patterns %t: %s is taken by %q, want %q", regex, path, got, want)
			}
		}
	}
}
