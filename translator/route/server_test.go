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
