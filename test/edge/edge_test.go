//go:build real

package edge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// ask sends raw text to a port of loopback and reads one answer.
func ask(t *testing.T, port int, text string) (*http.Response, string) {
	t.Helper()
	return askFrom(t, "127.0.0.1", port, text)
}

// askFrom is ask from an address of loopback.
func askFrom(t *testing.T, from string, port int, text string) (*http.Response, string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: body: %v", text, err)
	}
	return resp, string(body)
}

// get is the text of a request; headers are whole lines.
func get(host, path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(headers, "\r\n"), "\r\n")
}

// seen is what the backend received.
func seen(t *testing.T, body string) echo.Answer {
	t.Helper()
	var a echo.Answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	return a
}

// shop is a suite with one host of every sort of backend.
func shop(t *testing.T) *suite {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.echo(t, "static", "")
	w.echo(t, "h2c", "kubernetes.io/h2c")
	w.service("empty", "")
	w.service("refused", "", "127.0.0.1:1")
	w.service("silent", "", backlogged(t))
	w.service("hangs-up", "", hangsUp(t))
	w.ingress("web", "shop.example.com", false,
		route{"/", input.PathPrefix, "web"}, route{"/static/", input.PathPrefix, "static"},
		route{"/exact", input.PathExact, "static"}, route{"/h2c", input.PathPrefix, "h2c"},
		route{"/empty", input.PathPrefix, "empty"}, route{"/missing", input.PathPrefix, "missing"},
		route{"/refused", input.PathPrefix, "refused"}, route{"/silent", input.PathPrefix, "silent"}, route{"/hangs-up", input.PathPrefix, "hangs-up"},
		route{"/größe", input.PathPrefix, "static"}, route{"/{id}", input.PathExact, "static"},
		route{"/v(1)/", input.PathPrefix, "static"}, route{"/me@1", input.PathExact, "static"}, route{"/50%", input.PathPrefix, "static"})
	w.ingress("tls", "tls.example.com", true, route{"/", input.PathPrefix, "web"})
	w.ingress("wild", "*.wild.example.com", false, route{"/", input.PathPrefix, "web"})
	w.settings["upstream-connect-timeout"] = "300ms"
	w.settings["idle-timeout"] = "500ms"
	return w
}

