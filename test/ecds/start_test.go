//go:build real

package ecds

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"testing"
	"time"
)

var silence = flag.Duration("silence", 500*time.Millisecond, "how long the server is silent in TestStart; above Envoy's 15 s in a soak")

// TestStart: a fresh Envoy opens its ports when it has everything, however long one
// kind of resource takes, and what it answers first is right.
func TestStart(t *testing.T) {
	for _, k := range []kind{clusters, managers, listeners, scopes, routes, hosts} {
		t.Run(k.String()+" late", func(t *testing.T) {
			t.Parallel()
			w := newSuite(t, 1)
			w.server.do(func() { w.server.silent[k] = true })
			begin := time.Now()
			doors := w.open(false)
			select {
			case <-time.After(*silence):
			case <-w.envoy.Done():
			}
			w.server.speak(k)
			w.settle()
			w.ready()
			for _, d := range doors {
				<-d.ended
				after := d.opened.Sub(begin)
				t.Logf("%s answers after %s", d.address, after.Round(time.Millisecond))
				if after < *silence {
					t.Error("before all was there")
				}
			}
		})
	}
}

// TestRejectedAtStart: the first managers are rejected, and the last good ones of the
// fleet, sent at once, serve. Envoy opens its ports at the rejection, so that until then
// connections may be closed, but none is answered 404.
func TestRejectedAtStart(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := newSuite(t, 1)
			w.server.do(func() { w.server.good = w.table.clone()[managers] })
			for _, name := range []string{http, https} {
				w.extras.manager[name] = tweak{serial: 1, bad: fault}
			}
			w.push(true)
			doors := w.open(true)
			w.ready()
			w.settle()
			for _, d := range doors {
				<-d.ended
			}
			if count, odd := w.server.counted(); count.nacks[managers] != 2 || len(odd) > 0 {
				t.Errorf("%d managers were rejected; %v", count.nacks[managers], odd)
			}
		})
	}
}

// entrance is somebody who tries a door from the first moment of an Envoy.
type entrance struct {
	address string
	early   bool          // it may open before it can answer
	opened  time.Time     // when the first answer came; zero: none
	fault   error         // what was wrong
	ended   chan struct{} // closed when it is over, and the fields above may be read
}

// open starts an Envoy and tries both of its doors.
func (w *suite) open(early bool) []*entrance {
	w.t.Helper()
	w.start()
	return []*entrance{w.enter(early, w.HTTP, plain[0], nil), w.enter(early, w.HTTPS, steady[0], w.config(steady[0]))}
}

func (w *suite) enter(early bool, address, host string, config *tls.Config) *entrance {
	d := &entrance{early: early, address: address, ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(w.ctx, *silence+hang)
	go func() {
		defer close(d.ended)
		d.fault = d.try(ctx, host, config)
	}()
	w.t.Cleanup(func() { // before Envoy ends
		defer cancel()
		if <-d.ended; d.fault != nil {
			w.t.Error(d.fault)
		}
	})
	return d
}

// try asks again and again. Until the first answer the port has to be closed; each
// answer has to be 200.
func (d *entrance) try(ctx context.Context, host string, config *tls.Config) error {
	for answers := 0; answers < enough; {
		status, err := ask(ctx, d.address, host, config)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w after %d answers", host, ctx.Err(), answers)
		case status == 200:
			if answers++; answers == 1 {
				d.opened = time.Now()
			}
		case status != 0:
			return fmt.Errorf("%s is answered %d", host, status)
		case answers > 0 || !refused(err) && !d.early:
			return fmt.Errorf("%s, after %d answers: %w", host, answers, err)
		}
		time.Sleep(retryAfter)
	}
	return nil
}

// enough is how many answers show that a door stays open.
const enough = 50
