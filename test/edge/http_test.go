//go:build real

package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/translator/input"
)

// ofProtocol are clients of HTTP/1.1 and of HTTP/2 without TLS. All that a client
// sends goes to the listener for http, whatever the host.
func (w *suite) ofProtocol(t *testing.T) map[string]*http.Client {
	clients := map[string]*http.Client{}
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(name == "HTTP/1.1")
		protocols.SetUnencryptedHTTP2(name == "HTTP/2")
		tr := &http.Transport{Protocols: protocols, MaxResponseHeaderBytes: 1 << 20, ExpectContinueTimeout: 30 * time.Second,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
			}}
		t.Cleanup(tr.CloseIdleConnections)
		clients[name] = &http.Client{Transport: tr, Timeout: 30 * time.Second}
	}
	return clients
}

// handled is a Service whose server speaks HTTP/1.1, and HTTP/2 without TLS.
func (w *suite) handled(t *testing.T, name, appProtocol string, h http.HandlerFunc) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	w.service(name, appProtocol, s.Listener.Addr().String())
}

// do asks and reads the answer whole.
func do(t *testing.T, c *http.Client, r *http.Request) *http.Response {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL, err)
		return &http.Response{Header: http.Header{}}
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	return resp
}

// TestMethods: methods are for backends to know, and the same ones by each protocol.
func TestMethods(t *testing.T) {
	w := shop(t)
	w.start(t)
	for protocol, client := range w.ofProtocol(t) {
		for _, method := range []string{"GET", "PROPFIND", "PURGE", "BAN", "M-SEARCH", "LIST", "FOO", "QUERY"} {
			r, _ := http.NewRequest(method, "http://shop.example.com/", nil)
			r.Header.Set("Content-Type", "text/plain") // Envoy refuses a QUERY without
			if resp := do(t, client, r); resp.StatusCode != http.StatusOK {
				t.Errorf("%s by %s: %d", method, protocol, resp.StatusCode)
			}
		}
	}
}

// TestIgnoredUpgrades: what asks for a protocol that nobody offers is a request like
// any other; a backend that answers a WebSocket so, too, as far as Envoy can.
func TestIgnoredUpgrades(t *testing.T) {
	w := shop(t)
	w.handled(t, "plain", "", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/login")
		w.WriteHeader(http.StatusFound)
		fmt.Fprint(w, "a page")
	})
	w.ingress("plain", "plain.test", false, route{"/", input.PathPrefix, "plain"})
	w.start(t)
	for _, upgrade := range []string{"TLS/1.2", "tcp", "SPDY/3.1", "h2", "h2c", "h2,h2c", "HTTP/2.0", "websocke", "WebSocket-v2", "xwebsocket", "websockets"} {
		w.want(t, upgrade, get("shop.example.com", "/", "Upgrade: "+upgrade, "Connection: Upgrade"), 200, "web")
	}
	resp, body := ask(t, w.http, get("plain.test", "/", "Upgrade: WebSocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
	if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "/login" || body != "" {
		t.Errorf("a WebSocket that is redirected: %d, Location %q, body %q", resp.StatusCode, resp.Header.Get("Location"), body)
	}
}

// TestManyHeaders: a message may have 1,000 headers, by either protocol to and from
// either backend.
func TestManyHeaders(t *testing.T) {
	const own = 950 // Envoy and the client add some
	w := newSuite(t)
	many := func(w http.ResponseWriter, r *http.Request) {
		n := 0
		for name := range r.Header {
			if strings.HasPrefix(name, "H-") {
				n++
			}
			w.Header().Add("Set-Cookie", name+"=1")
		}
		w.Header().Set("X-Seen", fmt.Sprint(n))
	}
	for name, appProtocol := range map[string]string{"one": "", "two": "kubernetes.io/h2c"} {
		w.handled(t, name, appProtocol, many)
		w.ingress(name, name+".test", false, route{"/", input.PathPrefix, name})
	}
	w.start(t)
	for protocol, client := range w.ofProtocol(t) {
		for _, host := range []string{"one.test", "two.test"} {
			r, _ := http.NewRequest("GET", "http://"+host+"/", nil)
			for i := range own {
				r.Header.Set(fmt.Sprintf("H-%d", i), "x")
			}
			resp := do(t, client, r)
			if got := len(resp.Header.Values("Set-Cookie")); resp.Header.Get("X-Seen") != fmt.Sprint(own) || got < own {
				t.Errorf("%s to %s: %d, %q headers seen, %d in the answer", protocol, host, resp.StatusCode, resp.Header.Get("X-Seen"), got)
			}
		}
	}
	var lines []string
	for i := range 1001 {
		lines = append(lines, fmt.Sprintf("h%d: x", i))
	}
	w.want(t, "more than 1,000 headers", get("one.test", "/", lines...), 431, "")
}

// TestExpect: whoever asks first is told by whoever decides.
func TestExpect(t *testing.T) {
	w := newSuite(t)
	w.handled(t, "web", "", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		body, _ := io.ReadAll(r.Body) // says 100 to whoever expects it
		fmt.Fprintf(w, "expect %q body %q", r.Header.Get("Expect"), body)
	})
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for _, c := range []struct {
		why, host, path string
		length, status  int
	}{
		{"a body that is too large", "web.test", "/", 2 << 20, 413},
		{"a host that nobody serves", "nobody.test", "/", 2, 404},
		{"a backend that refuses", "web.test", "/refused", 2, 403},
		{"a backend that wants it", "web.test", "/", 2, 100},
	} {
		conn := w.send(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", c.path, c.host, c.length))
		reader := bufio.NewReader(conn)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %+v, %v; want %d first", c.why, resp, err, c.status)
			continue
		}
		if c.status != 100 {
			continue
		}
		io.WriteString(conn, "ok")
		if resp, err = http.ReadResponse(reader, nil); err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != `expect "100-continue" body "ok"` {
			t.Errorf("%s: %d %s", c.why, resp.StatusCode, body)
		}
	}
}

