//go:build real

package edge

import (
	"net/http"
	"testing"

	"legation.dev/translator/input"
)

// told are the headers of an answer that are about other origins, in the order of
// corsNames.
func told(h http.Header) (list [6]string) {
	for i, name := range [...]string{"Origin", "Credentials", "Methods", "Headers"} {
		list[i] = h.Get("Access-Control-Allow-" + name)
	}
	list[4], list[5] = h.Get("Access-Control-Expose-Headers"), h.Get("Access-Control-Max-Age")
	return list
}

// TestCORS: preflights of origins that are allowed are answered before all that keeps
// people out, and other answers, refusals among them, tell browsers the same. Other
// origins are told nothing, and get what the route gives everybody.
func TestCORS(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	settings := map[string]string{"cors": "true", "cors-origins": "https://front.test, https://*.partner.test:8443", "cors-methods": "GET, PUT", "cors-headers": "X-Key",
		"cors-expose-headers": "X-Total", "cors-max-age": "10m", "denied-addresses": "127.0.0.9"}
	w.annotated("listed", "listed.test", false, settings, route{"/", input.PathPrefix, "web"})
	w.annotated("any", "any.test", false, map[string]string{"cors": "true", "cors-origins": "*", "cors-credentials": "false"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	nothing := [6]string{}
	listed := func(origin string) [6]string {
		return [6]string{origin, "true", "GET, PUT", "X-Key", "X-Total", "600"}
	}
	anybody := [6]string{"*", "", "GET, PUT, POST, DELETE, PATCH, OPTIONS", "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization", "", "1728000"}
	for _, c := range []struct {
		why, from, method, host, origin string
		status                          int
		want                            [6]string
	}{
		{"a preflight", "127.0.0.1", "OPTIONS", "listed.test", "https://front.test", 204, listed("https://front.test")},
		{"a preflight in capitals, of who may not come", "127.0.0.9", "OPTIONS", "listed.test", "HTTPS://a.PARTNER.test:8443", 204, listed("HTTPS://a.PARTNER.test:8443")},
		{"an answer", "127.0.0.1", "GET", "listed.test", "https://front.test", 200, listed("https://front.test")},
		{"a refusal", "127.0.0.9", "GET", "listed.test", "https://front.test", 403, listed("https://front.test")},
		{"another origin", "127.0.0.1", "GET", "listed.test", "https://front.test.evil.test", 200, nothing},
		{"two labels for the star", "127.0.0.1", "GET", "listed.test", "https://a.b.partner.test:8443", 200, nothing},
		{"a preflight of another origin", "127.0.0.1", "OPTIONS", "listed.test", "https://evil.test", 200, nothing},
		{"such a one that may not come", "127.0.0.9", "OPTIONS", "listed.test", "https://evil.test", 403, nothing},
		{"no origin", "127.0.0.1", "GET", "listed.test", "", 200, nothing},
		{"a preflight to what is for all", "127.0.0.1", "OPTIONS", "any.test", "https://evil.test", 204, anybody},
		{"an answer for all", "127.0.0.1", "GET", "any.test", "", 200, anybody},
	} {
		headers := []string{}
		if c.origin != "" {
			headers = append(headers, "Origin: "+c.origin)
		}
		text := c.method + get(c.host, "/", headers...)[len("GET"):]
		resp, _ := askFrom(t, c.from, w.http, text)
		if resp.StatusCode != c.status || told(resp.Header) != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.why, resp.StatusCode, told(resp.Header), c.status, c.want)
		}
	}
}
