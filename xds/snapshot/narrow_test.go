package snapshot

import (
	"testing"

	"legation.dev/pmap"
)

// TestNarrow: a snapshot has both forms of a listener, both are in its digest, and a
// node without IPv6 gets the narrow one. What all nodes have alike stays the same map.
func TestNarrow(t *testing.T) {
	listener := func(narrow string) *Resource {
		meta := Meta{}
		if narrow != "" {
			meta.Narrow = FromBytes(Listener, "http", narrow, []byte(narrow), Meta{})
		}
		return FromBytes(Listener, "http", "wide", []byte("wide"), meta)
	}
	of := func(r *Resource) Snapshot { return Snapshot{}.With(Listener, pmap.Map[*Resource]{}.Set("http", r)) }
	a, b, alone := of(listener("a")), of(listener("b")), of(listener(""))
	if a.Digest() == b.Digest() || a.Digest() == alone.Digest() {
		t.Error("the narrow form is not in the digest")
	}
	for want, s := range map[string]Snapshot{"a": a, "b": b, "wide": alone} {
		for range 2 { // it is made once
			if r, ok := s.Narrow().Get(Ref{Listener, "http"}); !ok || r.Version != want {
				t.Errorf("a node without IPv6 gets %v, want %s", r, want)
			}
		}
		if r, _ := s.Get(Ref{Listener, "http"}); r.Version != "wide" {
			t.Errorf("a node with IPv6 gets %s", r.Version)
		}
	}
	if !alone.Narrow().Of(Listener).Same(alone.Of(Listener)) || a.VersionSum(Listener) == a.Narrow().VersionSum(Listener) {
		t.Error("the sums of both forms are not told apart")
	}
}
