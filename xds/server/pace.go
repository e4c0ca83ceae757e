package server

import (
	"context"
	"runtime"
	"sync"
	"time"
)

const (
	// pushCost is the server's CPU for one response and its ACK over gRPC, with
	// nothing else around them: 43 to 50 µs on a core of an EPYC VM.
	pushCost = 50 * time.Microsecond
	// maxGap bounds the time between two pushes to one Envoy.
	maxGap = 50 * time.Millisecond
)

// gap is how long a stream that got a push waits for the next, so that the
// fleet's pushes fit into the cores; changes that come in between travel
// together. A change after a pause waits for nothing. Answers to what Envoy
// asks are not pushes.
func gap(streams int64) time.Duration {
	cores := time.Duration(runtime.GOMAXPROCS(0))
	return min(pushCost*time.Duration(streams)/cores, maxGap)
}

const (
	// helloTokens is how many streams may read their first requests at the same
	// time. Those of an Envoy with 10,000 names are about 2 MB each.
	helloTokens = 8
	// helloPatience is how long a stream keeps its token when no request comes.
	helloPatience = 200 * time.Millisecond
)

// helloToken is the right of a stream to read its first requests: when 1,000
// Envoys return at once, the rest waits in the flow-control windows. It is given
// back when helloPatience has passed since the last request, whatever the stream
// does then: it may wait for an Envoy that does not read. Its methods may be called
// from any goroutine.
type helloToken struct {
	tokens chan struct{}
	party  *party // whose own tokens come first; nil: it has none

	mu    sync.Mutex // guards what follows
	held  bool
	timer *time.Timer // gives it back
}

// take waits for a token; an error says that the stream or the server ended.
func (h *helloToken) take(ctx context.Context, stopping <-chan struct{}) error {
	if h.party != nil {
		if err := takeOne(ctx, h.party.hello, stopping); err != nil {
			return err
		}
	}
	if err := takeOne(ctx, h.tokens, stopping); err != nil {
		h.release()
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held, h.timer = true, time.AfterFunc(helloPatience, h.give)
	return nil
}

// takeOne puts a value into tokens.
func takeOne(ctx context.Context, tokens chan struct{}, stopping <-chan struct{}) error {
	select {
	case tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-stopping:
		return errStopping
	}
}

// release gives back the token of the party.
func (h *helloToken) release() {
	if h.party != nil {
		<-h.party.hello
	}
}

// heard says that a request came, after which the next may.
func (h *helloToken) heard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held {
		h.timer.Reset(helloPatience)
	}
}

// give returns the token, if the stream still holds it.
func (h *helloToken) give() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held {
		h.held = false
		h.timer.Stop()
		<-h.tokens
		h.release()
	}
}
