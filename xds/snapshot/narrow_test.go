package snapshot

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"legation.dev/pmap"
)

// loadOf has endpoints at some addresses.
func loadOf(t *testing.T, name string, addresses ...string) *Resource {
	t.Helper()
	m := &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{}}}
	for _, a := range addresses {
		m.Endpoints[0].LbEndpoints = append(m.Endpoints[0].LbEndpoints, &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
			Endpoint: &endpointv3.Endpoint{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
				SocketAddress: &corev3.SocketAddress{Address: a, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 80}}}}}}})
	}
	r, err := New(Endpoints, name, m, Meta{Needs: []Ref{{Cluster, name}}, Linger: 7})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNarrow: a node without IPv6 gets the narrow form of what has one, with all else that is
// known of it, and others the whole of it. What all nodes have alike is the same.
func TestNarrow(t *testing.T) {
	both, four := loadOf(t, "a", "10.0.0.1", "2001:db8::1"), loadOf(t, "b", "10.0.0.2")
	want := loadOf(t, "a", "10.0.0.1")
	s := Snapshot{}.With(Endpoints, pmap.Map[*Resource]{}.Set("a", both).Set("b", four)).WithReserve(reserveOf{both})
	for range 2 { // it is made once
		n := s.Narrow()
		if a, _ := n.Get(Ref{Endpoints, "a"}); a.Version != want.Version || a.Sum() != want.Sum() || a == both {
			t.Errorf("a node without IPv6 gets %+v, want %+v", a, want)
		}
		if b, _ := n.Get(Ref{Endpoints, "b"}); b != four {
			t.Errorf("%+v is another one there", b)
		}
		if spare := n.Spare("a"); spare.Version != want.Version {
			t.Errorf("spare endpoints there: %+v", spare)
		}
		if n.Narrow().Digest() != n.Digest() || n.VersionSum(Endpoints) == s.VersionSum(Endpoints) {
			t.Error("the sums of both forms are not told apart")
		}
	}
	if a, _ := s.Get(Ref{Endpoints, "a"}); a != both {
		t.Errorf("a node with IPv6 gets %+v", a)
	}
	alone := Snapshot{}.With(Endpoints, pmap.Map[*Resource]{}.Set("b", four))
	if !alone.Narrow().Of(Endpoints).Same(alone.Of(Endpoints)) || (Snapshot{}).Narrow().Len() != 0 {
		t.Error("what has nothing of IPv6 is another map")
	}
}

type reserveOf struct{ r *Resource }

func (r reserveOf) Spare(string) *Resource { return r.r }

func (reserveOf) StandIn(string) *Resource { return nil }

// TestNarrowFollows: the narrow form of a version is the same whether it is made of one before
// it or anew, whichever versions somebody asked for; and it costs what is new.
func TestNarrowFollows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var last Snapshot
	m := pmap.Map[*Resource]{}
	for step := range 400 {
		name := fmt.Sprint(random.IntN(30))
		switch random.IntN(4) {
		case 0:
			m = m.Delete(name)
		case 1:
			m = m.Set(name, loadOf(t, name, fmt.Sprintf("10.0.0.%d", random.IntN(200)), "2001:db8::1"))
		default:
			m = m.Set(name, loadOf(t, name, fmt.Sprintf("10.0.0.%d", random.IntN(200))))
		}
		next := Snapshot{}.With(Endpoints, m)
		next.After(last)
		if last = next; random.IntN(3) > 0 {
			continue // nobody asks
		}
		if want := (Snapshot{}).With(Endpoints, m).Narrow(); next.Narrow().Digest() != want.Digest() {
			t.Fatalf("step %d: it is another one than of nothing", step)
		}
	}
	m = pmap.Map[*Resource]{}
	for i := range 1000 {
		m = m.Set(fmt.Sprint(i), loadOf(t, fmt.Sprint(i), "10.0.0.1", "2001:db8::1"))
	}
	before := Snapshot{}.With(Endpoints, m)
	before.Narrow()
	var next []Snapshot
	for i := range 3 {
		unasked := before.With(Endpoints, m.Delete("1"))
		unasked.After(before)
		next = append(next, unasked.With(Endpoints, m.Delete(fmt.Sprint(i))))
		next[i].After(unasked)
	}
	if allocated := testing.AllocsPerRun(2, func() { next[0].Narrow(); next = next[1:] }); allocated > 100 {
		t.Errorf("the next version of 1,000 costs %v allocations", allocated)
	}
}
