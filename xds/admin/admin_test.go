package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

func virtualHost(name, version string) *snapshot.Resource {
	return snapshot.FromBytes(snapshot.VirtualHost, name, version, nil, snapshot.Meta{})
}

// replica serves Admin for Envoys that run versions of virtual hosts, told as
// "fleet name=version name=version".
func replica(t *testing.T, address string, envoys ...string) (*Service, string) {
	t.Helper()
	s := &Service{Fleets: fleet.New(fleet.Config{})}
	for _, e := range envoys {
		words := strings.Fields(e)
		session := s.Fleets.Join(fleet.Node{ID: e, Fleet: words[0]}, time.Time{})
		var status delta.Status
		have := &status.Types[snapshot.VirtualHost].Have
		for _, w := range words[1:] {
			name, version, _ := strings.Cut(w, "=")
			*have = have.Set(name, virtualHost(name, version))
		}
		session.Serve(func() delta.Status { return status })
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s.Register(server)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// TestPeers: what is asked is added up over all replicas, and a replica that does
// not answer is an error that names it.
func TestPeers(t *testing.T) {
	local, address := replica(t, "127.0.0.1:0", "edge x=1 y=1", "edge x=1 y=2", "other x=9")
	_, port, _ := net.SplitHostPort(address)
	replica(t, net.JoinHostPort("127.0.0.2", port), "edge x=1 y=2 z=1")
	x, y, z := virtualHost("x", "1"), virtualHost("y", "2"), virtualHost("z", "1")
	lists := [][]*snapshot.Resource{{x}, {x, y}, {z}, {}}

	alone, err := NewPeers(local, "", insecure.NewCredentials())
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	expect(t, alone, "edge", lists, []bool{true, false, false, true})
	expect(t, alone, "nobody", lists, []bool{false, false, false, false})

	both, err := NewPeers(local, net.JoinHostPort("replicas", port), insecure.NewCredentials())
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	addresses := []string{"127.0.0.1", "127.0.0.2"}
	both.resolve = func(context.Context, string) ([]string, error) { return addresses, nil }
	expect(t, both, "edge", lists, []bool{true, false, false, true})
	expect(t, both, "edge", [][]*snapshot.Resource{{virtualHost("y", "1")}}, []bool{false})

	addresses = append(addresses, "127.0.0.3")
	if _, err := both.Acknowledged(t.Context(), "edge", lists); err == nil || !strings.Contains(err.Error(), "replica 127.0.0.3:"+port) {
		t.Errorf("a replica that is not there: %v", err)
	}
	if _, err := NewPeers(local, "no-port", insecure.NewCredentials()); err == nil {
		t.Error("an address without a port is taken")
	}
}

func expect(t *testing.T, p *Peers, fleetName string, lists [][]*snapshot.Resource, want []bool) {
	t.Helper()
	got, err := p.Acknowledged(t.Context(), fleetName, lists)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("fleet %s: %v (%v), want %v", fleetName, got, err, want)
	}
}

// TestHTTP: a probe hears what is waited for; being behind later is no reason to
// be taken out.
func TestHTTP(t *testing.T) {
	ready, waiting, stored := make(chan struct{}), []string{"Service: not listed yet"}, time.Time{}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "legation_test", Help: "one"}, func() float64 { return 1 }))
	server := httptest.NewServer(HTTP{Ready: ready, Waiting: func() []string { return waiting }, Stored: func() time.Time { return stored }, Metrics: metrics, Level: new(slog.LevelVar)}.Server().Handler)
	defer server.Close()
	get := func(path string, code int, parts ...string) {
		t.Helper()
		response, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != code {
			t.Errorf("%s: %d %v, want %d", path, response.StatusCode, err, code)
		}
		for _, p := range parts {
			if !strings.Contains(string(body), p) {
				t.Errorf("%s says %q, not %q", path, body, p)
			}
		}
	}
	get("/livez", 200)
	get("/readyz", 503, "not everything that is to be served is published", "Service: not listed yet")
	close(ready)
	stored = time.Now().Add(-time.Hour)
	get("/readyz", 200, "ready, with what was stored 1h0m0s ago", "Service: not listed yet")
	stored = time.Time{}
	get("/readyz", 200, "ready, but", "Service: not listed yet")
	waiting = nil
	get("/readyz", 200, "ready")
	get("/metrics", 200, "legation_test 1")
	get("/elsewhere", 404)
	get("/debug/pprof/goroutine?debug=1", 404) // from a loopback address, which proves nothing
	get("/loglevel", 404)
}

// TestConnectionsEnd: who connects and says nothing, at the beginning or between two requests,
// does not keep a connection.
func TestConnectionsEnd(t *testing.T) {
	for name, server := range map[string]*http.Server{"for everybody": HTTP{Metrics: prometheus.NewRegistry()}.Server(), "for debugging": HTTP{Level: new(slog.LevelVar)}.Debug()} {
		server.ReadHeaderTimeout /= 100
		server.IdleTimeout /= 1000
		if server.ReadHeaderTimeout == 0 || server.IdleTimeout == 0 {
			t.Fatalf("%s: a connection may rest for ever", name)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		for _, said := range []string{"", "GET / HTTP/1.1\r\nHo", "GET /none HTTP/1.1\r\nHost: x\r\n\r\n"} {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			io.WriteString(conn, said)
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("%s: after %q the connection stays: %v", name, said, err)
			}
		}
	}
}

// TestLogLevel: the level can be changed.
func TestLogLevel(t *testing.T) {
	level := new(slog.LevelVar)
	h := HTTP{Level: level, Metrics: prometheus.NewRegistry()}.Debug().Handler
	for _, c := range []struct {
		method, text string
		code         int
		want         slog.Level
	}{
		{"PUT", "debug\n", 200, slog.LevelDebug},
		{"PUT", "WARN", 200, slog.LevelWarn},
		{"PUT", "loud", 400, slog.LevelWarn},
		{"PUT", strings.Repeat("x", 1000), 400, slog.LevelWarn},
		{"DELETE", "", 405, slog.LevelWarn},
		{"GET", "", 200, slog.LevelWarn},
	} {
		r := httptest.NewRequest(c.method, "/loglevel", strings.NewReader(c.text))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.code || level.Level() != c.want {
			t.Errorf("%s %.20q: %d %s, level %v; want %d, %v", c.method, c.text, w.Code, w.Body, level.Level(), c.code, c.want)
		}
	}
}
