package admin

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewRefuses(t *testing.T) {
	for _, address := range []string{"", "9901", "unix:admin.sock", "localhost", "localhost:"} {
		if _, err := New(address); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", address)) {
			t.Errorf("%q: error %v", address, err)
		}
	}
}

// two are the statistics of listeners http and https.
func two() map[string]uint64 {
	stats := map[string]uint64{}
	for i, name := range []string{"http", "https", "admin", "health"} {
		n := uint64(i + 1)
		for _, s := range []string{"rq_active", "cx_upgrades_active", "rq_total", "cx_destroy", "cx_destroy_active_rq"} {
			stats["http."+name+".downstream_"+s] = n
		}
		stats["listener."+name+".downstream_cx_active"] = n
		stats["listener."+name+".downstream_cx_total"], stats["listener."+name+".downstream_pre_cx_active"] = n, n
	}
	return stats
}

// TestSum: data listeners count, others do not, and whatever one of them lacks
// is an error.
func TestSum(t *testing.T) {
	listeners := []string{"http", "https"}
	got, err := sum(listeners, two())
	want := Reading{Listeners: 2, Requests: 3, Upgrades: 3, Connections: 6, Arriving: 3, Opened: 3, Began: 3, Closed: 3, ClosedInUse: 3}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for name := range two() {
		stats := maps.Clone(two())
		delete(stats, name)
		_, err := sum(listeners, stats)
		if ours := strings.Contains(name, ".http") && !strings.HasSuffix(name, "_cx_total") && !strings.HasSuffix(name, "pre_cx_active"); (err != nil) != ours {
			t.Errorf("without %s: error %v", name, err)
		} else if ours && !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: error %v does not name it", name, err)
		}
	}
}

// TestOverSocket: what is asked, and what a wrong answer leads to.
func TestOverSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ready := http.StatusOK
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.RequestURI() {
		case "GET /ready":
			w.WriteHeader(ready)
		case "GET /server_info":
			fmt.Fprint(w, `{"state":"LIVE","command_line_options":{"concurrency":3,"drain_time":"9s"}}`)
		case "POST /healthcheck/fail", "POST /drain_listeners?graceful&skip_exit", "POST /quitquitquit":
		case "GET /listeners?format=json":
			fmt.Fprint(w, `{}`)
		case "GET /config_dump?mask=bootstrap.overload_manager&name_regex=%5E%24":
			fmt.Fprint(w, `{"configs":[{"bootstrap":{"overload_manager":{"resource_monitors":[{"name":"other"},
				{"name":"envoy.resource_monitors.global_downstream_max_connections","typed_config":{"max_active_downstream_connections":"50000"}}]}}}]}`)
		case "GET /clusters?format=json":
			fmt.Fprint(w, `{"cluster_statuses":[{"name":"c","host_statuses":[
				{"address":{"socket_address":{"address":"127.0.0.9","port_value":8080}},"stats":[{"name":"rq_active","value":"2"}]},
				{"address":{"socket_address":{"address":"127.0.0.8","port_value":8080}},"stats":[{"name":"rq_active"}]}]}]}`)
		default:
			http.NotFound(w, r)
		}
	})}}
	server.Start()
	defer server.Close()
	c, err := New("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if info, err := c.Info(ctx); err != nil || info.Workers != 3 || info.DrainTime.Seconds() != 9 {
		t.Errorf("%+v, %v", info, err)
	}
	if err := errors.Join(c.FailHealth(ctx), c.DrainListeners(ctx), c.Quit(ctx)); err != nil {
		t.Error(err)
	}
	if r, err := c.Reading(ctx, nil); err != nil || r != (Reading{}) {
		t.Errorf("without listeners: %+v, %v", r, err)
	}
	if busy, err := c.Busy(ctx); err != nil || len(busy) != 1 || busy[0] != (Upstream{"c", "127.0.0.9:8080", 2}) {
		t.Errorf("busy %v, %v", busy, err)
	}
	if n, err := c.ConnectionLimit(ctx); err != nil || n != 50000 {
		t.Errorf("limit %d, %v", n, err)
	}
	if ok, err := c.Ready(ctx); !ok || err != nil {
		t.Errorf("ready: %t, %v", ok, err)
	}
	ready = http.StatusServiceUnavailable
	if ok, err := c.Ready(ctx); ok || err != nil {
		t.Errorf("not ready: %t, %v", ok, err)
	}
	server.Close()
	if _, err := c.Ready(ctx); err == nil {
		t.Error("nobody answers, and no error")
	}
}
