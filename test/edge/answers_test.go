//go:build real

package edge

import (
	"net/http"
	"slices"
	"testing"

	"legation.dev/translator/input"
)

// TestAnswers: cookies and Location are rewritten in answers, and nothing else of them.
func TestAnswers(t *testing.T) {
	w := newSuite(t)
	w.handled(t, "web", "", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header()["Set-Cookie"] = []string{"path=/; Path=/a; HttpOnly", "b=1; Domain=.Inner.test; path=/", "c=2"}
		rw.Header().Set("Location", r.Header.Get("X-To"))
		rw.WriteHeader(http.StatusFound)
	})
	w.foreign("both", "a.test", false, map[string]string{"proxy-cookie-path": "/ /mesh/", "proxy-cookie-domain": "inner.test a.test",
		"proxy-redirect-from": "http://inner.test/", "proxy-redirect-to": "/mesh/"}, route{"/", input.PathPrefix, "web"})
	w.foreign("none", "b.test", false, map[string]string{"proxy-cookie-path": "~^/ /x", "proxy-cookie-domain": "off"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for host, want := range map[string][]string{
		"a.test": {"path=/; Path=/mesh/a; HttpOnly", "b=1; Domain=a.test; path=/mesh/", "c=2"},
		"b.test": {"path=/; Path=/a; HttpOnly", "b=1; Domain=.Inner.test; path=/", "c=2"},
	} {
		resp, _ := askFrom(t, "127.0.0.1", w.http, get(host, "/", "X-To: http://other.test/"))
		if got := resp.Header["Set-Cookie"]; !slices.Equal(got, want) {
			t.Errorf("%s: cookies %q, want %q", host, got, want)
		}
		if got := resp.Header.Get("Location"); got != "http://other.test/" {
			t.Errorf("%s: sent to %s", host, got)
		}
	}
	for host, want := range map[string]string{"a.test:99": "http://a.test/mesh/login?x=1", "b.test": "http://inner.test/login?x=1"} {
		resp, _ := askFrom(t, "127.0.0.1", w.http, get(host, "/", "X-To: http://inner.test/login?x=1"))
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("%s: sent to %s, want %s", host, got, want)
		}
	}
}
