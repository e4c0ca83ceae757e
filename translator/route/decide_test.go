package route_test

import (
	"net/http"
	"reflect"
	"testing"

	"legation.dev/translator/route"
)

// to is what a route does that leads to a Service of namespace shop.
func to(targets ...route.Target) route.Planned {
	return route.Planned{Action: route.Action{Targets: targets}}
}

func sent(to *route.Redirect) route.Planned { return route.Planned{Action: route.Action{Redirect: to}} }

func target(service string, weight uint32) route.Target {
	b, _ := route.NewBackend("shop", service, "80", nil, "")
	return route.Target{Backend: b, Weight: weight}
}

// decided is a virtual host with one route of each kind.
func decided(port uint32) *route.VirtualHost {
	return &route.VirtualHost{Host: "*.shop.test", Routes: []route.Route{
		{Name: "deeper", Match: route.Match{Path: "/"}, Deeper: "*.shop.test", Planned: route.NotFound()},
		{Name: "redirect", Match: route.Match{Path: "/secure/"}, Plain: true, Planned: sent(route.ToHTTPS(port, ""))},
		{Name: "post", Match: route.Match{Kind: route.Exact, Path: "/pay", Method: "POST"}, Planned: to(target("pay", 0))},
		{Name: "beta", Match: route.Match{Path: "/pay", Headers: []route.ValueMatch{{Name: "X-Beta", Value: "[1-9]", Regex: true}}}, Planned: to(target("beta", 0))},
		{Name: "query", Match: route.Match{Path: "/pay", Query: []route.ValueMatch{{Name: "v", Value: "2"}}}, Planned: to(target("v2", 0))},
		{Name: "php", Match: route.Match{Kind: route.Regex, Path: `/a|/.+\.php`}, Planned: to(target("php", 0))},
		{Name: "split", Match: route.Match{Path: "/pay/"}, Planned: to(target("a", 1), target("b", 0), target("c", 9))},
		{Name: "secure", Match: route.Match{Path: "/secure"}, Planned: to(target("secure", 0))},
		{Name: "acme", Match: route.Match{Path: "/.well-known"}, Planned: to(target("acme", 0))},
	}}
}

func cluster(names ...string) (list []route.Outcome) {
	for _, n := range names {
		list = append(list, route.Outcome{Cluster: "shop/" + n + "/80"})
	}
	return list
}

func status(code uint32, location string) []route.Outcome {
	return []route.Outcome{{Status: code, Location: location}}
}

// TestDecide: each way to match, and each way to miss by little.
func TestDecide(t *testing.T) {
	for _, c := range []struct {
		method, url, proto string
		headers            http.Header
		route              string
		want               []route.Outcome
	}{
		{"GET", "a.shop.test/pay", "", nil, "split", cluster("a", "c")},
		{"GET", "a.shop.test/pay/x?v=1&v=2", "", nil, "split", cluster("a", "c")},
		{"GET", "a.shop.test/pays", "", nil, "", status(404, "")},
		{"GET", "a.shop.test/Pay", "", nil, "", status(404, "")},
		{"POST", "a.shop.test/pay?x", "", nil, "post", cluster("pay")},
		{"POST", "a.shop.test/pay/?x", "", nil, "split", cluster("a", "c")},
		{"GET", "a.shop.test/pay", "", http.Header{"X-Beta": {"3"}}, "beta", cluster("beta")},
		{"GET", "a.shop.test/pay", "", http.Header{"X-Beta": {"0", "4"}}, "beta", cluster("beta")},
		{"GET", "a.shop.test/pay", "", http.Header{"X-Beta": {"3,4"}}, "split", cluster("a", "c")},
		{"GET", "a.shop.test/pay?u=1&v=2", "", nil, "query", cluster("v2")},
		{"GET", "a.shop.test/pay?v=%32", "", nil, "split", cluster("a", "c")},
		{"GET", "a.shop.test/a", "", nil, "php", cluster("php")},
		{"GET", "a.shop.test/ab", "", nil, "", status(404, "")},
		{"GET", "a.shop.test/ab.php?x", "", nil, "php", cluster("php")},
		{"GET", "a.b.shop.test/pay", "", nil, "deeper", status(404, "")},
		{"GET", "A.Shop.Test:8080/a", "", nil, "php", cluster("php")},
		{"GET", "a.shop.test./a", "", nil, "php", cluster("php")},
		{"GET", "a.shop.test/secure", "https", nil, "secure", cluster("secure")},
		{"GET", "a.shop.test/secure?x=1", "http", nil, "redirect", status(308, "https://a.shop.test/secure?x=1")},
		{"GET", "a.shop.test:80/secure", "http", nil, "redirect", status(308, "https://a.shop.test/secure")},
		{"GET", "A.shop.test.:8080/secure", "http", nil, "redirect", status(308, "https://A.shop.test:8080/secure")},
		{"GET", "a.shop.test" + route.ACME + "x", "http", nil, "acme", cluster("acme")},
	} {
		host, path := split(c.url)
		d := route.Decide(decided(443), route.Request{Method: c.method, Host: host, Path: path, Proto: c.proto, Headers: c.headers})
		if name(d) != c.route || !reflect.DeepEqual(d.Allowed, c.want) {
			t.Errorf("%s %s %v: %q %+v, want %q %+v", c.method, c.url, c.headers, name(d), d.Allowed, c.route, c.want)
		}
	}
}

