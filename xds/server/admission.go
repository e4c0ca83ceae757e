package server

import (
	"context"
	"sync"
	"time"

	"legation.dev/xds/limits"
)

const (
	// admissions is how many streams may read their first requests at the same
	// time. Those of an Envoy with 10,000 names are about 2 MB each.
	admissions = 8
	// admissionPatience is how long a stream keeps its token when nothing comes.
	admissionPatience = 200 * time.Millisecond
	// admissionsPerAddress is how many of the admissions the streams of one address may
	// have: a client that opens stream after stream waits in a queue of its own.
	admissionsPerAddress = admissions / 2
)

// admission is the right of a stream to read its first requests: when 1,000
// Envoys return at once, the rest waits in the flow-control windows. It is given
// back when nothing has come for admissionPatience, whatever the stream does then: it
// may wait for an Envoy that does not read. Its methods may be called from any
// goroutine.
type admission struct {
	tokens chan struct{}
	call   *limits.Call
	most   time.Duration // it is given back after that, whatever comes

	mu    sync.Mutex // guards what follows
	held  bool
	until time.Time
	timer *time.Timer // gives it back
}

// take waits for a token; an error says that the stream or the server ended.
func (h *admission) take(ctx context.Context, stopping <-chan struct{}) error {
	if p := h.call.Party(); p != nil { // whose own tokens come first
		if err := takeOne(ctx, p.Turns, stopping); err != nil {
			return err
		}
	}
	if err := takeOne(ctx, h.tokens, stopping); err != nil {
		h.release()
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held, h.until, h.timer = true, time.Now().Add(h.most), time.AfterFunc(admissionPatience, h.look)
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
func (h *admission) release() {
	if p := h.call.Party(); p != nil {
		<-p.Turns
	}
}

// heard says that a request came, after which the next may. It is false if the
// stream has had its time.
func (h *admission) heard() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := time.Now().Before(h.until)
	if h.held && in {
		h.timer.Reset(admissionPatience)
	}
	return in
}

// look gives the token back, unless a request is under way.
func (h *admission) look() {
	if h.call.Stalls() || !h.heard() {
		h.give()
	}
}

// give returns the token, if the stream still holds it.
func (h *admission) give() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held {
		h.held = false
		h.timer.Stop()
		<-h.tokens
		h.release()
	}
}
