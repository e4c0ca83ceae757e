package route_test

import (
	"net/http"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// TestOwnersFirst: at a shared host, what its owner says of all of it answers before the paths of
// others, and what another namespace says of all of it answers nothing.
func TestOwnersFirst(t *testing.T) {
	denied := route.Action{Status: http.StatusForbidden}
	of := func(namespace string, age int, path string) *route.Fragment {
		ref := object.Ref{Kind: object.KindIngress, Namespace: namespace, Name: "one"}
		b, _ := route.NewBackend(namespace, "web", "80", nil, "")
		header := route.ValueMatch{Name: "x-from", Value: namespace}
		f := &route.Fragment{Origin: object.Origin{Object: ref}, Class: route.ClassName{Name: "edge", Named: true}, Age: time.Unix(int64(age), 0)}
		f.Hosts = []route.Host{{Name: "a.test", Rules: []route.Rule{{Match: route.Match{Path: path}, Path: path, Name: namespace, Action: route.Action{Targets: []route.Target{{Backend: b}}}}},
			Server: route.Server{Measures: &route.Measures{Before: []route.Conditional{{Match: route.Match{Headers: []route.ValueMatch{header}}, Action: denied}}},
				Places: []route.Place{{Match: route.Match{Kind: route.Exact, Path: "/" + namespace}, Action: denied, First: true}}}}}
		return f.Sealed(pmap.SumOf(namespace))
	}
	shared, _ := policy.OfClass(object.Ref{}, map[string]string{"host-ownership": "shared"})
	class := &route.Class{Name: "edge", Settings: policy.Defaults().With(shared), CatchAll: route.NotFound()}
	vh, _ := merged("a.test", class, []*route.Fragment{of("owner", 0, "/"), of("guest", 1, "/own")})
	for _, c := range []struct {
		path, from string
		want       route.Outcome
	}{
		{"/own", "owner", route.Outcome{Status: 403}}, {"/own", "guest", route.Outcome{Cluster: "guest/web/80"}}, {"/x", "guest", route.Outcome{Cluster: "owner/web/80"}},
		{"/owner", "", route.Outcome{Status: 403}}, {"/guest", "", route.Outcome{Cluster: "owner/web/80"}},
	} {
		d := route.Decide(vh, route.Request{Method: "GET", Host: "a.test", Path: c.path, Proto: "http", Headers: http.Header{"X-From": {c.from}}})
		if d.Allowed[0] != c.want {
			t.Errorf("%s from %q: %+v by %s, want %+v", c.path, c.from, d.Allowed, d.Route.Name, c.want)
		}
	}
}
