package route_test

import (
	"net/http"
	"testing"

	"legation.dev/translator/route"
)

// TestRedirect: what a redirect names takes the place of what the client sent; the
// rest stays. The places are those that Envoy sends clients to (test/decide).
func TestRedirect(t *testing.T) {
	for _, c := range []struct {
		to      route.Redirect
		kind    route.PathKind
		rule    string // its path
		request string // scheme, host and path
		want    string
	}{
		{route.Redirect{}, route.Prefix, "/", "http://a.test:8080/x?y", "http://a.test:8080/x?y"},
		{route.Redirect{Scheme: "https"}, route.Prefix, "/", "http://a.test:80/x", "https://a.test/x"},
		{route.Redirect{Scheme: "https"}, route.Prefix, "/", "https://a.test:443/x", "https://a.test:443/x"},
		{route.Redirect{Scheme: "http"}, route.Prefix, "/", "https://a.test:443/x", "http://a.test/x"},
		{route.Redirect{Scheme: "https"}, route.Prefix, "/", "http://a.test:8080/x", "https://a.test:8080/x"},
		{route.Redirect{Port: 8443}, route.Prefix, "/", "https://[::1]:1/x", "https://[::1]:8443/x"},
		{route.Redirect{Host: "b.test"}, route.Prefix, "/", "http://a.test:8080/x?", "http://b.test/x?"},
		{route.Redirect{Host: "b.test", Port: 81}, route.Prefix, "/", "http://a.test/", "http://b.test:81/"},
		{route.Redirect{Path: "/new"}, route.Prefix, "/old", "http://a.test/old/x?y=1", "http://a.test/new?y=1"},
		{route.Redirect{Path: "/new?z"}, route.Prefix, "/old", "http://a.test/old/x?y=1", "http://a.test/new?z"},
		{route.Redirect{Prefix: "/new"}, route.Prefix, "/old", "http://a.test/old", "http://a.test/new"},
		{route.Redirect{Prefix: "/new/"}, route.Prefix, "/old/", "http://a.test/old", "http://a.test/new"},
		{route.Redirect{Prefix: "/new"}, route.Prefix, "/old", "http://a.test/old/x?y", "http://a.test/new/x?y"},
		{route.Redirect{Prefix: "/new"}, route.Prefix, "/", "http://a.test/x", "http://a.test/new/x"},
		{route.Redirect{Prefix: "/new"}, route.Prefix, "/", "http://a.test/", "http://a.test/new/"},
		{route.Redirect{Prefix: "/"}, route.Prefix, "/old", "http://a.test/old", "http://a.test/"},
		{route.Redirect{Prefix: "/"}, route.Prefix, "/old", "http://a.test/old/?y", "http://a.test/?y"},
		{route.Redirect{Prefix: "/"}, route.Prefix, "/old", "http://a.test/old/x", "http://a.test/x"},
		{route.Redirect{Prefix: "/new"}, route.Exact, "/old", "http://a.test/old?y", "http://a.test/new?y"},
		{route.Redirect{Prefix: "/new"}, route.Regex, "/o.*", "http://a.test/old/x?y", "http://a.test/new?y"},
	} {
		proto, rest := c.request[:len("http")], c.request[len("http://"):]
		if c.request[4] == 's' {
			proto, rest = "https", rest[1:]
		}
		c.to.Status = http.StatusFound
		vh := &route.VirtualHost{Routes: []route.Route{{Match: route.Match{Kind: c.kind, Path: c.rule}, Planned: sent(&c.to)}}}
		host, path := split(rest)
		d := route.Decide(vh, route.Request{Host: host, Path: path, Proto: proto})
		if d.Route == nil || d.Allowed[0] != (route.Outcome{Status: 302, Location: c.want}) {
			t.Errorf("%+v of %v %s: %s leads to %+v, want %s", c.to, c.kind, c.rule, c.request, d.Allowed, c.want)
		}
	}
}