// TestDecideEscapes: escapes in lower case are those in capitals, and those that need not be
// are none; nothing else is.
func TestDecideEscapes(t *testing.T) {
	for _, c := range []struct {
		kind            route.PathKind
		rule, path, out string
	}{
		{route.Prefix, "/o%C3%A8", "/o%c3%a8/x%c3", "/new/x%c3"},
		{route.Prefix, "/o%C3%A8", "/o%C3%a8?%c3", "/new?%c3"},
		{route.Prefix, "/o%c3%a8", "/o%C3%A8", "/new"},
		{route.Prefix, "/o%C3%A8", "/O%c3%a8", ""},
		{route.Prefix, "/o%C3%A8", "/o%c3%a8s", ""},
		{route.Exact, "/%7Bid%7D", "/%7bid%7d", "/new"},
		{route.Exact, "/%7Bid%7D", "/%7bID%7d", ""},
		{route.Regex, "/o%C3%A8", "/o%c3%a8", ""},
		{route.Prefix, "/v(1)", "/v%281%29/x%28", "/new/x%28"},
		{route.Prefix, "/v(1)/", "/v(1%29", "/new"},
		{route.Prefix, "/v(1)", "/v%281%292", ""},
		{route.Exact, "/v@1", "/v%401?@", "/new?@"},
	} {
		vh := &route.VirtualHost{Routes: []route.Route{{Match: route.Match{Kind: c.kind, Path: c.rule}, Planned: sent(&route.Redirect{Status: 301, Prefix: "/new"})}}}
		want := status(404, "")
		if c.out != "" {
			want = status(301, "http://a.test"+c.out)
		}
		if d := route.Decide(vh, route.Request{Host: "a.test", Path: c.path, Proto: "http"}); !reflect.DeepEqual(d.Allowed, want) {
			t.Errorf("%s %s: %s leads to %+v, want %+v", c.kind, c.rule, c.path, d.Allowed, want)
		}
	}
}

// split parts a host from a path.
func split(url string) (host, path string) {
	for i := range url {
		if url[i] == '/' {
			return url[:i], url[i:]
		}
	}
	return url, ""
}

// name is that of the route that takes the request; empty for none.
func name(d route.Decision) string {
	if d.Route == nil {
		return ""
	}
	return d.Route.Name
}

// TestDecidePort: a redirect names the port of the class, in place of the one that
// the client dialled.
func TestDecidePort(t *testing.T) {
	d := route.Decide(decided(8443), route.Request{Host: "a.shop.test:8080", Path: "/secure", Proto: "http"})
	if want := status(308, "https://a.shop.test:8443/secure"); !reflect.DeepEqual(d.Allowed, want) {
		t.Errorf("got %+v, want %+v", d.Allowed, want)
	}
}

// TestDecideLost: each route that does not take the request says why.
func TestDecideLost(t *testing.T) {
	d := route.Decide(decided(443), route.Request{Method: "GET", Host: "a.shop.test", Path: "/pay?v=1", Proto: "https"})
	want := []route.Loss{
		{"deeper", "the host is one label below *.shop.test"}, {"redirect", "path differs"}, {"post", "method differs"},
		{"beta", "header X-Beta differs"}, {"query", "query parameter v differs"}, {"php", "path differs"},
		{"secure", "path differs"}, {"acme", "path differs"},
	}
	if !reflect.DeepEqual(d.Lost, want) {
		t.Errorf("got %q, want %q", d.Lost, want)
	}
	d = route.Decide(decided(443), route.Request{Method: "POST", Host: "a.shop.test", Path: "/pay", Proto: "https"})
	if last := d.Lost[len(d.Lost)-3]; last != (route.Loss{Route: "split", Why: "a rule before it matches"}) {
		t.Errorf("a route behind the winner: %q", d.Lost)
	}
	for _, c := range []struct{ path, proto, why string }{
		{"/secure", "https", "it takes plain http only"},
		{route.ACME + "x", "http", "challenges for certificates stay on http"},
	} {
		vh := &route.VirtualHost{Routes: []route.Route{{Match: route.Match{Path: "/"}, Plain: true, Planned: sent(route.ToHTTPS(443, ""))}}}
		d := route.Decide(vh, route.Request{Path: c.path, Proto: c.proto})
		if len(d.Lost) != 1 || d.Lost[0].Why != c.why {
			t.Errorf("%s by %s: %q, want %q", c.path, c.proto, d.Lost, c.why)
		}
	}
}

// TestFindHost: exact, then the longest wildcard, then all.
func TestFindHost(t *testing.T) {
	served := map[string]bool{"a.test": true, "*.test": true, "*.a.test": true, "[::1]": true}
	for authority, want := range map[string]string{
		"a.test": "a.test", "A.TEST": "a.test", "a.test:8080": "a.test", "a.test.": "a.test", "a.test.:80": "a.test", "a.test:": "a.test",
		"x.a.test": "*.a.test", "y.x.a.test": "*.a.test", "b.test": "*.test", "xa.test": "*.test",
		".test": "", "test": "", "": "", "*": "", "[::1]:80": "[::1]",
	} {
		if got, ok := route.FindHost(authority, func(n string) bool { return served[n] }); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %t, want %q", authority, got, ok, want)
		}
	}
	if got, ok := route.FindHost("b.test", func(n string) bool { return n == route.Any }); !ok || got != route.Any {
		t.Errorf("what nobody names leads to %q, %t", got, ok)
	}
}
