package snapshot

import (
	"fmt"
	"slices"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/pmap"
)

// TestWire holds the hand-made encoding against the generated messages.
func TestWire(t *testing.T) {
	r, err := New(Cluster, "shop/checkout/http", &clusterv3.Cluster{Name: "shop/checkout/http"}, Meta{})
	if err != nil {
		t.Fatal(err)
	}
	var resp discoveryv3.DeltaDiscoveryResponse
	if err := proto.Unmarshal(append(append([]byte(nil), r.Wire()...), r.Wire()...), &resp); err != nil {
		t.Fatal(err)
	}
	if len(resp.Resources) != 2 {
		t.Fatalf("got %d resources, want 2", len(resp.Resources))
	}
	for _, got := range resp.Resources {
		want := &discoveryv3.Resource{Name: r.Name, Version: r.Version, Resource: r.Any()}
		if !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// TestStandIn: the bytes of a stand-in do not count, that it is a placeholder does.
func TestStandIn(t *testing.T) {
	a := FromBytes(Secret, "h", StandInVersion, []byte("a"), Meta{Placeholder: true})
	b := FromBytes(Secret, "h", StandInVersion, []byte("b"), Meta{Placeholder: true})
	if a.Sum() != b.Sum() {
		t.Error("stand-ins of two processes differ")
	}
	if a.Final().Sum() == a.Sum() {
		t.Error("a placeholder and the final resource are equal")
	}
}

// TestChanges: the difference is Diff's, whether it is kept or not, small or
// large, from the last version or from another.
func TestChanges(t *testing.T) {
	var old, other Snapshot
	for i := range 2 * maxStep {
		name := fmt.Sprint("c", i)
		old = old.With(Cluster, old.Of(Cluster).Set(name, FromBytes(Cluster, name, "1", nil, Meta{})))
	}
	other = old.With(Cluster, old.Of(Cluster).Delete("c3"))
	next := old.With(Cluster, old.Of(Cluster).Set("c7", FromBytes(Cluster, "c7", "2", nil, Meta{})))
	changes := func(from Snapshot) string { return fmt.Sprint(slices.Collect(next.Changes(Cluster, from.Of(Cluster)))) }
	diff := func(from Snapshot) string {
		return fmt.Sprint(slices.Collect(pmap.Diff(from.Of(Cluster), next.Of(Cluster))))
	}
	for i, from := range []Snapshot{old, old, other, old, {}, {}, next, old} {
		if got, want := changes(from), diff(from); got != want {
			t.Errorf("look %d: %s, want %s", i, got, want)
		}
	}
	for range next.Changes(Cluster, other.Of(Cluster)) {
		break // whoever stops early keeps nothing that is not whole
	}
	if got, want := changes(other), diff(other); got != want {
		t.Errorf("after half a look: %s, want %s", got, want)
	}
}
