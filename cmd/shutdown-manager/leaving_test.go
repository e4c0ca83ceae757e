package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"legation.dev/drain"
	"legation.dev/drain/admin"
)

// orders is an admin interface that takes all orders, but for the first.
func orders(t *testing.T) (client *admin.Client, given chan string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	given = make(chan string, 100)
	first := true
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		given <- r.Method + " " + r.URL.String()
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	client, err = admin.New("unix:" + socket)
	if err != nil {
		t.Fatal(err)
	}
	return client, given
}

// TestLeavingOrders: Envoy is told what follows from the node, an order that fails once more;
// and what is taken back too late ends Envoy.
func TestLeavingOrders(t *testing.T) {
	client, given := orders(t)
	renewed := make(chan struct{})
	l := &leaving{envoy: client, log: slog.New(slog.DiscardHandler), state: drain.Leaver{Min: time.Hour}, renew: func() { close(renewed) }, told: make(chan string, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	l.cancel = cancel
	l.done.Go(func() { l.run(ctx) })
	want := func(order string) {
		t.Helper()
		if got := <-given; got != order {
			t.Fatalf("told %s, want %s", got, order)
		}
	}
	l.told <- "taint x"
	want("POST /healthcheck/fail")
	l.told <- ""
	want("POST /healthcheck/ok")
	l.told <- "taint x"
	want("POST /healthcheck/fail")
	if since := l.end(); since.IsZero() {
		t.Error("a drain would not know that the health checks fail already")
	}

	l.state = drain.Leaver{} // with no time to wait
	ctx, l.cancel = context.WithCancel(t.Context())
	l.done.Go(func() { l.run(ctx) })
	l.told <- "taint x"
	want("POST /healthcheck/fail")
	want("POST /drain_listeners?graceful&skip_exit")
	l.told <- ""
	<-renewed
	l.end()
	if len(given) > 0 {
		t.Errorf("told %s", <-given)
	}
}

// TestNodeFlags: what cannot work is refused at the start.
func TestNodeFlags(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for args, says := range map[string]string{
		"--node n": "no pod",
		"--node n --api-server http://127.0.0.1:80": "want https",
		"--drain-on-cordon":                         "needs --node",
		"--event-on edge/envoy":                     "want NAMESPACE/NAME/UID",
		"--event-on edge/envoy/1":                   "--event-on: this is no pod",
	} {
		var text strings.Builder
		if status := run(append([]string{"run", "--admin", "127.0.0.1:1", "--listen", ""}, append(strings.Fields(args), "--", "true")...), io.Discard, &text); status != 2 || !strings.Contains(text.String(), says) {
			t.Errorf("%s: status %d, %s", args, status, text.String())
		}
	}
}
