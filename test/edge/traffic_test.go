//go:build real

package edge

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// TestCanaryAndNames: a canary has its part of the requests to its main Service, by a
// header, a cookie and its weight; an alias has all of its host; www is sent to it.
func TestCanaryAndNames(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.echo(t, "next", "")
	w.foreign("main", "a.test", false, map[string]string{"server-alias": "b.test,*.c.test", "from-to-www-redirect": "true"},
		route{"/", input.PathPrefix, "web"}, route{"/else", input.PathPrefix, "web"})
	w.foreign("canary", "a.test", false, map[string]string{"canary": "true", "canary-by-header": "X-C", "canary-by-header-pattern": "^be", "canary-by-cookie": "beta", "canary-weight": "30"},
		route{"/", input.PathPrefix, "next"})
	w.start(t)
	for _, host := range []string{"a.test", "b.test", "x.c.test", "y.x.c.test:8080"} {
		w.want(t, "by a pattern", get(host, "/else", "X-C: beta"), 200, "next")
		w.want(t, "by a cookie", get(host, "/", "Cookie: a=b; beta=always"), 200, "next")
		w.want(t, "by a cookie", get(host, "/", "Cookie: beta=never", "X-C: a be"), 200, "web")
	}
	resp := w.want(t, "www", get("www.a.test:8080", "/x?y=z"), 308, "")
	if at := resp.Header.Get("Location"); at != "http://a.test/x?y=z" {
		t.Errorf("www is sent to %q", at)
	}
	next := 0
	for range 400 {
		if resp, _ := ask(t, w.http, get("a.test", "/")); resp.Header.Get(echo.HeaderService) == "next" {
			next++
		}
	}
	if next < 60 || next > 180 { // 120 are due; that is more than six deviations away
		t.Errorf("%d of 400 came to a canary of 30 percent", next)
	}
}

// TestSessions: a client stays at one endpoint by its cookie, which says what it is to
// say; beside a canary it stays on its side, too, unless that is not wanted.
func TestSessions(t *testing.T) {
	w := newSuite(t)
	for _, service := range []string{"web", "next", "alone"} {
		var at []string
		for range 3 {
			s, err := echo.Start(service, "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Kill)
			at = append(at, s.Addr().String())
		}
		w.service(service, "", at...)
	}
	w.annotated("said", "said.test", false, map[string]string{"session-affinity": "cookie", "session-cookie-name": "stay", "session-cookie-domain": "said.test",
		"session-cookie-max-age": "1h", "session-cookie-expires": "2h", "session-cookie-path": "/x", "session-cookie-same-site": "Lax", "session-cookie-secure": "true"}, route{"/", input.PathPrefix, "alone"})
	for name, on := range map[string]string{"sticky": "true", "legacy": "false"} {
		w.annotated(name, name+".test", false, map[string]string{"session-affinity": "cookie", "session-on-canary": on}, route{"/p", input.PathPrefix, "web"})
	}
	w.foreign("canary", "sticky.test", false, map[string]string{"canary": "true", "canary-weight": "50"}, route{"/p", input.PathPrefix, "next"})
	w.start(t)

	resp := w.want(t, "a new client", get("said.test", "/x/y"), 200, "alone")
	cookie := resp.Header.Get("Set-Cookie")
	for _, part := range []string{"stay=", "Domain=said.test", "Max-Age=3600", "Path=/x", "SameSite=Lax", "Secure", "HttpOnly"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie %q does not say %s", cookie, part)
		}
	}
	if left := time.Until(resp.Cookies()[0].Expires); left < 90*time.Minute || left > 2*time.Hour+time.Minute {
		t.Errorf("the cookie %q does not expire in two hours", cookie)
	}
	w.stays(t, "said.test", "/x", resp)
	for range 8 {
		first, _ := ask(t, w.http, get("sticky.test", "/p"))
		if !strings.Contains(first.Header.Get("Set-Cookie"), "Path=/p") {
			t.Errorf("the cookie %q is not for the path of its rule", first.Header.Get("Set-Cookie"))
		}
		w.stays(t, "sticky.test", "/p", first)
	}
	sides := map[string]bool{}
	for range 40 {
		resp, _ := ask(t, w.http, get("legacy.test", "/p", "Cookie: INGRESSCOOKIE=x; INGRESSCOOKIE-canary=y"))
		service := resp.Header.Get(echo.HeaderService)
		if sides[service] = true; service == "next" && resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("a canary without sessions sets %q", resp.Header.Get("Set-Cookie"))
		}
	}
	if len(sides) != 2 {
		t.Errorf("without session-on-canary only %v is seen", sides)
	}
}

// stays asks again as the client that got an answer, and it must be at the same endpoint.
func (w *suite) stays(t *testing.T, host, path string, first *http.Response) {
	t.Helper()
	value, _, _ := strings.Cut(first.Header.Get("Set-Cookie"), ";")
	for range 12 {
		resp, _ := ask(t, w.http, get(host, path, "Cookie: "+value))
		if at := resp.Header.Get(echo.HeaderInstance); at != first.Header.Get(echo.HeaderInstance) {
			t.Errorf("%s: with %s at %s first, then at %s", host, value, first.Header.Get(echo.HeaderInstance), at)
			return
		}
	}
}

// TestPages: a Service answers in place of another one, for the statuses that are named,
// and where no endpoint can be reached. It is told what was asked; nobody else reaches it.
func TestPages(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.echo(t, "pages", "")
	w.service("down", "")
	w.foreign("main", "a.test", false, map[string]string{"default-backend": "pages", "custom-http-errors": "404,503", "rewrite-target": "/rewritten/$1"},
		route{"/x/(.*)", input.PathImplementationSpecific, "web"})
	w.foreign("none", "b.test", false, map[string]string{"default-backend": "pages"}, route{"/", input.PathPrefix, "web"}, route{"/down", input.PathPrefix, "down"})
	w.start(t)
	w.want(t, "no error", get("a.test", "/x/y"), 200, "web")
	w.want(t, "another error", get("a.test", "/x/y?status=500"), 500, "web")
	for _, code := range []string{"404", "503"} {
		_, body := ask(t, w.http, get("a.test", "/x/y?status="+code, "Accept: text/html", "X-Envoy-Legation-Page: shop/pages/0"))
		got := seen(t, body)
		if got.Service != "pages" || got.Method != "GET" || got.Path != "/?status="+code && got.Path != "/" {
			t.Errorf("%s: %s was asked %s %s", code, got.Service, got.Method, got.Path)
		}
		for name, want := range map[string]string{"X-Code": code, "X-Format": "text/html", "X-Original-Uri": "/x/y?status=" + code, "X-Namespace": "shop",
			"X-Ingress-Name": "main", "X-Service-Name": "web", "X-Service-Port": "80"} {
			if have := got.Headers.Get(name); have != want {
				t.Errorf("%s: %s is %q, want %q", code, name, have, want)
			}
		}
	}
	_, body := ask(t, w.http, get("b.test", "/down/y?z"))
	if got := seen(t, body); got.Service != "pages" || got.Path != "/down/y?z" || got.Headers.Get("X-Service-Name") != "down" || got.Headers.Get("X-Code") != "503" {
		t.Errorf("no endpoint: got %+v", got)
	}
	w.want(t, "an error that is not named", get("b.test", "/?status=503"), 503, "web")
}