// TestRequests: what is answered, and by which Service ("" is Envoy itself).
func TestRequests(t *testing.T) {
	w := shop(t)
	w.start(t)
	for _, c := range []struct {
		name, request string
		status        int
		service       string
	}{
		{"root", get("shop.example.com", "/"), 200, "web"},
		{"host in capitals, with port", get("SHOP.example.com:8080", "/"), 200, "web"},
		{"host with final dot", get("shop.example.com.", "/"), 200, "web"},
		{"prefix", get("shop.example.com", "/static/x"), 200, "static"},
		{"prefix without its slash", get("shop.example.com", "/static"), 200, "static"},
		{"prefix by element", get("shop.example.com", "/staticx"), 200, "web"},
		{"prefix is case-sensitive", get("shop.example.com", "/Static"), 200, "web"},
		{"exact", get("shop.example.com", "/exact?q=1"), 200, "static"},
		{"exact and no more", get("shop.example.com", "/exact/"), 200, "web"},
		{"dots, escaped and double slashes", get("shop.example.com", "/x/..%2fstatic//y"), 200, "static"},
		{"escaped letter", get("shop.example.com", "/%73tatic"), 200, "static"},
		{"escapes in capitals", get("shop.example.com", "/gr%C3%B6%C3%9Fe/x"), 200, "static"},
		{"escapes in lower case", get("shop.example.com", "/gr%c3%b6%C3%9fe?q=/"), 200, "static"},
		{"letters in capitals beside escapes", get("shop.example.com", "/GR%c3%b6%c3%9fe"), 200, "web"},
		{"more behind escapes", get("shop.example.com", "/gr%c3%b6%c3%9fen"), 200, "web"},
		{"exact with escapes in lower case", get("shop.example.com", "/%7bid%7d?q"), 200, "static"},
		{"exact with escapes, and more", get("shop.example.com", "/%7bid%7d/x"), 200, "web"},
		{"signs that need no escape", get("shop.example.com", "/v(1)/x"), 200, "static"},
		{"signs that need no escape, escaped", get("shop.example.com", "/v%281%29?x"), 200, "static"},
		{"some of them", get("shop.example.com", "/v(1%29/x"), 200, "static"},
		{"letters in capitals beside signs", get("shop.example.com", "/V(1)"), 200, "web"},
		{"more behind signs", get("shop.example.com", "/v%281%29x"), 200, "web"},
		{"exact with a sign, escaped", get("shop.example.com", "/me%401?q"), 200, "static"},
		{"exact with a sign, and more", get("shop.example.com", "/me@1/"), 200, "web"},
		{"a percent sign", get("shop.example.com", "/50%25"), 200, "static"},
		{"a percent sign that begins no escape", get("shop.example.com", "/50%"), 400, ""},
		{"HTTP/2 backend", get("shop.example.com", "/h2c"), 200, "h2c"},
		{"no endpoints", get("shop.example.com", "/empty"), 503, ""},
		{"no Service", get("shop.example.com", "/missing"), 503, ""},
		{"connection refused", get("shop.example.com", "/refused"), 502, ""},
		{"connection not answered", get("shop.example.com", "/silent"), 504, ""},
		{"connection ended without an answer", get("shop.example.com", "/hangs-up"), 502, ""},
		{"answer too late", get("shop.example.com", "/?delay=5s"), 504, ""},
		{"unknown host", get("other.example.com", "/"), 404, ""},
		{"wildcard", get("A.wild.example.com:81", "/"), 200, "web"},
		{"wildcard, two labels", get("a.b.wild.example.com", "/"), 404, ""},
		{"wildcard, no label", get("wild.example.com", "/"), 404, ""},
		{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: shop.example.com\r\n\r\n", 200, "web"},
		{"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 404, ""},
		{"ACME challenge of a TLS host", get("tls.example.com", acme), 200, "web"},
		{"WebSocket", get("shop.example.com", "/", "Connection: Upgrade", "Upgrade: websocket",
			"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 101, "web"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := ask(t, w.http, c.request)
			if resp.StatusCode != c.status || resp.Header.Get(echo.HeaderService) != c.service {
				t.Errorf("got %d of Service %q, want %d of %q\n%s", resp.StatusCode, resp.Header.Get(echo.HeaderService), c.status, c.service, body)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "X-Envoy") || name == "Server" && resp.Header.Get(name) != "legation" {
					t.Errorf("leaked %s: %s", name, resp.Header.Get(name))
				}
			}
		})
	}
}

const acme = "/.well-known/acme-challenge/token"

// TestRedirect: a TLS host answers http by 308 to the port that clients use.
func TestRedirect(t *testing.T) {
	w := shop(t)
	w.start(t)
	resp, _ := ask(t, w.http, get("tls.example.com:81", "/a/b?c=d"))
	want := fmt.Sprintf("https://tls.example.com:%d/a/b?c=d", w.https)
	if resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != want {
		t.Errorf("got %d to %q, want 308 to %q", resp.StatusCode, resp.Header.Get("Location"), want)
	}
}

// TestHeaders: a client's word on itself is not believed.
func TestHeaders(t *testing.T) {
	w := shop(t)
	w.start(t)
	_, body := ask(t, w.http, get("shop.example.com", "/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil", "X-Real-IP: 1.2.3.4", "Forwarded: for=1.2.3.4",
		"Proxy: evil", "X-Envoy-Retry-On: 5xx", "X_Under: evil", "X-Request-ID: mine", "X-Scheme: https", "X-Forwarded-Scheme: https", "X-Original-Forwarded-For: 1.2.3.4",
		"X-Original-URL: /admin", "X-Original-URI: /admin", "X-Rewrite-URL: /admin", "True-Client-IP: 1.2.3.4", "ssl-client-verify: SUCCESS", "ssl-client-subject-dn: CN=root",
		"X-Auth-Request-User: root", "X-Auth-Request-Email: root"))
	headers := seen(t, body).Headers
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example.com",
		"X-Forwarded-Port": "80", "X-Forwarded-Prefix": "", "X-Real-Ip": "127.0.0.1", "Forwarded": "", "Proxy": "", "X-Under": "", "X_Under": "", "X-Request-Id": "mine",
		"X-Scheme": "http", "X-Forwarded-Scheme": "http", "X-Original-Forwarded-For": "", "X-Original-Url": "", "X-Original-Uri": "", "X-Rewrite-Url": "", "True-Client-Ip": "",
		"Ssl-Client-Verify": "", "Ssl-Client-Subject-Dn": "", "X-Auth-Request-User": "", "X-Auth-Request-Email": ""} {
		if got := strings.Join(headers.Values(name), ", "); got != want {
			t.Errorf("backend got %s: %q, want %q", name, got, want)
		}
	}
	for name := range headers {
		if strings.HasPrefix(name, "X-Envoy") {
			t.Errorf("backend got %s: %s", name, headers.Get(name))
		}
	}
}

