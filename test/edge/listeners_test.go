//go:build real

package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"legation.dev/translator/input"
)

// TestHealthPath: Envoy answers for itself, on every host, and says so first
// when it is told to fail; what else is served goes on.
func TestHealthPath(t *testing.T) {
	w := newSuite(t)
	w.settings["health-path"] = "/edge-health"
	w.echo(t, "web", "")
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	check := func(when string, path string, want int) {
		t.Helper()
		if resp, _ := ask(t, w.http, get("web.test", path)); resp.StatusCode != want {
			t.Errorf("%s, %s: %d, want %d", when, path, resp.StatusCode, want)
		}
	}
	check("well", "/edge-health", http.StatusOK)
	check("well", "/edge-health/x", http.StatusOK) // the application's
	if resp, _ := ask(t, w.http, get("nobody.test", "/edge-health")); resp.StatusCode != http.StatusOK {
		t.Errorf("a host that nobody serves: %d", resp.StatusCode)
	}
	if _, err := w.envoy.Post(t.Context(), "/healthcheck/fail"); err != nil {
		t.Fatal(err)
	}
	check("told to fail", "/edge-health", http.StatusServiceUnavailable)
	check("told to fail", "/", http.StatusOK)
}

// TestProxyProtocol: the backend is told the client that the balancer names; who
// names none is not served.
func TestProxyProtocol(t *testing.T) {
	w := newSuite(t)
	w.settings["proxy-protocol"] = "required"
	w.echo(t, "web", "")
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	resp, body := ask(t, w.http, "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n"+get("web.test", "/", "X-Forwarded-For: 198.51.100.1"))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("got %d", resp.StatusCode)
	}
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip"} {
		if got := seen(t, body).Headers.Get(name); got != "192.0.2.9" {
			t.Errorf("%s is %q, want the client that the balancer named", name, got)
		}
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(conn, get("web.test", "/"))
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
		t.Errorf("without the header of the PROXY protocol: %d", resp.StatusCode)
	}
}

// TestDownstreamMaxLifetime: a client whose connection has grown too old gets its
// answers whole, and is told to leave with the first one to a request after that.
func TestDownstreamMaxLifetime(t *testing.T) {
	w := newSuite(t)
	w.settings["downstream-max-lifetime"] = "1s"
	w.settings["tcp-keepalive"] = "30s"
	w.echo(t, "web", "")
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	reader := bufio.NewReader(conn)
	for _, c := range []struct {
		path  string
		leave bool
	}{{"/?delay=2s", false}, {"/", true}} { // the first outlasts the limit
		io.WriteString(conn, get("web.test", c.path))
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != http.StatusOK || resp.Close != c.leave {
			t.Errorf("%s: %d, told to leave: %t; want %t", c.path, resp.StatusCode, resp.Close, c.leave)
		}
	}
}
