//go:build real

package shutdown

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"legation.dev/drain"
	"legation.dev/test/load"
)

var (
	restarts = flag.Int("restarts", 4, "how often an Envoy of the pair is restarted under load")
	uploads  = flag.Duration("uploads", time.Second, "how long each upload takes that is under way meanwhile")
)

// sessionTime is how long a WebSocket lives before its client leaves it: a
// restart holds for those that are open.
const sessionTime = time.Second

func port(n int) string { return strconv.Itoa(n) }

// rollingLoad is clients of every kind.
func (w *suite) rollingLoad(httpAt, httpsAt string) []load.Client {
	var clients []load.Client
	for i := range 24 {
		c := load.Client{Name: fmt.Sprintf("client %d", i), Kind: load.HTTP1, Address: httpAt, Every: 50 * time.Millisecond,
			Next: func() (string, string) { return host, "/" }, Oracle: load.Services{host: "web"}}
		if i%2 == 1 {
			c.Kind = load.HTTP2
		}
		if i%4 >= 2 {
			c.Address, c.TLS = httpsAt, &tls.Config{ServerName: host, RootCAs: w.roots}
		}
		clients = append(clients, c)
	}
	return clients
}

// repeated are clients who do the same one time after the other until ctx ends.
type repeated struct {
	name          string
	do            func(begun func()) error
	whole, failed atomic.Int64
	first         atomic.Pointer[error] // of those that failed
}

// run has so many clients do it. wait waits for their end.
func (s *repeated) run(ctx context.Context, clients int) (wait func()) {
	all := newClients("")
	for range clients {
		all.add(s.name, func(begun func()) error {
			for ctx.Err() == nil {
				if err := s.do(begun); err != nil {
					s.failed.Add(1)
					s.first.CompareAndSwap(nil, &err)
				} else {
					s.whole.Add(1)
				}
			}
			return nil
		})
	}
	return func() {
		for range clients {
			<-all.done
		}
	}
}

// TestRolling: the Envoys of a pair are restarted in turn under load: requests on connections
// that are kept, HTTP/2, WebSockets and uploads. Nothing fails, of any kind (R37).
func TestRolling(t *testing.T) {
	w := newSuite(t, nil, "one", "two")
	flags := []string{"--grace-period", (*uploads + 29*time.Second).String(), "--min-drain", "1s"}
	classes := []string{"one", "two"}
	pair := []*proxy{w.start(t, "one", flags...), w.start(t, "two", flags...)}
	b, httpAt, httpsAt := w.balance(t, classes...)
	b.awaitReady(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := load.Start(ctx, w.rollingLoad(httpAt, httpsAt)...)
	c := newClients(httpAt)
	sockets := &repeated{name: "WebSockets", do: func(begun func()) error { return c.session(sessionTime, begun) }}
	bodies := &repeated{name: "uploads", do: func(begun func()) error { return c.send(*uploads, begun) }}
	waits := []func(){sockets.run(ctx, 8), bodies.run(ctx, 8)}
	<-l.Ready()
	var finished uint64
	for i := range *restarts {
		one := i % len(pair)
		pair[one].signal(t, syscall.SIGTERM)
		pair[one].wait(t)
		r := pair[one].report(t)
		if r.Reason != drain.ReasonDone || r.RequestsCut+r.UpgradesCut != 0 {
			t.Errorf("restart %d: %+v", i, r)
		}
		finished += r.RequestsFinished
		pair[one] = w.start(t, classes[one], flags...)
		b.awaitReady(t)
	}
	cancel()
	for _, wait := range waits {
		wait()
	}
	results := l.Wait()
	t.Logf("%d restarts: %s; %d requests finished in drains; %d connections came when no Envoy was ready", *restarts, results, finished, b.closed.Load())
	if results.Failed > 0 || results.Requests < uint64(100**restarts) {
		t.Errorf("%d of %d requests failed: %v", results.Failed, results.Requests, results.Examples)
	}
	sockets.none(t)
	bodies.none(t)
}

// none fails the test if one failed, or there were fewer than restarts.
func (s *repeated) none(t *testing.T) {
	t.Helper()
	t.Logf("%s: %d, and %d failed", s.name, s.whole.Load(), s.failed.Load())
	if s.failed.Load() > 0 || s.whole.Load() < int64(*restarts) {
		t.Errorf("%s: %d failed, %d did not", s.name, s.failed.Load(), s.whole.Load())
	}
	if err := s.first.Load(); err != nil {
		t.Errorf("%s: the first that failed: %v", s.name, *err)
	}
}

// awaitReady waits until all Envoys get connections.
func (b *balancer) awaitReady(t *testing.T) {
	t.Helper()
	await(t, "the balancer to use all Envoys", func() error {
		for _, o := range b.targets {
			if !o.ready.Load() {
				return errors.New(o.host + " is not ready")
			}
		}
		return nil
	})
}
