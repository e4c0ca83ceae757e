//go:build real

package status

import (
	"flag"
	"fmt"
	"testing"

	"legation.dev/watcher/status"
)

var ingresses = flag.Int("ingresses", 1000, "how many Ingresses there are")

// TestOneWrite: two replicas and many Ingresses: each is written once, and one more
// costs one write more.
func TestOneWrite(t *testing.T) {
	w := newSuite(t)
	w.start()
	w.start()
	before := w.applied()
	var names []string
	for i := range *ingresses {
		names = append(names, fmt.Sprintf("shop-%d", i))
	}
	w.create(names...)
	w.awaitAddress("192.0.2.1")
	if n := w.appliedSince(before, *ingresses); n != *ingresses {
		t.Errorf("%d writes for %d Ingresses", n, *ingresses)
	}
	before = w.applied()
	w.create("one-more")
	w.awaitAddress("192.0.2.1")
	w.create("last") // whatever was written needlessly is written by then
	w.awaitAddress("192.0.2.1")
	if n := w.appliedSince(before, 2); n != 2 {
		t.Errorf("%d writes for 2 new Ingresses", n)
	}
}

// TestTakeover: a leader that is gone stops, another one leads, and writes nothing
// that is written.
func TestTakeover(t *testing.T) {
	w := newSuite(t)
	first := w.start()
	w.awaitLeader(first)
	second := w.start()
	before := w.applied()
	w.create("a", "b", "c")
	w.awaitAddress("192.0.2.1")
	before += w.appliedSince(before, 3)
	first.cut()
	w.awaitLeader(second)
	w.awaitStats(first, "end of its term", func(s status.Stats) bool { return !s.Leader })
	w.create("d")
	w.awaitAddress("192.0.2.1")
	if n := w.appliedSince(before, 1); n != 1 {
		t.Errorf("%d writes for 1 new Ingress after a change of the leader", n)
	}
	third := w.start()
	second.end() // it gives the lease up
	w.awaitLeader(third)
	w.create("e")
	w.awaitAddress("192.0.2.1")
	if n := w.appliedSince(before, 2); n != 2 {
		t.Errorf("%d writes for 2 new Ingresses after two changes of the leader", n)
	}
}
