package delta

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"legation.dev/xds/snapshot"
)

// sized is a fleet of n clusters, each with its endpoints and a virtual host.
func sized(n int) snapshot.Snapshot {
	var s snapshot.Snapshot
	fill := func(t snapshot.Type, format string, needs func(i int) []string) {
		var m resources
		for i := range n {
			name := fmt.Sprintf(format, i)
			m = m.Set(name, resource(t, name, "1", needs(i)))
		}
		s = s.With(t, m)
	}
	none := func(int) []string { return nil }
	fill(snapshot.Cluster, "c%05d", none)
	fill(snapshot.Endpoints, "c%05d", none)
	fill(snapshot.VirtualHost, "rc/h%05d", func(i int) []string { return []string{fmt.Sprintf("c%05d", i)} })
	one := func(t snapshot.Type, name string) {
		s = s.With(t, resources{}.Set(name, resource(t, name, "1", nil)))
	}
	one(snapshot.RouteConfiguration, "rc")
	one(snapshot.Listener, "http")
	return s
}

// loaded is an Envoy that has all of sized(n).
func loaded(t testing.TB, n int) *script {
	s := newScript()
	s.target = sized(n)
	s.conn.Target(s.target, nil)
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	return s
}

// turn brings one new target to a Conn and acknowledges what comes of it.
func turn(c *Conn, target snapshot.Snapshot, now time.Time) {
	c.Target(target, nil)
	for range 10 {
		out, _ := c.Next(now)
		if len(out) == 0 {
			return
		}
		for _, r := range out {
			c.Receive(Request{URL: r.Type.URL(), Nonce: r.Nonce}, now)
		}
	}
}

// replaced is s with another version of the middle resource of t.
func replaced(s snapshot.Snapshot, t snapshot.Type, n int, version string) snapshot.Snapshot {
	name, needs := fmt.Sprintf("c%05d", n/2), []string(nil)
	if t == snapshot.VirtualHost {
		name, needs = fmt.Sprintf("rc/h%05d", n/2), []string{name}
	}
	return s.With(t, s.Of(t).Set(name, resource(t, name, version, needs)))
}

// cost is what one change sends and allocates.
type cost struct {
	sent   Counters
	allocs float64
}

func measure(t *testing.T, n int, kind snapshot.Type) cost {
	s := loaded(t, n)
	before := s.conn.counters
	targets := [2]snapshot.Snapshot{replaced(s.target, kind, n, "2"), replaced(s.target, kind, n, "3")}
	turn(s.conn, targets[0], s.now)
	out := cost{sent: s.conn.counters}
	for i := range out.sent.Responses {
		out.sent.Responses[i] -= before.Responses[i]
		out.sent.Resources[i] -= before.Resources[i]
		out.sent.Removed[i] -= before.Removed[i]
		out.sent.Bytes[i] -= before.Bytes[i]
	}
	i := 0
	out.allocs = testing.AllocsPerRun(100, func() {
		i++
		turn(s.conn, targets[i%2], s.now)
	})
	return out
}

// TestCostFollowsChange counts what one change costs one Envoy: the same at 100
// clusters and at 10,000.
func TestCostFollowsChange(t *testing.T) {
	for _, kind := range []snapshot.Type{snapshot.Cluster, snapshot.Endpoints, snapshot.VirtualHost} {
		small, large := measure(t, 100, kind), measure(t, 10_000, kind)
		t.Logf("%v: %d resources, %d bytes, %.0f and %.0f allocations", kind,
			large.sent.Resources[kind], large.sent.Bytes[kind], small.allocs, large.allocs)
		if small.sent.Resources[kind] != 1 {
			t.Errorf("%v: %d resources for one change", kind, small.sent.Resources[kind])
		}
		if small.sent != large.sent {
			t.Errorf("%v: a change sends %+v at 100 clusters, %+v at 10,000", kind, small.sent, large.sent)
		}
		// A map that is spliced has log2(10,000/100) = 7 more levels, and its
		// shape is random; everything else is the same.
		if large.allocs > small.allocs+30 {
			t.Errorf("%v: a change allocates %.0f times at 100 clusters, %.0f times at 10,000", kind, small.allocs, large.allocs)
		}
	}
}

// BenchmarkConn is one endpoint change at 10,000 clusters; B/conn is the memory
// of a Conn at rest beside the snapshot that all share.
func BenchmarkConn(b *testing.B) {
	const n, conns = 10_000, 20
	target := sized(n)
	var kept [conns]*script
	var before float64
	for i := range kept {
		kept[i] = newScript()
		kept[i].target = target
		kept[i].conn.Target(target, nil)
		if err := kept[i].load(); err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			before = inUse() // the first one also fills what the snapshot caches
		}
	}
	perConn := (inUse() - before) / (conns - 1)
	targets := [2]snapshot.Snapshot{replaced(target, snapshot.Endpoints, n, "2"), replaced(target, snapshot.Endpoints, n, "3")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		turn(kept[0].conn, targets[i%2], kept[0].now)
	}
	b.ReportMetric(perConn, "B/conn")
	runtime.KeepAlive(kept)
}

func inUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
