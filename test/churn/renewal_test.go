//go:build real

package churn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/xds/snapshot"
)

// renewed is how long a renewal of the test lasts once all connections had their turn:
// downstream-idle-timeout, which is shorter, or an hour; and a minute.
const renewed = time.Hour + time.Minute

// TestRenewal: clients stay on connections with an old HTTP configuration until they are
// told to leave; then each dials once more, and is told no more. No request fails, and
// WebSockets live on. When it is over, nothing of it is left.
func TestRenewal(t *testing.T) {
	w := newSuite(t, 10, inprocess.Options{})
	sockets, endSockets := w.load(w.clients(50*time.Millisecond, 0, 0, 10)...)
	movers := w.clients(20*time.Millisecond, 20, 10, 0)
	moving, end := w.loadMoving(movers)
	old := w.routeConfiguration()
	kept := w.keptClient()
	if kept(t) {
		t.Fatal("a path of the application is answered by Envoy")
	}

	w.renew(map[string]string{"health-path": keptPath}) // a change of the HTTP configuration
	w.more(moving, 500)
	if r := moving.Results(); kept(t) || r.Dials != uint64(len(movers)) {
		t.Fatalf("new HTTP configuration, %d dials: its connections are said to stay on the old one", r.Dials)
	}

	w.renew(map[string]string{"health-path": keptPath, "renew-connections": rfc3339(time.Now()), "renew-connections-within": "2s"})
	w.awaitLoad(moving, func(r load.Results) bool { return r.Dials >= 2*uint64(len(movers)) })
	w.await(func() error {
		if !kept(t) {
			return errors.New("a client is still on the old HTTP configuration")
		}
		return nil
	})
	w.more(moving, 1000)
	w.more(sockets, 100)
	w.told(len(movers) + 1)

	w.renew(map[string]string{"health-path": keptPath, "renew-connections-within": "10s",
		"renew-connections": rfc3339(time.Now().Add(-renewed))}) // 10 s are left
	if got := w.routeConfiguration(); got == old {
		t.Error("a renewal is over before its time")
	}
	w.await(func() error {
		if got := w.routeConfiguration(); got != old {
			return fmt.Errorf("route configuration %s, before the renewal %s", got, old)
		}
		return nil
	})
	w.settle()
	w.more(moving, 500)
	if r := end(); r.Failed > 0 || r.Dials != 2*uint64(len(movers)) {
		t.Errorf("%d clients: %v", len(movers), r)
	}
	endSockets()
	w.noneRejected()
	w.listenersInPlace()
}

func rfc3339(t time.Time) string { return t.Format(time.RFC3339Nano) }

// renew sets settings of the class, and waits until Envoy has what follows from them.
func (w *suite) renew(settings map[string]string) {
	w.t.Helper()
	w.Settings(settings)
	w.settle()
}

// loadMoving is load of clients that are to dial more than once; what it returns ends
// them.
func (w *suite) loadMoving(clients []load.Client) (*load.Load, func() load.Results) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	l := load.Start(ctx, clients...)
	w.t.Cleanup(cancel)
	w.awaitLoad(l, func(r load.Results) bool { return r.Requests >= 2*uint64(len(clients)) })
	return l, func() load.Results {
		cancel()
		r := l.Wait()
		w.t.Log(r)
		return r
	}
}

func (w *suite) awaitLoad(l *load.Load, ok func(load.Results) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	if err := l.Await(ctx, ok); err != nil {
		w.t.Fatalf("%v: %v", err, l.Results())
	}
}

// keptPath is answered by the application or, by a newer HTTP configuration, by Envoy.
const keptPath = "/kept"

// keptClient is a client with one connection, as long as it is not told to leave; it
// reports whether that has the newer HTTP configuration.
func (w *suite) keptClient() func(*testing.T) bool {
	transport := &http.Transport{MaxConnsPerHost: 1}
	w.t.Cleanup(transport.CloseIdleConnections)
	return func(t *testing.T) bool {
		t.Helper()
		req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+w.HTTP+keptPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = w.hosts[0].name
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil { // else the connection is not used again
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", keptPath, resp.Status)
		}
		return resp.Header.Get(echo.HeaderService) == ""
	}
}

// routeConfiguration is the version of that which is published.
func (w *suite) routeConfiguration() string {
	w.t.Helper()
	snap, ok := w.Published()
	if !ok {
		w.t.Fatal("nothing is published")
	}
	r, _ := snap.Of(snapshot.RouteConfiguration).Get("ingress")
	return r.Version
}

// told fails the test unless Envoy has counted that so many clients, or somewhat more
// often, were told to leave: several streams of HTTP/2 may be.
func (w *suite) told(clients int) {
	w.t.Helper()
	const name = "filter_chain.rbac.renewal.shadow_denied"
	stats, err := w.Envoy.Stats(w.ctx, "^"+name+"$")
	if err != nil {
		w.t.Fatal(err)
	}
	if n := stats[name]; n < uint64(clients) || n > 2*uint64(clients) {
		w.t.Errorf("Envoy counted %d clients that were told to leave, and there are %d", n, clients)
	}
}
