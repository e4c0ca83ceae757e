package snapshot

import (
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
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

// TestStandIn: the bytes of a stand-in do not count, its weakness does.
func TestStandIn(t *testing.T) {
	a := FromBytes(Secret, "h", StandInVersion, []byte("a"), Meta{Weak: true})
	b := FromBytes(Secret, "h", StandInVersion, []byte("b"), Meta{Weak: true})
	if a.Sum() != b.Sum() {
		t.Error("stand-ins of two processes differ")
	}
	if a.Firm().Sum() == a.Sum() {
		t.Error("weak and firm are equal")
	}
}
