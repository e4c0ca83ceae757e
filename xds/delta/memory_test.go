package delta

import (
	"fmt"
	"testing"

	"legation.dev/xds/snapshot"
)

// TestRejectedInWant: however many versions an Envoy rejects, each that is in want is
// remembered, or it would be sent again and again; what is gone is forgotten.
func TestRejectedInWant(t *testing.T) {
	const many = maxMemory + 10
	c := Accept(nil)
	var m resources
	ref := func(i int) snapshot.Ref {
		return snapshot.Ref{Type: snapshot.VirtualHost, Name: fmt.Sprintf("rc/%d", i)}
	}
	for i := range many {
		m = m.Set(ref(i).Name, snapshot.FromBytes(snapshot.VirtualHost, ref(i).Name, "bad", []byte("bad"), snapshot.Meta{}))
	}
	c.Target(snapshot.Snapshot{}.With(snapshot.VirtualHost, m), nil)
	for i := range many {
		c.remember(ref(i), "bad")
	}
	for i := range many {
		if !c.isRejected(snapshot.VirtualHost, ref(i).Name, "bad") {
			t.Fatalf("%s is forgotten", ref(i).Name)
		}
	}
	c.Target(snapshot.Snapshot{}, nil)
	c.remember(ref(many), "bad")
	if n := len(c.rejected); n != 1 {
		t.Errorf("%d names are remembered, all but one of which are gone", n)
	}
}
