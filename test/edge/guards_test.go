//go:build real

package edge

import (
	"testing"

	"legation.dev/translator/input"
)

// TestGuardsClose: what restricts access and cannot be honoured, or whose path cannot be
// served, is closed where it would have guarded, and nothing beside it is.
func TestGuardsClose(t *testing.T) {
	w := newSuite(t)
	w.settings["foreign-guards"] = "close"
	w.echo(t, "web", "")
	w.echo(t, "solver", "")
	basic := map[string]string{"auth-type": "basic", "auth-secret": "absent", "use-regex": "true", "rewrite-target": "/$2"}
	for host, pattern := range map[string]string{"pattern.test": "/admin(/|$)(.*)", "perl.test": "/admin(?!/open)(/|$)(.*)"} {
		w.ingress("root-"+host, host, false, route{"/", input.PathPrefix, "web"}, route{"/admin/health/which/is/longer", input.PathPrefix, "web"})
		w.foreign("admin-"+host, host, false, basic, route{pattern, input.PathImplementationSpecific, "web"})
	}
	open := map[string]string{"whitelist-source-range": "0.0.0.0/0,::/0"}
	for host, closing := range map[string]map[string]string{
		"snippet.test": {"server-snippet": "location /x { auth_request /ask; }"},
		"return.test":  {"server-snippet": "return 403;"},
	} {
		w.foreign("closing-"+host, host, false, closing, route{"/a", input.PathPrefix, "web"})
		w.ingress("root-"+host, host, false, route{"/", input.PathPrefix, "web"})
		w.foreign("solver-"+host, host, false, open, route{"/.well-known/acme-challenge/token", input.PathExact, "solver"})
	}
	w.foreign("cas", "mutual.test", true, map[string]string{"auth-tls-secret": "shop/absent"}, route{"/a", input.PathPrefix, "web"})
	w.ingress("mutual", "mutual.test", true, route{"/", input.PathPrefix, "web"})
	w.with("kong", "kong.test", false, map[string]string{"konghq.com/plugins": "key-auth"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for _, c := range []struct {
		host, path string
		status     int
	}{
		{"pattern.test", "/", 200}, {"pattern.test", "/admin", 503}, {"pattern.test", "/admin/users", 503}, {"pattern.test", "/ADMIN/users", 503},
		{"pattern.test", "/administrator", 200}, {"pattern.test", "/admin/health/which/is/longer", 200}, {"pattern.test", "/x/../admin/users", 503}, {"pattern.test", "/x/..%2fadmin/users", 503},
		{"perl.test", "/", 200}, {"perl.test", "/admin", 503}, {"perl.test", "/Admin/users", 503}, {"perl.test", "/administrator", 503}, {"perl.test", "/admin/health/which/is/longer", 200},
		{"snippet.test", "/", 503}, {"snippet.test", "/a", 503}, {"snippet.test", "/.well-known/acme-challenge/token", 200}, {"snippet.test", "/.well-known/acme-challenge/other", 503},
		{"return.test", "/", 403}, {"return.test", "/.well-known/acme-challenge/token", 200},
		{"kong.test", "/", 503},
	} {
		from := ""
		if c.status == 200 {
			from = "web"
		}
		if c.status == 200 && c.path == "/.well-known/acme-challenge/token" {
			from = "solver"
		}
		w.want(t, c.host+c.path, get(c.host, c.path), c.status, from)
	}
	if resp, _ := w.presenting(t, "mutual.test", "mutual.test", nil); resp.StatusCode != 503 { // a path of the other Ingress
		t.Errorf("https://mutual.test: %d", resp.StatusCode)
	}
}
