package route_test

import (
	"testing"

	"legation.dev/object"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// TestGuards: a guard closes its place in the order of the host; what comes before it
// stays open. A class that serves unprotected opens all.
func TestGuards(t *testing.T) {
	exact := func(path string) route.Match { return route.Match{Kind: route.Exact, Path: path} }
	guarded := func(guards ...route.Match) *route.Fragment {
		f := fragment(object.KindIngress, "guarded", 1, route.ByElement, route.Match{Path: "/"}, route.Match{Path: "/a"}, route.Match{Path: "/a/open"}, exact("/a"))
		for i := range f.Hosts[0].Rules {
			f.Hosts[0].Rules[i].Action.Status = 200
		}
		for _, m := range guards {
			f.Guards = append(f.Guards, route.Guard{Match: m, Restricts: "users", Field: "guard"})
		}
		return f
	}
	for _, c := range []struct {
		name   string
		guards []route.Match
		open   bool // the class
		want   map[string]uint32
	}{
		{"a place", []route.Match{{Path: "/a"}}, false, map[string]uint32{"/": 200, "/b": 200, "/a": 200, "/a/b": 503, "/a/open/x": 200}},
		{"one path", []route.Match{exact("/a")}, false, map[string]uint32{"/": 200, "/a": 503, "/a/b": 200}},
		{"between rules", []route.Match{{Path: "/a/op"}, {Path: "/a/open/not"}}, false, map[string]uint32{"/a/open": 200, "/a/op": 503, "/a/open/not/x": 503}},
		{"all", []route.Match{{}, {Path: "/a"}}, false, map[string]uint32{"/": 503, "/a": 503, "/a/open": 503}},
		{"served unprotected", []route.Match{{}, {Path: "/a"}}, true, map[string]uint32{"/": 200, "/a/b": 200}},
	} {
		class := &route.Class{Settings: policy.Defaults(), CatchAll: route.NotFound()}
		class.Settings.ServeUnprotected = c.open
		older := fragment(object.KindIngress, "older", 0, route.ByElement, route.Match{Path: "/other"})
		older.Hosts[0].Rules[0].Action.Status = 201
		vh, _ := route.Merge("a.test", route.Input{Class: class, Own: owned(older, guarded(c.guards...))})
		c.want["/other"] = 201 // is another object's
		for path, want := range c.want {
			if got := route.Decide(vh, route.Request{Host: "a.test", Path: path}).Allowed[0].Status; got != want {
				t.Errorf("%s: %s is answered %d, want %d", c.name, path, got, want)
			}
		}
	}
}
