package delta

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"legation.dev/xds/snapshot"
)

// BenchmarkPush is what a change of one endpoint costs at each of 1,000 Envoys
// that have 10,000 Services: a new target, the response, its ACK.
func BenchmarkPush(b *testing.B) {
	target := site(10_000)
	now := time.Unix(1700000000, 0)
	conns, first := make([]*Conn, 1000), reports(target)
	for i := range conns {
		conns[i] = Accept(nil)
		conns[i].Target(target, nil)
		for _, r := range first {
			conns[i].Receive(r, now)
		}
		conns[i].Next(now)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(conns) == 0 {
			target = withEndpoint(target, i/len(conns))
		}
		c := conns[i%len(conns)]
		c.Target(target, nil)
		out, _ := c.Next(now)
		if len(out) != 1 || len(out[0].Resources) != 1 {
			b.Fatalf("%d responses, want 1", len(out))
		}
		c.Receive(Request{URL: out[0].Type.URL(), Nonce: out[0].Nonce}, now)
		c.Next(now)
	}
}

// site is a snapshot of n Services, each with a host.
func site(n int) (s snapshot.Snapshot) {
	for i := range n {
		name := fmt.Sprintf("shop/service-%d/http", i)
		s = put(s, snapshot.Endpoints, name, "1", snapshot.Meta{})
		s = put(s, snapshot.Cluster, name, "1", snapshot.Meta{Pulls: []snapshot.Ref{{Type: snapshot.Endpoints, Name: name}}})
		s = put(s, snapshot.VirtualHost, fmt.Sprintf("ingress/host-%d.example.com", i), "1",
			snapshot.Meta{Needs: []snapshot.Ref{{Type: snapshot.Cluster, Name: name}}})
	}
	s = put(s, snapshot.RouteConfiguration, "ingress", "1", snapshot.Meta{})
	return put(s, snapshot.Listener, "http", "1", snapshot.Meta{Pulls: []snapshot.Ref{{Type: snapshot.RouteConfiguration, Name: "ingress"}}})
}

func put(s snapshot.Snapshot, t snapshot.Type, name, version string, meta snapshot.Meta) snapshot.Snapshot {
	r := snapshot.FromBytes(t, name, version, []byte("the message"), meta)
	return s.With(t, s.Of(t).Set(name, r))
}

// withEndpoint is s with other endpoints of one Service.
func withEndpoint(s snapshot.Snapshot, change int) snapshot.Snapshot {
	name := fmt.Sprintf("shop/service-%d/http", change*37%s.Of(snapshot.Endpoints).Len())
	return put(s, snapshot.Endpoints, name, fmt.Sprint("changed ", change), snapshot.Meta{})
}

// reports are the first requests of an Envoy that has all of s.
func reports(s snapshot.Snapshot) (requests []Request) {
	for t := range snapshot.Types() {
		var names List
		for name := range s.Of(t).All() {
			names = append(names, name)
		}
		r := Request{URL: t.URL(), Initial: reported{s, t}}
		if !t.Wildcard() {
			r.Subscribe = summed{names, names.Sum()}
		}
		requests = append(requests, r)
	}
	return requests
}

// reported and summed know their sums, as what comes over the wire does.
type reported struct {
	s snapshot.Snapshot
	t snapshot.Type
}

func (r reported) Len() int        { return r.s.Of(r.t).Len() }
func (r reported) Sum() VersionSum { return r.s.VersionSum(r.t) }
func (r reported) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, x := range r.s.Of(r.t).All() {
			if !yield(name, x.Version) {
				return
			}
		}
	}
}

type summed struct {
	List
	sum VersionSum
}

func (s summed) Sum() VersionSum { return s.sum }
