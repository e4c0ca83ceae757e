//go:build real

package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
	"legation.dev/xds/bootstrap"
)

// started is a Stack with listeners for probes and metrics.
type started struct {
	*inprocess.Stack
	health, metrics string
	ctx             context.Context
}

func start(t *testing.T, limit func(*bootstrap.Config)) *started {
	t.Helper()
	s := &started{health: fmt.Sprintf("127.0.0.1:%d", envoy.FreePort(t)), metrics: fmt.Sprintf("127.0.0.1:%d", envoy.FreePort(t))}
	var err error
	s.Stack, err = inprocess.Start(t.Context(), inprocess.Options{Config: func(c *bootstrap.Config) {
		c.Health, c.Metrics = s.health, s.metrics
		limit(c)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	s.ctx = ctx
	return s
}

// status asks on a connection of its own.
func (s *started) status(t *testing.T, method, address, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(s.ctx, method, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// TestOwnListeners: probes and metrics are answered, and nothing else of the admin
// interface is.
func TestOwnListeners(t *testing.T) {
	s := start(t, func(*bootstrap.Config) {})
	for _, c := range []struct {
		method, address, path string
		want                  int
	}{
		{"GET", s.health, "/ready", 200}, {"GET", s.health, "/live", 200}, {"GET", s.metrics, "/metrics", 200},
		{"POST", s.health, "/ready", 404}, {"GET", s.health, "/", 404}, {"POST", s.health, "/quitquitquit", 404}, {"GET", s.health, "/ready/../config_dump", 404},
		{"POST", s.metrics, "/metrics", 404}, {"GET", s.metrics, "/stats/prometheus", 404}, {"GET", s.metrics, "/config_dump", 404},
	} {
		if got, body := s.status(t, c.method, c.address, c.path); got != c.want {
			t.Errorf("%s %s%s: %d %.80q, want %d", c.method, c.address, c.path, got, body, c.want)
		}
	}
	s.status(t, "GET", s.HTTP, "/") // what was never counted is not shown
	if _, body := s.status(t, "GET", s.metrics, "/metrics"); !strings.Contains(body, "envoy_http_downstream_cx_total{envoy_http_conn_manager_prefix=\"http\"} 1\n") {
		t.Errorf("no count of clients' connections in the metrics:\n%.2000s", body)
	}
}

// TestToldToFail: readiness fails, liveness does not, and a connection of a prober
// stays.
func TestToldToFail(t *testing.T) {
	s := start(t, func(*bootstrap.Config) {})
	conn, err := net.Dial("tcp", s.health)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	reader := bufio.NewReader(conn)
	probe := func(path string, want int) {
		t.Helper()
		fmt.Fprint(conn, get("envoy", path))
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != want || resp.Close {
			t.Errorf("%s: %d, told to leave: %t; want %d", path, resp.StatusCode, resp.Close, want)
		}
	}
	probe("/ready", 200)
	if _, err := s.Envoy.Post(s.ctx, "/healthcheck/fail"); err != nil {
		t.Fatal(err)
	}
	probe("/ready", 503)
	probe("/live", 200)
}

// TestConnectionLimit: beyond the limit a client is closed at once, and counted;
// probes and metrics come through.
func TestConnectionLimit(t *testing.T) {
	const limit, beyond = 20, 10
	s := start(t, func(c *bootstrap.Config) { c.MaxConnections = limit })
	closed := make(chan struct{}, limit+beyond)
	for range limit + beyond {
		conn, err := net.Dial("tcp", s.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		go func() {
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				closed <- struct{}{}
			}
		}()
	}
	for range beyond {
		select {
		case <-closed:
		case <-s.ctx.Done():
			t.Fatal("clients beyond the limit are not closed")
		}
	}
	stats, err := s.Envoy.Stats(s.ctx, `^listener\..*downstream_global_cx_overflow$`)
	if err != nil {
		t.Fatal(err)
	}
	var refused uint64
	for _, n := range stats {
		refused += n
	}
	if len(closed) > 0 || refused != beyond {
		t.Errorf("%d clients more were closed, %d counted; want %d of %d", len(closed), refused, beyond, limit+beyond)
	}
	for _, at := range []struct{ address, path string }{{s.health, "/ready"}, {s.health, "/live"}, {s.metrics, "/metrics"}} {
		if got, body := s.status(t, "GET", at.address, at.path); got != 200 {
			t.Errorf("%s: %d %.80q", at.path, got, body)
		} else if at.path == "/metrics" && !strings.Contains(body, "\nenvoy_listener_downstream_global_cx_overflow{") {
			t.Error("the metrics lack what the alert LegationConnectionsRefused is for")
		}
	}
}

// TestMemoryLimit: an Envoy whose heap is full refuses requests of clients, and
// answers probes.
func TestMemoryLimit(t *testing.T) {
	s := start(t, func(c *bootstrap.Config) { c.MemoryLimit = 1 << 20 }) // less than an Envoy has that does nothing
	if err := s.Envoy.WaitStat(s.ctx, "overload.envoy.overload_actions.stop_accepting_requests.active", envoy.AtLeast(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Await(s.ctx, func() error { // its workers follow
		if got, body := s.status(t, "GET", s.HTTP, "/"); got != 503 {
			return fmt.Errorf("a client was answered %d %.80q", got, body)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/ready", "/live"} {
		if got, body := s.status(t, "GET", s.health, path); got != 200 {
			t.Errorf("%s: %d %.80q", path, got, body)
		}
	}
}

// TestControlPlaneByName: an Envoy finds its control plane by a name.
func TestControlPlaneByName(t *testing.T) {
	s := start(t, func(c *bootstrap.Config) { c.XDSAddress = fmt.Sprintf("localhost:%d", relayed(t, c.XDSAddress)) })
	if got, body := s.status(t, "GET", s.HTTP, "/"); got != 404 {
		t.Errorf("%d %.80q", got, body)
	}
}

// relayed is a port of 127.0.0.1 that leads to an address.
func relayed(t *testing.T, to string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			conn, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			go func() { io.Copy(conn, from); conn.Close() }()
			go func() { io.Copy(from, conn); from.Close() }()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}
