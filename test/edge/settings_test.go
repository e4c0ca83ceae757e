//go:build real

package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// want asks and compares status and Service ("" is Envoy itself).
func (w *suite) want(t *testing.T, why, request string, status int, service string) *http.Response {
	t.Helper()
	resp, body := ask(t, w.http, request)
	if resp.StatusCode != status || resp.Header.Get(echo.HeaderService) != service {
		t.Errorf("%s: %d of Service %q, want %d of %q\n%.300s", why, resp.StatusCode, resp.Header.Get(echo.HeaderService), status, service, body)
	}
	return resp
}

// TestClassSettings: what settings of a class do to requests.
func TestClassSettings(t *testing.T) {
	w := shop(t)
	w.settings["default-backend"] = "shop/static:80"
	w.settings["external-http-port"] = "8080"
	w.settings["max-request-headers"] = "4"
	w.settings["serve-unprotected"] = "true"
	w.foreign("guarded", "guarded.test", false, map[string]string{"enable-modsecurity": "true"}, route{"/", input.PathPrefix, "web"})
	w.annotated("plain", "plain.test", true, map[string]string{"ssl-redirect": "false"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	w.want(t, "default-backend", get("nobody.test", "/"), 200, "static")
	w.want(t, "max-request-headers, below", get("shop.example.com", "/", "X-Long: "+strings.Repeat("x", 3<<10)), 200, "web")
	w.want(t, "max-request-headers, above", get("shop.example.com", "/", "X-Long: "+strings.Repeat("x", 5<<10)), 431, "")
	w.want(t, "serve-unprotected", get("guarded.test", "/"), 200, "web")
	w.want(t, "ssl-redirect", get("plain.test", "/"), 200, "web")
	_, body := ask(t, w.http, get("shop.example.com", "/"))
	if got := seen(t, body).Headers.Get("X-Forwarded-Port"); got != "8080" {
		t.Errorf("external-http-port: the backend was told port %q", got)
	}
}

// TestUnprotected: without serve-unprotected a path that is to be guarded answers
// nobody.
func TestUnprotected(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.foreign("guarded", "guarded.test", false, map[string]string{"enable-modsecurity": "true"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	w.want(t, "by default", get("guarded.test", "/"), 503, "")
}

// TestExternalNames: a name is served, one of loopback only if the class says so,
// and none if it does not say that.
func TestExternalNames(t *testing.T) {
	for _, c := range []struct {
		names, loopback string
		status          int
		service         string
	}{{"true", "true", 200, "outside"}, {"true", "false", 503, ""}, {"", "true", 503, ""}} {
		w := newSuite(t)
		w.settings["loopback-external-names"] = c.loopback
		if c.names != "" {
			w.settings["external-names"] = c.names
		}
		server := pods(t, "outside", 1)[0]
		port := int32(server.Addr().Port())
		w.put(input.Seal(&input.Service{Meta: meta("outside"), ExternalName: "127.0.0.1", Ports: []input.ServicePort{{Name: "http", Port: port}}}))
		class := className
		w.put(input.Seal(&input.Ingress{Meta: meta("outside"), ClassName: &class, Rules: []input.Rule{{Host: "outside.test",
			Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: input.Backend{Service: "outside", Port: port}}}}}}))
		w.start(t)
		deadline := time.Now().Add(30 * time.Second)
		for c.status == 200 && time.Now().Before(deadline) { // until Envoy has resolved it, which it does not wait for
			if resp, _ := ask(t, w.http, get("outside.test", "/")); resp.StatusCode == 200 {
				break
			}
		}
		w.want(t, fmt.Sprintf("external-names %s, loopback %s", c.names, c.loopback), get("outside.test", "/"), c.status, c.service)
	}
}

// TestDefaultTLSSecret: a name without a TLS section is shown the certificate of
// the class.
func TestDefaultTLSSecret(t *testing.T) {
	w := shop(t)
	w.settings["default-tls-secret"] = "shop/fallback"
	w.secret("fallback", "fallback.test")
	w.start(t)
	if certificate, _ := overTLS(t, w, "127.0.0.1", "nobody.test", "shop.example.com", "HTTP/1.1"); certificate != "fallback.test" {
		t.Errorf("the certificate is that of %s", certificate)
	}
}

// TestDownstreamIdleTimeout: Envoy closes a client's connection that rests.
func TestDownstreamIdleTimeout(t *testing.T) {
	w := newSuite(t)
	w.settings["downstream-idle-timeout"] = "1s"
	w.start(t)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	conn.SetDeadline(began.Add(30 * time.Second))
	if _, err := io.ReadAll(conn); err != nil || time.Since(began) < early(time.Second) {
		t.Errorf("closed after %v, %v; want about 1 s", time.Since(began), err)
	}
}

// TestPanicThreshold: with 0, a Service of which all endpoints terminate answers
// nobody.
func TestPanicThreshold(t *testing.T) {
	w := newSuite(t)
	for name, settings := range map[string]map[string]string{"default": nil, "none": {"panic-threshold": "0"}} {
		w.annotatedService(name, "", settings)
		w.slice(name, 0, pods(t, name, 1)[0], false, true, true)
		w.ingress(name, name+".test", false, route{"/", input.PathPrefix, name})
	}
	w.start(t)
	w.want(t, "by default", get("default.test", "/"), 200, "default")
	w.want(t, "with 0", get("none.test", "/"), 503, "")
}

// TestOutlierBounds: with outlier-max-ejected 100 two bad endpoints of three are left
// out at once, and asked again when outlier-ejection-time is over. (With one endpoint
// of three left, and the default panic-threshold, Envoy would take all of them.)
func TestOutlierBounds(t *testing.T) {
	const inARow = 20
	w := newSuite(t)
	bad := []*counting{countAndHangUp(t), countAndHangUp(t)}
	w.annotatedService("web", "", map[string]string{"outlier-errors": "2", "outlier-max-ejected": "100", "outlier-ejection-time": "1s",
		"panic-threshold": "30"},
		pods(t, "web", 1)[0].Addr().String(), bad[0].address, bad[1].address)
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answered := 0
	for ctx.Err() == nil && answered < inARow {
		if resp, _ := ask(t, w.http, get("web.test", "/")); resp.StatusCode == 200 {
			answered++
		} else {
			answered = 0
		}
	}
	before := bad[0].count("GET", "/") + bad[1].count("GET", "/")
	for ctx.Err() == nil && bad[0].count("GET", "/")+bad[1].count("GET", "/") == before {
		ask(t, w.http, get("web.test", "/"))
	}
	if ctx.Err() != nil {
		t.Errorf("%d in a row were answered; the bad endpoints had %d requests before they were left out, and none after", answered, before)
	}
}

// TestHealthCheckTimes: each endpoint is asked once an interval, and one that takes
// longer than the timeout for its answer is not well.
func TestHealthCheckTimes(t *testing.T) {
	const checks, requests = 4, 20
	var asked, misled atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			misled.Add(1)
			return
		}
		asked.Add(1)
		select {
		case <-time.After(3 * time.Second): // the time that its answer takes, much more than a busy machine delays that of the other
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	w := newSuite(t)
	w.annotatedService("web", "", map[string]string{"health-check-path": "/healthz", "health-check-interval": "1s", "health-check-timeout": "500ms"},
		pods(t, "web", 1)[0].Addr().String(), strings.TrimPrefix(slow.URL, "http://"))
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for range requests {
		w.want(t, "beside a slow endpoint", get("web.test", "/"), 200, "web")
	}
	began, before := time.Now(), asked.Load()
	for deadline := began.Add(30 * time.Second); asked.Load() < before+checks && time.Now().Before(deadline); {
		ask(t, w.http, get("web.test", "/"))
	}
	if took, got := time.Since(began), asked.Load()-before; got < checks || misled.Load() > 0 || took < (checks-2)*time.Second {
		t.Errorf("%d checks in %v, %d requests to the slow endpoint", got, took, misled.Load())
	}
}

// TestTCPKeepAlive: the kernel has a timer for keep-alive on the connections to
// clients and to endpoints.
func TestTCPKeepAlive(t *testing.T) {
	w := newSuite(t)
	w.settings["tcp-keepalive"], w.settings["upstream-tcp-keepalive"] = "30s", "30s"
	w.settings["upstream-idle-timeout"] = "1m"
	server := w.echo(t, "web", "")
	w.ingress("web", "web.test", false, route{"/", input.PathPrefix, "web"})
	w.start(t)
	client, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.http))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w.want(t, "a request", get("web.test", "/"), 200, "web")
	for what, port := range map[string]int{"tcp-keepalive": client.LocalAddr().(*net.TCPAddr).Port, "upstream-tcp-keepalive": int(server.Addr().Port())} {
		if n := keptAlive(t, port); n == 0 {
			t.Errorf("%s: no connection to port %d has a timer for keep-alive", what, port)
		}
	}
}

// keptAlive counts the connections to a port that have a timer for keep-alive.
func keptAlive(t *testing.T, port int) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		// sl local remote st queues timer:when ...; 02 is a timer for keep-alive, 01 of state an open connection.
		if len(fields) > 5 && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", port)) && fields[3] == "01" && strings.HasPrefix(fields[5], "02:") {
			n++
		}
	}
	return n
}
