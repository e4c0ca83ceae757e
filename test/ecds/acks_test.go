//go:build real

package ecds

import (
	"context"
	"testing"
)

// These tests hold what an ACK does not prove in the Envoy of today, so that whoever
// serves managers must not take it for that.

// TestRepeated: a manager that was rejected is acknowledged when it comes again, unless
// a good one came in between.
func TestRepeated(t *testing.T) {
	w := newSuite(t, 1)
	w.start()
	w.settle()
	bad := w.spoiled(https)
	send := func(r resource) (rejected int) {
		w.server.do(func() {
			delete(w.server.good, https) // nothing is sent by itself
			w.server.want[managers][https] = r
			w.server.offer(w.server.stream, managers)
		})
		w.answered()
		count, _ := w.server.counted()
		return count.nacks[managers]
	}
	if n := send(bad); n != 1 {
		t.Errorf("rejected %d times", n)
	}
	if n := send(bad); n != 1 {
		t.Errorf("rejected %d times when it came again", n)
	}
	send(w.table[managers][https])
	if n := send(bad); n != 2 {
		t.Errorf("rejected %d times when it came after a good one", n)
	}
}

// TestGivenUp: a manager that no chain names is acknowledged, whatever it is.
func TestGivenUp(t *testing.T) {
	const name = "gone"
	w := newSuite(t, 1)
	w.start()
	w.settle()
	w.server.do(func() {
		st := w.server.stream
		st.asked[managers][name] = true
		w.server.want[managers][name] = w.spoiled(http)
		w.server.offer(st, managers)
		delete(st.asked[managers], name)
	})
	w.answered()
	if count, odd := w.server.counted(); count.nacks[managers] != 0 || count.unasked != 1 || len(odd) > 0 {
		t.Errorf("%+v; %v", count, odd)
	}
}

// spoiled is a manager that Envoy rejects.
func (w *suite) spoiled(name string) resource {
	fleet, _ := w.result.Fleet(class)
	e := extras{manager: map[string]tweak{name: {serial: 1, bad: faults[0]}}}
	return encode(w.table, fleet.Snapshot, e)[managers][name]
}

// answered waits until Envoy has answered everything.
func (w *suite) answered() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	err := w.server.await(ctx, func() string {
		if len(w.server.stream.flight) > 0 {
			return "an answer"
		}
		return ""
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
