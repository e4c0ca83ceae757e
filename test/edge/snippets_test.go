//go:build real

package edge

import (
	"net/http"
	"testing"

	"legation.dev/translator/input"
)

// TestSnippets: pieces of nginx's configuration do what they do there, answers of Envoy's
// own included; one that is not understood closes.
func TestSnippets(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	paths := []route{{"/", input.PathPrefix, "web"}}
	for host, text := range map[string]string{
		"headers.test": "more_set_headers \"X-A: 100% 'a'\" 'X-B: b'; add_header X-Some \"it's)% 1\"; add_header X-All $host always; more_clear_headers X-Echo-Service;\nproxy_set_header X-Site main; proxy_set_header X-Host $host; more_set_input_headers 'X-Gone:'; deny 127.0.0.9;",
		"deny.test":    "allow 127.0.0.3; deny 127.0.0.0/29; allow 127.0.0.9; deny all;",
		"if.test":      "if ($request_method = POST) { return 405; } if ($http_x_key != \"s3\") { return 401; } if ($http_user_agent ~* bot) { return 429 'no'; }",
		"twice.test":   "if ($http_x_id !~ ^[0-9]+$) { return 400; } if ($http_x_agent ~* (bot|spider)) { return 429; } if ($http_x_by !~* '(chrome|firefox|safari|edge)') { return 403; } if ($http_x_none ~ '^(none)?$') { return 404; }",
		"text.test":    "return 200 '100% $scheme://$host$request_uri $uri of $remote_addr';",
		"unknown.test": "auth_request /ask;",
		"dull.test":    "expires 1h; proxy_read_timeout 5;",
	} {
		w.foreign(host, host, false, map[string]string{"configuration-snippet": text}, paths...)
	}
	w.foreign("server", "server.test", false, map[string]string{"server-snippet": "location /-/reload { return 403; } location = /metrics { deny all; } location ~* \\.php$ { return 444; }\nmore_set_headers 'X-All: yes';"}, paths...)
	w.foreign("other", "server.test", false, nil, route{"/-/", input.PathPrefix, "web"})
	w.start(t)
	ask := func(from, method, host, path string, headers ...string) (*http.Response, string) {
		request := method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n"
		for i := 0; i < len(headers); i += 2 {
			request += headers[i] + ": " + headers[i+1] + "\r\n"
		}
		return askFrom(t, from, w.http, request+"Connection: close\r\n\r\n")
	}
	for _, c := range []struct {
		from, method, host, path string
		status                   int
		headers                  []string
	}{
		{"127.0.0.1", "GET", "headers.test", "/", 200, nil}, {"127.0.0.9", "GET", "headers.test", "/", 403, nil},
		{"127.0.0.3", "GET", "deny.test", "/", 200, nil}, {"127.0.0.4", "GET", "deny.test", "/", 403, nil}, {"127.0.0.9", "GET", "deny.test", "/", 200, nil}, {"127.0.0.10", "GET", "deny.test", "/", 403, nil},
		{"127.0.0.1", "POST", "if.test", "/", 405, []string{"X-Key", "s3"}}, {"127.0.0.1", "GET", "if.test", "/", 401, nil}, {"127.0.0.1", "GET", "if.test", "/", 401, []string{"X-Key", "s4"}},
		{"127.0.0.1", "GET", "if.test", "/", 200, []string{"X-Key", "s3"}}, {"127.0.0.1", "GET", "if.test", "/", 429, []string{"X-Key", "s3", "User-Agent", "a Bot/1"}},
		{"127.0.0.1", "GET", "if.test", "/", 401, []string{"X-Key", "s3", "X-Key", "s4"}}, {"127.0.0.1", "GET", "if.test", "/", 401, []string{"X-Key", "", "X-Key", "s3"}}, {"127.0.0.1", "GET", "if.test", "/", 200, []string{"X-Key", "s3", "X-Key", "s3"}},
		{"127.0.0.1", "GET", "twice.test", "/", 200, []string{"X-Id", "1", "X-By", "a Chrome", "X-None", "x"}}, {"127.0.0.1", "GET", "twice.test", "/", 400, []string{"X-Id", "1", "X-Id", "../", "X-By", "a Chrome", "X-None", "x"}}, {"127.0.0.1", "GET", "twice.test", "/", 400, []string{"X-Id", "../", "X-Id", "1", "X-By", "a Chrome", "X-None", "x"}},
		{"127.0.0.1", "GET", "twice.test", "/", 400, []string{"X-Id", "\xff", "X-By", "a Chrome", "X-None", "x"}}, {"127.0.0.1", "GET", "twice.test", "/", 429, []string{"X-Id", "1", "X-Agent", "a", "X-Agent", "a Spider"}}, {"127.0.0.1", "GET", "twice.test", "/", 403, []string{"X-Id", "1", "X-By", "edg e"}},
		{"127.0.0.1", "GET", "twice.test", "/", 403, []string{"X-Id", "1"}}, {"127.0.0.1", "GET", "twice.test", "/", 403, []string{"X-Id", "1", "X-By", "EDGE", "X-By", "curl"}}, {"127.0.0.1", "GET", "twice.test", "/", 404, []string{"X-Id", "1", "X-By", "EDGE"}},
		{"127.0.0.1", "GET", "unknown.test", "/", 503, nil}, {"127.0.0.1", "GET", "dull.test", "/", 200, nil},
		{"127.0.0.1", "GET", "server.test", "/", 200, nil}, {"127.0.0.1", "GET", "server.test", "/-/reload", 403, nil}, {"127.0.0.1", "GET", "server.test", "/-/reloaded", 403, nil}, {"127.0.0.1", "GET", "server.test", "/-/x", 200, nil},
		{"127.0.0.1", "GET", "server.test", "/metrics", 403, nil}, {"127.0.0.1", "GET", "server.test", "/metrics/x", 200, nil}, {"127.0.0.1", "GET", "server.test", "/-/a.PHP?x=1", 444, nil},
	} {
		resp, _ := ask(c.from, c.method, c.host, c.path, c.headers...)
		if resp.StatusCode != c.status {
			t.Errorf("%s %s%s %v from %s: got %d, want %d", c.method, c.host, c.path, c.headers, c.from, resp.StatusCode, c.status)
		}
		if got := resp.Header.Get("X-All"); c.host == "server.test" && got != "yes" {
			t.Errorf("%s%s: X-All is %q", c.host, c.path, got)
		}
	}
	for status, some := range map[int]string{200: "it's)% 1", 403: "", 404: ""} {
		from, path := "127.0.0.1", "/"
		switch status {
		case 403:
			from = "127.0.0.9"
		case 404:
			path = "/?status=404"
		}
		resp, _ := ask(from, "GET", "headers.test", path, "X-Gone", "1", "X-Site", "forged")
		if h := resp.Header; resp.StatusCode != status || h.Get("X-A") != "100% 'a'" || h.Get("X-B") != "b" || h.Get("X-All") != "headers.test" || h.Get("X-Some") != some || h.Get("X-Echo-Service") != "" {
			t.Errorf("%d: %v", status, h)
		}
	}
	if _, body := ask("127.0.0.1", "GET", "if.test", "/", "X-Key", "s3", "User-Agent", "a Bot/1"); body != "no" {
		t.Errorf("%q", body)
	}
	resp, body := ask("127.0.0.5", "GET", "text.test", "/a%0d%0aX-A:%20b?q=%REQ(host)%")
	if want := "100% http://text.test/a%0d%0aX-A:%20b?q=%REQ(host)% /a%0d%0aX-A:%20b of 127.0.0.5"; body != want || resp.Header.Get("Content-Type") != "text/plain" || resp.Header.Get("X-A") != "" {
		t.Errorf("%s %v", body, resp.Header)
	}
	_, body = ask("127.0.0.1", "GET", "headers.test", "/", "X-Gone", "1", "X-Site", "forged")
	if got := seen(t, body).Headers; got.Get("X-Site") != "main" || got.Get("X-Host") != "headers.test" || got.Get("X-Gone") != "" {
		t.Errorf("the backend got %v", got)
	}
}
