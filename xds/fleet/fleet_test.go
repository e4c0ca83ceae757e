package fleet

import (
	"slices"
	"testing"
	"time"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

var start = time.Unix(1700000000, 0)

func ids(envoys []Envoy) (out string) {
	for _, e := range envoys {
		out += e.Fleet + "/" + e.ID + " "
	}
	return out
}

func TestEnvoysAreListedInOrder(t *testing.T) {
	r := New(Config{})
	b := r.Join(Node{ID: "b", Fleet: "x"}, start)
	r.Join(Node{ID: "a", Fleet: "y"}, start)
	r.Join(Node{ID: "a", Fleet: "x"}, start.Add(time.Second))
	r.Join(Node{ID: "a", Fleet: "x", Peer: "older stream of the same node"}, start)
	if got, want := ids(r.Envoys()), "x/a x/a x/b y/a "; got != want {
		t.Errorf("Envoys are %q, want %q", got, want)
	}
	if r.Envoys()[0].Peer == "" {
		t.Error("of two streams the older one must come first")
	}
	b.Leave(time.Unix(50, 0))
	if got, want := ids(r.Envoys()), "x/a x/a y/a "; got != want {
		t.Errorf("after Leave: %q, want %q", got, want)
	}
}

// TestGone: who left is remembered for an hour, unless it is there again.
func TestGone(t *testing.T) {
	r := New(Config{})
	killed, back := r.Join(Node{ID: "killed", Fleet: "x"}, start), r.Join(Node{ID: "back", Fleet: "x"}, start)
	left := start.Add(time.Minute)
	killed.Leave(left)
	back.Leave(left)
	r.Join(Node{ID: "back", Fleet: "x"}, left)
	if got := r.Gone(left); len(got) != 1 || got[0].ID != "killed" || !got[0].Since.Equal(start) || !got[0].Left.Equal(left) {
		t.Errorf("gone are %+v", got)
	}
	if got := r.Gone(left.Add(Remembered)); len(got) != 0 {
		t.Errorf("an hour later gone are %+v", got)
	}
}

func TestWaitingUntilServed(t *testing.T) {
	r := New(Config{})
	s := r.Join(Node{ID: "a", Fleet: "x"}, start)
	if !r.Envoys()[0].Waiting {
		t.Error("an Envoy that is not served yet must be shown as waiting")
	}
	var stale uint64
	s.Serve(func() delta.Status { return delta.Status{Counters: delta.Counters{Stale: stale}} })
	stale = 7
	if e := r.Envoys()[0]; e.Waiting || !e.Since.Equal(start) || e.Status.Counters.Stale != 7 {
		t.Errorf("a served Envoy is shown as %+v", e)
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := newMemory[string, int](2)
	m.set("a", 1)
	m.set("b", 2)
	m.set("a", 3) // a is the newest now
	m.set("c", 4)
	if m.get("a") != 3 || m.get("b") != 0 || m.get("c") != 4 || len(m.at) != 2 || m.order.Len() != 2 {
		t.Errorf("a, b, c are %d, %d, %d", m.get("a"), m.get("b"), m.get("c"))
	}
}

func TestRejectsOutliveTheStream(t *testing.T) {
	r := New(Config{Nodes: 1})
	ref := snapshot.Ref{Type: snapshot.Cluster, Name: "c"}
	s := r.Join(Node{ID: "a", Fleet: "x"}, start)
	if s.Rejects() != nil {
		t.Error("a new Envoy has rejected something")
	}
	s.Remember(delta.Rejects{ref: {"7"}})
	s.Leave(time.Unix(50, 0))
	if got := r.Join(Node{ID: "a", Fleet: "x"}, start).Rejects()[ref]; !slices.Equal(got, []string{"7"}) {
		t.Errorf("the next stream of the Envoy gets %v", got)
	}
	for _, n := range []Node{{ID: "b", Fleet: "x"}, {ID: "a", Fleet: "y"}} {
		if r.Join(n, start).Rejects() != nil {
			t.Errorf("%v got the rejections of another", n)
		}
	}
	r.Join(Node{ID: "b", Fleet: "x"}, start).Remember(delta.Rejects{})
	if s.Rejects() != nil {
		t.Error("more Envoys are remembered than allowed")
	}
}

func TestSuspects(t *testing.T) {
	r := New(Config{Suspects: 2})
	ref := snapshot.Ref{Type: snapshot.VirtualHost, Name: "ingress/h"}
	a, b := r.Join(Node{ID: "a", Fleet: "x"}, start), r.Join(Node{ID: "b", Fleet: "x"}, start)
	a.Suspect(ref, "1")
	kept := b.Suspects()
	a.Suspect(ref, "1")
	a.Suspect(ref, "2")
	a.Suspect(ref, "3")
	now := b.Suspects()
	if now.Len() != 2 || now.Suspect(ref, "1") || !now.Suspect(ref, "2") || !now.Suspect(ref, "3") {
		t.Errorf("suspects are %v", now.order)
	}
	if !kept.Suspect(ref, "1") || kept.Len() != 1 {
		t.Error("a set that was handed out changed")
	}
	if r.Join(Node{ID: "a", Fleet: "y"}, start).Suspects().Len() != 0 {
		t.Error("suspects of another fleet")
	}
}