// send opens a connection and says something on it.
func (w *suite) send(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestEarlyHints: what a backend says before its answer reaches clients.
func TestEarlyHints(t *testing.T) {
	w := newSuite(t)
	w.handled(t, "web", "", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
	})
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for protocol, client := range w.ofProtocol(t) {
		var got []string
		r, _ := http.NewRequest("GET", "http://web.test/", nil)
		r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		}}))
		if resp := do(t, client, r); resp.StatusCode != 200 || !slices.Equal(got, []string{"103 </style.css>; rel=preload"}) {
			t.Errorf("%s: %d after %q", protocol, resp.StatusCode, got)
		}
	}
}

// TestTwoHosts: a request of two hosts is refused, wherever one of them or both
// together would lead.
func TestTwoHosts(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	for name, host := range map[string]string{"all": "", "some": "*.some.test", "one": "one.test"} {
		w.ingress(name, host, false, route{"/", input.PathPrefix, "web"})
	}
	w.start(t)
	for _, host := range []string{"one.test", "a.some.test", "nobody.test"} {
		w.want(t, "one Host", get(host, "/"), 200, "web")
		w.want(t, "two Host lines", get(host, "/", "Host: "+host), 400, "")
		w.want(t, "a list", get(host+","+host, "/"), 400, "")
		w.want(t, "a WebSocket", get(host, "/", "Host: "+host, "Upgrade: websocket", "Connection: Upgrade"), 400, "")
	}
}

// TestServerHeader: who is named as Server, by what the class says.
func TestServerHeader(t *testing.T) {
	for value, want := range map[string][3]string{"": {"legation", "nginx/1.2", "legation"}, "pass": {"", "nginx/1.2", ""}, "remove": {"", "", ""}} {
		w := newSuite(t)
		if value != "" {
			w.settings["server-header"] = value
		}
		w.echo(t, "web", "")
		w.handled(t, "named", "", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Server", "nginx/1.2") })
		w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
		w.ingress("named", "named.test", false, route{"/", input.PathPrefix, "named"})
		w.start(t)
		for i, host := range []string{"web.test", "named.test", "nobody.test"} {
			resp, _ := ask(t, w.http, get(host, "/"))
			if got := strings.Join(resp.Header.Values("Server"), "+"); got != want[i] {
				t.Errorf("server-header %q, %s: Server is %q, want %q", value, host, got, want[i])
			}
		}
	}
}

// TestIdleClients: a client that rests is closed when its setting and 6 s are over,
// whatever it speaks, with TLS or without; one of HTTP/2 is told first.
func TestIdleClients(t *testing.T) {
	const idle, grace = 2 * time.Second, 6 * time.Second
	w := shop(t)
	w.settings["downstream-idle-timeout"] = idle.String()
	w.start(t)
	type end struct {
		what string
		took time.Duration
		err  error
	}
	ends := make(chan end)
	begin := func(what string, conn net.Conn, rest func(net.Conn) error) {
		began := time.Now()
		go func() {
			err := rest(conn)
			ends <- end{what, time.Since(began), err}
		}()
	}
	clients := map[string]func(net.Conn) error{
		"no request": func(c net.Conn) error { return untilEOF(c) },
		"HTTP/1.1": func(c net.Conn) error {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
			return untilEOF(c)
		},
		"HTTP/2":               func(c net.Conn) error { return newHTTP2(c).untilClosed(false) },
		"HTTP/2 after request": func(c net.Conn) error { return newHTTP2(c).untilClosed(true) },
	}
	for what, rest := range clients { // all at once
		begin(what, w.send(t, ""), rest)
		begin(what+", with TLS", w.sendTLS(t, strings.HasPrefix(what, "HTTP/2")), rest)
	}
	for range 2 * len(clients) {
		e := <-ends
		t.Logf("%s: closed after %s", e.what, e.took.Round(10*time.Millisecond))
		if e.err != nil || e.took < early(idle) || e.took > idle+grace {
			t.Errorf("%s: closed after %s, %v; want %s to %s", e.what, e.took, e.err, idle, idle+grace)
		}
	}
}

// sendTLS is a new connection over TLS, which sends nothing.
func (w *suite) sendTLS(t *testing.T, http2 bool) net.Conn {
	t.Helper()
	config := &tls.Config{ServerName: "tls.example.com", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	if http2 {
		config.NextProtos = []string{"h2"}
	}
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.https), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// untilEOF reads until Envoy has closed in good order.
func untilEOF(c net.Conn) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return errors.Join(errors.New("not closed in good order"), err)
	}
	return nil
}
