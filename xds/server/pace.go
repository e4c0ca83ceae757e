package server

import (
	"context"
	"runtime"
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
// Envoys return at once, the rest waits in the flow-control windows. Its
// methods belong to the stream's goroutine.
type helloToken struct {
	tokens chan struct{}
	held   bool
}

// take waits for a token; an error says that the stream or the server ended.
func (h *helloToken) take(ctx context.Context, stopping <-chan struct{}) error {
	select {
	case h.tokens <- struct{}{}:
		h.held = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-stopping:
		return errStopping
	}
}

// give returns the token, if the stream still holds it.
func (h *helloToken) give() {
	if h.held {
		h.held = false
		<-h.tokens
	}
}
