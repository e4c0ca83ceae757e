//go:build real

package edge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"legation.dev/translator/input"
)

// config puts a ConfigMap.
func (w *suite) config(name string, data map[string]string) {
	w.put(input.Seal(&input.ConfigMap{Meta: meta(name), Data: data}))
}

// TestNamed: what annotations name besides Services and certificates, on one Envoy.
func TestNamed(t *testing.T) {
	w := newSuite(t)
	w.authorized(t)
	for _, name := range []string{"web", "pages", "fallback"} {
		w.echo(t, name, "")
	}
	w.service("down", "")
	copies := make(chan *http.Request, 10)
	mirror := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { copies <- r }))
	t.Cleanup(mirror.Close)
	asked := make(chan *http.Request, 10)
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked <- r
		rw.Header().Set("Set-Cookie", "tried=1")
		if r.Header.Get("X-Let") == "" {
			rw.WriteHeader(403)
		}
	}))
	t.Cleanup(service.Close)
	file := filepath.Join(t.TempDir(), "access.log")
	for name, value := range map[string]string{"external-names": "true", "loopback-external-names": "true", "allowed-response-headers": "X-Team", "access-log": file, "access-log-fields": "path", "default-backend": "shop/fallback:80",
		"global-auth-url": service.URL, "global-auth-always-set-cookie": "true", "global-auth-request-redirect": "{scheme}://{host}/back", "global-auth-method": "POST", "global-auth-response-headers": "X-User",
		"global-auth-signin": "", "global-auth-signin-redirect-param": "back"} {
		w.settings[name] = value
	}
	w.config("extra", map[string]string{"X-Team": "100% shop"})
	w.config("more", map[string]string{"X-Tenant": "t1"})
	w.put(input.Seal(&input.Secret{Meta: meta("users"), Named: []byte("ann:$apr1$abcdefgh$T64oOxnD8c28.dQa.2Lty1\n")}))
	all := []route{{"/", input.PathPrefix, "web"}}
	open := func(annotations map[string]string) map[string]string {
		annotations["enable-global-auth"] = "false"
		return annotations
	}
	for host, annotations := range map[string]map[string]string{
		"mirror":    open(map[string]string{"mirror-target": mirror.URL + "$request_uri", "mirror-host": "copy.test"}),
		"headers":   open(map[string]string{"custom-headers": "extra"}),
		"forbidden": open(map[string]string{"custom-headers": "more"}),
		"map":       open(map[string]string{"auth-type": "basic", "auth-secret": "users", "auth-secret-type": "auth-map"}),
		"unheard":   {"auth-url": service.URL, "auth-proxy-set-headers": "lost"},
		"global":    {},
		"lost":      open(map[string]string{"default-backend": "nowhere", "custom-http-errors": "404"}),
	} {
		w.foreign(host, host+".test", false, annotations, all...)
	}
	for host, settings := range map[string]map[string]string{
		"exempt": {"requests-per-minute": "1", "rate-burst": "1", "rate-exempt-addresses": "127.0.0.9"}, "silent": {"log-requests": "false"},
		"own": {"auth-url": service.URL, "auth-headers-from": "more", "auth-request-redirect": "{uri}", "auth-always-set-cookie": "false"},
	} {
		if settings["auth-url"] == "" {
			settings["global-auth"] = "false"
		}
		w.annotated(host, host+".test", false, settings, all...)
	}
	w.foreign("intercept", "intercept.test", false, open(map[string]string{"default-backend": "pages", "custom-http-errors": "404,503", "disable-proxy-intercept-errors": "true"}), append(all, route{"/down", input.PathPrefix, "down"})...)
	w.start(t)

	w.copies(t, copies)
	w.asks(t, asked)
	w.headersAndUsers(t)
	w.want(t, "a status of the Service stands", get("intercept.test", "/?status=404"), 404, "web")
	w.want(t, "a status of Envoy does not", get("intercept.test", "/down"), 200, "pages")
	w.want(t, "pages of no Service: the default backend", get("lost.test", "/?status=404"), 200, "fallback")
	w.want(t, "and no error", get("lost.test", "/"), 200, "web")
	w.want(t, "not logged", get("silent.test", "/silent"), 200, "web")
	w.logs(t, file)
}