// TestTrustedProxies: what a proxy of the class says is believed, what others
// say is not.
func TestTrustedProxies(t *testing.T) {
	w := shop(t)
	w.settings["trusted-proxies"] = "127.0.0.1"
	w.start(t)
	request := get("shop.example.com", "/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: front", "X-Forwarded-Port: 443")
	for _, c := range []struct{ from, client, first, proto, host, port string }{
		{"127.0.0.1", "1.2.3.4", "1.2.3.4", "https", "front", "443"},
		{"127.0.0.2", "127.0.0.2", "127.0.0.2", "http", "shop.example.com", "80"},
	} {
		_, body := askFrom(t, c.from, w.http, request)
		h := seen(t, body).Headers
		first, _, _ := strings.Cut(h.Get("X-Forwarded-For"), ",") // Envoy appends its own address for a proxy on loopback
		got := [...]string{h.Get("X-Real-Ip"), first, h.Get("X-Forwarded-Proto"), h.Get("X-Forwarded-Host"), h.Get("X-Forwarded-Port")}
		if want := [...]string{c.client, c.first, c.proto, c.host, c.port}; got != want {
			t.Errorf("from %s: backend got %v, want %v", c.from, got, want)
		}
	}
	resp, _ := askFrom(t, "127.0.0.1", w.http, get("tls.example.com", "/", "X-Forwarded-Proto: https"))
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a request that the proxy took by https: got %d, want 200", resp.StatusCode)
	}
}

// TestTrustedHops: with two proxies in front the client is whom the first of them
// names, whatever the client itself said before.
func TestTrustedHops(t *testing.T) {
	for hops, client := range map[string]string{"1": "192.0.2.2", "2": "192.0.2.1", "off": "127.0.0.1"} {
		w := shop(t)
		w.settings["trusted-hops"], w.settings["forwarded-for"] = hops, "client"
		w.start(t)
		_, body := ask(t, w.http, get("shop.example.com", "/", "X-Forwarded-For: 1.2.3.4, 192.0.2.1, 192.0.2.2", "X-Forwarded-Proto: https"))
		h := seen(t, body).Headers
		proto := "https"
		if hops == "off" {
			proto = "http"
		}
		if h.Get("X-Real-Ip") != client || h.Get("X-Forwarded-For") != client || h.Get("X-Forwarded-Proto") != proto {
			t.Errorf("%s proxies: the backend was told client %s by %s, want %s by %s", hops, h.Get("X-Real-Ip"), h.Get("X-Forwarded-Proto"), client, proto)
		}
	}
}

// TestEscapedSlashes: the three ways of the class setting.
func TestEscapedSlashes(t *testing.T) {
	for _, c := range []struct {
		way     string
		status  int
		service string
	}{{"unescape", 200, "static"}, {"reject", 400, ""}, {"keep", 200, "web"}} {
		w := shop(t)
		w.settings["escaped-slashes"] = c.way
		w.start(t)
		resp, _ := ask(t, w.http, get("shop.example.com", "/x/..%2fstatic"))
		if resp.StatusCode != c.status || resp.Header.Get(echo.HeaderService) != c.service {
			t.Errorf("%s: got %d of Service %q, want %d of %q", c.way, resp.StatusCode, resp.Header.Get(echo.HeaderService), c.status, c.service)
		}
	}
}

// TestTLS: each name gets its certificate, on both loopbacks and both protocols;
// Host decides over the answer, whatever SNI was.
func TestTLS(t *testing.T) {
	w := shop(t)
	w.ingress("other", "other.example.com", true, route{"/", input.PathPrefix, "static"})
	w.start(t)
	for _, c := range []struct{ dial, sni, host, certificate, proto, service string }{
		{"127.0.0.1", "tls.example.com", "tls.example.com", "tls.example.com", "HTTP/1.1", "web"},
		{"::1", "tls.example.com", "tls.example.com", "tls.example.com", "HTTP/1.1", "web"},
		{"127.0.0.1", "tls.example.com", "other.example.com", "tls.example.com", "HTTP/2.0", "static"},
		{"127.0.0.1", "unknown.example.com", "shop.example.com", "stand-in", "HTTP/2.0", "web"},
	} {
		certificate, resp := overTLS(t, w, c.dial, c.sni, c.host, c.proto)
		if certificate != c.certificate || resp.Proto != c.proto || resp.Header.Get(echo.HeaderService) != c.service {
			t.Errorf("%v: got certificate %s, %s, Service %q", c, certificate, resp.Proto, resp.Header.Get(echo.HeaderService))
		}
	}
}
