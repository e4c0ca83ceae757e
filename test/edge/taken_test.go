//go:build real

package edge

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"

	"legation.dev/translator/input"
)

// harmless are parts of filters that keep nobody out, or stand on a route that refuses
// without them, too.
var harmless = []string{"legation.cors", "legation.session", "legation.headers", "legation.answer", "legation.exempt", "legation.unlogged", "legation.signin", "legation.hsts", "legation.clients.answer"}

// misdirected tells 421 before legation.clients keeps the same requests out.
const misdirected = "legation.clients.misdirected"

// taken are guards, each with the part of a route that does it, a request that is kept out,
// and with which status; without a request it is asked by TLS. The part is that of a filter, or metadata, or the answer of a
// route of its own.
var taken = map[string]struct {
	settings map[string]string // annotations of ingress-nginx
	part     string
	request  func(host string) string
	status   int
}{
	"allowed": {map[string]string{"whitelist-source-range": "127.0.0.2"}, "legation.addresses", plainly, 403},
	"denied":  {map[string]string{"denylist-source-range": "127.0.0.1"}, "legation.addresses", plainly, 403},
	"deny":    {map[string]string{"configuration-snippet": "deny 127.0.0.1;"}, "legation.addresses.ordered", plainly, 403},
	"if":      {map[string]string{"configuration-snippet": "if ($request_method = GET) { return 403; }"}, "answer", plainly, 403},
	"basic":   {map[string]string{"auth-type": "basic", "auth-secret": "users"}, "legation.auth", plainly, 401},
	"service": {map[string]string{"auth-url": "http://127.0.0.1:1/"}, "legation.auth", plainly, 500},
	"body":    {map[string]string{"proxy-body-size": "1k"}, "envoy.filters.http.body_size_limit", withBody, 413},
	"rate":    {map[string]string{"limit-rpm": "1", "limit-burst-multiplier": "1"}, "metadata", plainly, 503},
	"clients": {map[string]string{"auth-tls-secret": "shop/ann"}, "answer", nil, 400},
	"chain":   {map[string]string{"auth-tls-secret": "shop/ann"}, "legation.clients", nil, 421},
	"told":    {map[string]string{"auth-tls-secret": "shop/ann"}, misdirected, nil, 421},
	"closed":  {map[string]string{"server-snippet": "auth_request /check;"}, "answer", plainly, 503},
}

func plainly(host string) string { return get(host, "/") }

func withBody(host string) string {
	return "POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 2000\r\n\r\n" + strings.Repeat("x", 2000)
}

// TestGuardsTakenAway: each guard keeps out what it is for, and without the part of the
// route that does it the same request is let through: it is that part that guards. Each
// host has a twin whose guard is taken away.
func TestGuardsTakenAway(t *testing.T) {
	const twin = "-open.test"
	w := newSuite(t)
	w.authorized(t)
	w.echo(t, "web", "")
	w.passwords("users", htpasswd)
	ann := w.authority(t, "ann", "ann")
	for name, guard := range taken {
		for _, host := range []string{name + ".test", name + twin} {
			w.foreign(host, host, guard.request == nil, guard.settings, route{"/", input.PathPrefix, "web"})
		}
	}
	parts, cluster := map[string]bool{}, ""
	w.edit = func(host string, r *routev3.Route) {
		if to := r.GetRoute().GetCluster(); to != "" {
			cluster = to // of which there is one, and hosts come in order: allowed.test is before those that name none
		}
		if name, open := strings.CutSuffix(host, twin); open {
			takeAway(t, r, taken[name].part, parts)
			if direct := r.GetDirectResponse(); taken[name].part == "answer" && int(direct.GetStatus()) == taken[name].status {
				r.Action = &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}}
			}
		}
	}
	w.start(t)
	for name, guard := range taken {
		if guard.request == nil {
			continue // by TLS, below
		}
		for host, let := range map[string]bool{name + ".test": false, name + twin: true} {
			var last *http.Response
			for range 4 { // of which the limit of requests lets two through
				if last, _ = ask(t, w.http, guard.request(host)); last.StatusCode == guard.status {
					break
				}
			}
			if want := map[bool]int{true: 200, false: guard.status}[let]; last.StatusCode != want {
				t.Errorf("%s: got %d, want %d", host, last.StatusCode, want)
			}
		}
	}
	for host, want := range map[string]int{"clients.test": 400, "clients" + twin: 200} {
		if resp, _ := w.presenting(t, host, host, nil); resp.StatusCode != want {
			t.Errorf("%s without a certificate: got %d, want %d", host, resp.StatusCode, want)
		}
	}
	for host, want := range map[string]int{"chain.test": 421, "told" + twin: 403, "chain" + twin: 200} { // by the name of a host that asks for the same certificate
		if resp, _ := w.presenting(t, "clients.test", host, ann); resp.StatusCode != want {
			t.Errorf("%s on a connection to another host: got %d, want %d", host, resp.StatusCode, want)
		}
	}
	for part := range parts {
		if !slices.Contains(harmless, part) && !tested(part) {
			t.Errorf("%s stands on routes, and no case takes it away: is it harmless?", part)
		}
	}
}

// TestGuardShared: what guards many paths of a host stands once at the host, and guards
// them all, and no path that is another object's, nor what the host answers itself.
func TestGuardShared(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	guarded := []string{"/a", "/b", "/c", "/d"}
	var routes []route
	for _, path := range guarded {
		routes = append(routes, route{path, input.PathPrefix, "web"})
	}
	w.foreign("guarded", "shared.test", false, map[string]string{"whitelist-source-range": "127.0.0.2"}, routes...)
	w.foreign("open", "shared.test", false, nil, route{"/open", input.PathPrefix, "web"})
	alone, total := 0, 0
	w.edit = func(host string, r *routev3.Route) {
		if total++; r.TypedPerFilterConfig["legation.policy"].MessageIs(&chainv3.FilterChainConfigPerRoute{}) {
			alone++
		}
	}
	w.start(t)
	for _, path := range guarded {
		if resp, _ := ask(t, w.http, get("shared.test", path+"/x")); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", path, resp.StatusCode)
		}
	}
	for path, want := range map[string]int{"/open": 200, "/nothing": 404} {
		if resp, _ := ask(t, w.http, get("shared.test", path)); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
	if alone > 0 || total == 0 {
		t.Errorf("%d of %d routes say for themselves what guards them", alone, total)
	}
}

// tested reports whether a case takes a part away.
func tested(part string) bool {
	for _, guard := range taken {
		if guard.part == part {
			return true
		}
	}
	return false
}

// takeAway takes a part from a route, and notes all parts that it has.
func takeAway(t *testing.T, r *routev3.Route, part string, parts map[string]bool) {
	t.Helper()
	for name, config := range r.TypedPerFilterConfig {
		var chain chainv3.FilterChainConfigPerRoute
		if config.UnmarshalTo(&chain) != nil {
			continue // the filter is switched off
		}
		chain.FilterChain.Filters = slices.DeleteFunc(chain.FilterChain.Filters, func(f *corev3.TypedExtensionConfig) bool {
			parts[f.Name] = true
			return f.Name == part || part == "legation.clients" && f.Name == misdirected
		})
		if r.TypedPerFilterConfig[name] = anyOf(t, &chain); len(chain.FilterChain.Filters) == 0 {
			r.TypedPerFilterConfig[name] = anyOf(t, &routev3.FilterConfig{Disabled: true})
		}
	}
	if part == "metadata" {
		r.Metadata = nil
	}
}
