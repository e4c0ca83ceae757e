package kube

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/object"
)

// waited is how long the next request of a feed waits, by the clock of synctest.
func waited(t *testing.T, r *retry) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := r.begin(t.Context()); err != nil {
		t.Error(err)
	}
	return time.Since(begin)
}

// TestRetryWaits: from 0.1 s to 2 s, less up to a half; a watch that stood makes the
// next wait short again, one that ended at once does not.
func TestRetryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetry(newGate())
		expect := func(when string, most time.Duration) {
			t.Helper()
			if got := waited(t, &r); got > most || got < most/2 {
				t.Errorf("%s: waited %v, want %v to %v", when, got, most/2, most)
			}
		}
		expect("at first", 0)
		for failures := range 5000 { // nothing overflows
			most := min(retryLast, retryFirst<<min(failures, 10))
			r.failed()
			expect("after a failure", most)
		}
		expect("once more", 0)
		r.ended(retryLast - 1)
		expect("after a short watch", retryLast)
		r.ended(retryLast)
		expect("after a watch", 0)
		r.failed()
		expect("after a failure since then", retryFirst)
	})
}

// longFailing has failed for so long that its waits do not grow any more.
func longFailing(g *gate) *retry {
	r := newRetry(g)
	for range 10 {
		r.backoff.Step()
	}
	return &r
}

// TestRetryWakes: who gets through after a failure wakes those who wait, and those
// whose request fails right after that; who always gets through wakes nobody.
func TestRetryWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		waiter, other := longFailing(gate), longFailing(gate)
		waited(t, waiter)
		waiter.failed()
		other.failed()
		go func() {
			time.Sleep(time.Millisecond)
			other.succeeded()
		}()
		if got := waited(t, waiter); got != time.Millisecond {
			t.Errorf("waited %v although another got through after 1ms", got)
		}
		other.failed()
		other.succeeded() // while the waiter's request is under way
		waiter.failed()
		if got := waited(t, waiter); got != 0 {
			t.Errorf("waited %v although another got through meanwhile", got)
		}
		other.succeeded()
		waiter.failed()
		if got := waited(t, waiter); got < retryLast/2 {
			t.Errorf("waited %v, woken by one that was never in trouble", got)
		}
	})
}

// TestRetryEnds: the wait ends with its context.
func TestRetryEnds(t *testing.T) {
	r := newRetry(newGate())
	r.failed()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.again = time.Now().Add(time.Hour)
	if err := r.begin(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestHealthSince plays what happens to a feed, one thing a second.
func TestHealthSince(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	var h *health
	follows := func() { h.follows(false, now) }
	streams := func() { h.follows(true, now) }
	complete := func() { h.complete(now) }
	ended := func() { h.ended() }
	failed := func() { h.failed(errUnconfirmed, now) }
	const away = -1
	for name, c := range map[string]struct {
		events []func()
		since  int // the second in which it was back; away: it is not
	}{
		"nothing was read":                      {nil, away},
		"a list was read":                       {[]func(){complete}, 1},
		"and is watched":                        {[]func(){complete, follows}, 1},
		"a watch that begins with a list":       {[]func(){streams, complete}, 2},
		"that list is not complete":             {[]func(){streams}, away},
		"the watch ended":                       {[]func(){streams, complete, ended}, away},
		"it goes on at once":                    {[]func(){streams, complete, ended, follows}, 2},
		"it goes on after a failure":            {[]func(){streams, complete, ended, failed, follows}, 5},
		"it goes on after many":                 {[]func(){streams, complete, ended, failed, failed, follows}, 6},
		"all is read anew":                      {[]func(){streams, complete, ended, streams, complete}, 5},
		"all is to be read anew":                {[]func(){streams, complete, ended, failed, streams}, away},
		"all was read, and cannot be watched":   {[]func(){complete, follows, ended, failed, complete, failed}, away},
		"all was read anew, and is watched":     {[]func(){complete, follows, ended, failed, complete, follows}, 5},
		"what is read is not believed":          {[]func(){complete, follows, ended, streams, failed}, away},
		"two ends in a row, without a failure":  {[]func(){complete, follows, ended, follows, ended, follows}, 1},
		"trouble that is over counts only once": {[]func(){complete, follows, ended, failed, follows, ended, follows}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			h = &health{kind: object.KindSlice, what: "EndpointSlice", log: slog.New(slog.DiscardHandler), away: true}
			now = start
			for _, e := range c.events {
				now = now.Add(time.Second)
				e()
			}
			want := start.Add(time.Duration(c.since) * time.Second)
			now = now.Add(time.Second)
			if c.since == away {
				want = now
			}
			if got := h.followedSince(now); got != want {
				t.Errorf("followed since %v, want %v", got.Sub(start), want.Sub(start))
			}
		})
	}
}