// copies asks once, and looks at the copy.
func (w *suite) copies(t *testing.T, copies chan *http.Request) {
	t.Helper()
	w.want(t, "a request that is copied", get("mirror.test", "/a?b=c"), 200, "web")
	select {
	case r := <-copies:
		if got := fmt.Sprint(r.Method, " ", r.Host, " ", r.URL); got != "GET copy.test /a?b=c" {
			t.Errorf("the copy is %s", got)
		}
	case <-time.After(30 * time.Second):
		t.Error("no copy came")
	}
}

// headersAndUsers asks for what ConfigMaps, addresses and a Secret decide.
func (w *suite) headersAndUsers(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/", "/?status=404"} {
		if resp, _ := ask(t, w.http, get("headers.test", path)); resp.Header.Get("X-Team") != "100% shop" {
			t.Errorf("%s: X-Team is %q", path, resp.Header.Get("X-Team"))
		}
	}
	w.want(t, "a header that the class does not allow", get("forbidden.test", "/"), 503, "")
	refused := map[string]int{}
	for range 6 {
		for _, from := range []string{"127.0.0.1", "127.0.0.9"} {
			if resp, _ := askFrom(t, from, w.http, get("exempt.test", "/")); resp.StatusCode == 503 {
				refused[from]++
			}
		}
	}
	if refused["127.0.0.1"] < 3 || refused["127.0.0.9"] != 0 {
		t.Errorf("of 6 requests each were refused %v", refused)
	}
	w.want(t, "a user of a key", get("map.test", "/", "Authorization: Basic YW5uOm9wZW4gc2VzYW1l"), 200, "web")
	w.want(t, "a wrong password", get("map.test", "/", "Authorization: Basic YW5uOm9wZW4="), 401, "")
	w.want(t, "a ConfigMap that is not there", get("unheard.test", "/", "X-Let: me"), 503, "")
}

// logs looks at the access log, after the end of the Envoy.
func (w *suite) logs(t *testing.T, file string) {
	t.Helper()
	logged := 0
	for _, line := range w.lines(t, file) {
		logged++
		if line["path"] == "/silent" {
			t.Error("what is not to be logged is")
		}
	}
	if logged < 10 {
		t.Errorf("%d lines are in the log", logged)
	}
}

// asks asks as who is let in and who is not, by the class's service and an own one.
func (w *suite) asks(t *testing.T, asked chan *http.Request) {
	t.Helper()
	w.want(t, "let in by the service of the class", get("global.test", "/", "X-Let: me"), 200, "web")
	if r := <-asked; r.Method != "POST" || r.Header.Get("X-Auth-Request-Redirect") != "http://global.test/back" {
		t.Errorf("the service of the class was asked %s, with %q to go back to", r.Method, r.Header.Get("X-Auth-Request-Redirect"))
	}
	resp := w.want(t, "kept out by the service of the class", get("global.test", "/"), 403, "")
	<-asked
	if got := resp.Header.Get("Set-Cookie"); got != "tried=1" {
		t.Errorf("the cookie with a 403 is %q", got)
	}
	resp = w.want(t, "kept out by an own one", get("own.test", "/", "X-Tenant: forged"), 403, "")
	if r := <-asked; r.Method != "GET" || r.Header.Get("X-Tenant") != "t1" || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("the own service was asked %s for %q; the client got %q", r.Method, r.Header.Get("X-Tenant"), resp.Header.Get("Set-Cookie"))
	}
	if resp, _ := ask(t, w.http, get("global.test", "/ws", "Connection: Upgrade", "Upgrade: websocket")); resp.StatusCode != 403 {
		t.Errorf("an upgrade: %d", resp.StatusCode)
	}
	<-asked
}
