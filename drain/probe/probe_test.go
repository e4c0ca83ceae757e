package probe

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"legation.dev/drain"
	"legation.dev/drain/admin"
)

// fake is an admin interface in a given state.
type fake struct {
	state atomic.Value // string
	dumps atomic.Int64 // of its configuration
	stats atomic.Bool  // whether the listener has its statistics
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ready":
		if f.state.Load() != "LIVE" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case "/server_info":
		fmt.Fprintf(w, `{"state":%q,"command_line_options":{"concurrency":2,"drain_time":"9s"}}`, f.state.Load())
	case "/listeners":
		fmt.Fprint(w, `{"listener_statuses":[{"name":"http","local_address":{"socket_address":{"address":"0.0.0.0","port_value":80}}}]}`)
	case "/config_dump":
		f.dumps.Add(1)
		fmt.Fprint(w, `{"configs":[{"bootstrap":{"overload_manager":{"resource_monitors":[{"name":"envoy.resource_monitors.global_downstream_max_connections",
			"typed_config":{"max_active_downstream_connections":"500"}}]}}}]}`)
	case "/stats":
		if !f.stats.Load() {
			fmt.Fprint(w, `{"stats":[]}`)
			return
		}
		var all []string
		for _, s := range []string{"http.http.downstream_rq_active", "http.http.downstream_cx_upgrades_active", "listener.http.downstream_cx_active",
			"http.http.downstream_rq_total", "http.http.downstream_cx_destroy", "http.http.downstream_cx_destroy_active_rq"} {
			all = append(all, fmt.Sprintf(`{"name":%q,"value":3}`, s))
		}
		fmt.Fprintf(w, `{"stats":[%s]}`, strings.Join(all, ","))
	default:
		w.WriteHeader(http.StatusMethodNotAllowed) // whoever only asks gives no orders
	}
}

func newFake(t *testing.T) (*fake, *httptest.Server, *Metrics) {
	t.Helper()
	f := &fake{}
	f.state.Store("LIVE")
	f.stats.Store(true)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client, err := admin.New(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return f, server, &Metrics{Envoy: client, Progress: &drain.Progress{}}
}

// TestMetrics: names and units follow the conventions of Prometheus; what is
// unknown has no series.
func TestMetrics(t *testing.T) {
	f, _, m := newFake(t)
	m.Progress.Finish(drain.Report{Reason: drain.ReasonDeadline, RequestsFinished: 7, ClosedGracefully: 5, RequestsCut: 2, UpgradesCut: 1,
		CutFrom: []admin.Upstream{{Cluster: "shop/web/80", Address: "10.0.0.1:8080", Requests: 3}}})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP shutdown_manager_drain_cut_from_requests Requests that were active when Envoy was ended, by the endpoint they were with: at most 20, the others as cluster "others".
# TYPE shutdown_manager_drain_cut_from_requests gauge
shutdown_manager_drain_cut_from_requests{cluster="shop/web/80",upstream="10.0.0.1:8080"} 3
# HELP shutdown_manager_requests_active Requests that are active on data listeners, WebSockets included.
# TYPE shutdown_manager_requests_active gauge
shutdown_manager_requests_active 3
`), "shutdown_manager_drain_cut_from_requests", "shutdown_manager_requests_active")
	if err != nil {
		t.Error(err)
	}
	f.stats.Store(false)
	if n, err := testutil.GatherAndCount(registry, "shutdown_manager_requests_active", "shutdown_manager_upgrades_active", "shutdown_manager_connections_open"); err != nil || n != 0 {
		t.Errorf("%d series of what is unknown, %v", n, err)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP shutdown_manager_envoy_readable Whether the statistics of Envoy's data listeners could be read at this scrape. If not, what is active is unknown and has no series.
# TYPE shutdown_manager_envoy_readable gauge
shutdown_manager_envoy_readable 0
`), "shutdown_manager_envoy_readable"); err != nil {
		t.Error(err)
	}
}

// TestProbes: an Envoy that drains is not ready but lives; one that does not
// answer is neither.
func TestProbes(t *testing.T) {
	f, envoy, m := newFake(t)
	c, ready := &Config{Metrics: m, Log: slog.New(slog.DiscardHandler)}, &readiness{envoy: m.Envoy}
	expect := func(when string, wantLive, wantReady int) {
		t.Helper()
		for path, h := range map[string]http.HandlerFunc{"/live": c.live, "/ready": ready.ServeHTTP} {
			w := httptest.NewRecorder()
			h(w, httptest.NewRequest(http.MethodGet, path, nil))
			want := wantLive
			if path == "/ready" {
				want = wantReady
			}
			if w.Code != want {
				t.Errorf("%s: %s answers %d, want %d: %s", when, path, w.Code, want, w.Body)
			}
		}
	}
	expect("well", http.StatusOK, http.StatusOK)
	f.state.Store("DRAINING")
	expect("draining", http.StatusOK, http.StatusServiceUnavailable)
	envoy.Close()
	expect("gone", http.StatusServiceUnavailable, http.StatusServiceUnavailable)
}

// TestServer: what it serves, at an address of its own.
func TestServer(t *testing.T) {
	_, _, m := newFake(t)
	s, err := Start(Config{Address: "127.0.0.1:0", Metrics: m, PID: func() (int, bool) { return 0, false }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]string{"/live": "live", "/ready": "ready", "/metrics": "shutdown_manager_tcp_listen_overflows_total"} {
		resp, err := http.Get("http://" + s.address + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s, %v", path, resp.Status, err)
		}
	}
	if _, err := Start(Config{Address: s.address, Metrics: m, PID: func() (int, bool) { return 0, false }, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("two at one address")
	}
}
