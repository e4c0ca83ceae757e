package ui

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestForeign: what another origin asks for is refused, a link from it is not.
func TestForeign(t *testing.T) {
	for _, c := range []struct {
		method, host string
		headers      map[string]string
		want         int
	}{
		{"GET", "127.0.0.1:18090", nil, http.StatusOK},
		{"GET", "[::1]:18090", nil, http.StatusOK},
		{"GET", "localhost", nil, http.StatusOK},
		{"GET", "LOCALHOST.:1", nil, http.StatusOK},
		{"GET", "page.example.com:18090", nil, http.StatusOK},
		{"GET", "evil.example.com:18090", nil, http.StatusMisdirectedRequest},
		{"GET", "", nil, http.StatusMisdirectedRequest},
		{"GET", "localhost", map[string]string{"Sec-Fetch-Site": "same-origin"}, http.StatusOK},
		{"GET", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, http.StatusForbidden},
		{"GET", "localhost", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, http.StatusForbidden},
		{"GET", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, http.StatusForbidden},
		{"GET", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, http.StatusOK},
		{"POST", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, http.StatusForbidden},
		{"POST", "localhost", map[string]string{"Origin": "http://localhost"}, http.StatusOK},
		{"POST", "localhost", map[string]string{"Origin": "http://localhost:8080"}, http.StatusForbidden},
		{"POST", "localhost", map[string]string{"Origin": "null"}, http.StatusForbidden},
	} {
		p := &Pages{Door: Door{Hosts: func() []string { return []string{"page.example.com"} }}}
		r := httptest.NewRequest(c.method, "http://x/", nil)
		r.Host = c.host
		for name, value := range c.headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		p.guarded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s of %q with %v: %d, want %d", c.method, c.host, c.headers, w.Code, c.want)
		}
		if w.Header().Get("Content-Security-Policy") != policy {
			t.Error("no policy")
		}
	}
}

// TestLocal: the form for the token leads to pages of ours only.
func TestLocal(t *testing.T) {
	for to, want := range map[string]string{
		"/problems?code=NoService": "/problems?code=NoService", "": "/", "problems": "/", "//evil.example.com/": "/", "https://evil.example.com/": "/",
		"/\\evil.example.com": "/", "/a\r\nb": "/", "javascript:alert(1)": "/",
	} {
		if got := local(to); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}
