package kube

import (
	"context"
	"math"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Waits between two tries of one feed, doubled from the first to the last. Those of a
// Reflector go up to 60 s, and do not end when the server is back, but two minutes after
// the last one: kinds come back from an outage far apart. A server that is in trouble
// bears these: a replica has six feeds, and five more for each further namespace.
//
// A connection that is cut, and not refused, the client below tries ten times, a second
// apart, before a feed hears of it.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 2 * time.Second
)

// gate tells all feeds when one of them gets through to the API server.
type gate struct {
	mu     sync.Mutex
	passed chan struct{} // closed when the next one gets through
}

func newGate() *gate { return &gate{passed: make(chan struct{})} }

// next is closed when somebody gets through from now on.
func (g *gate) next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

// pass says that somebody has got through.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.passed)
	g.passed = make(chan struct{})
}

// retries is the backoff of a feed without trouble. Half of each wait is drawn: replicas
// do not ask in step.
var retries = wait.Backoff{Duration: retryFirst / 2, Factor: 2, Cap: retryLast / 2, Steps: math.MaxInt32, Jitter: 1}

func newRetry(g *gate) retry { return retry{gate: g, backoff: retries} }

// retry spaces the requests of one feed. A Reflector sends them one after another,
// so nothing here is locked.
type retry struct {
	gate    *gate
	backoff wait.Backoff
	failing bool            // the last request failed
	again   time.Time       // when the next may be sent; zero if now
	passed  <-chan struct{} // closed when another feed got through since the last request began
}

// begin waits until a request may be sent. Its error is that of ctx.
func (r *retry) begin(ctx context.Context) error {
	if !r.again.IsZero() {
		timer := time.NewTimer(time.Until(r.again))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.passed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.again, r.passed = time.Time{}, r.gate.next()
	return nil
}

// failed says that a request has failed.
func (r *retry) failed() {
	r.failing = true
	r.again = time.Now().Add(r.backoff.Step())
}

// succeeded says that a request was answered. The first after a failure wakes the other
// feeds. The waits stay as long as they are until a watch has stood: see ended.
func (r *retry) succeeded() {
	if r.failing {
		r.failing = false
		r.gate.pass()
	}
}

// ended says for how long a watch stood. One that ends immediately is a failure.
func (r *retry) ended(stood time.Duration) {
	if stood < retryLast {
		r.failed()
		return
	}
	r.backoff = retries
}
