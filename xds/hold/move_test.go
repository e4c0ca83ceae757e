package hold

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/held"
	"legation.dev/xds/snapshot"
)

// world is a base for moves: which clusters each virtual host names, and how
// many endpoints each cluster has.
type world struct {
	hosts     map[string]string // name → clusters, one letter each; then "!" if it redirects to its chain
	endpoints map[string]int    // cluster → how many
}

// base is the closed snapshot of w: clusters that are named, and no others.
func (w world) base() snapshot.Snapshot {
	var s snapshot.Snapshot
	put := func(t snapshot.Type, name, version string, meta snapshot.Meta) {
		s = s.With(t, s.Of(t).Set(name, snapshot.FromBytes(t, name, version, []byte(version), meta)))
	}
	var listener snapshot.Meta
	for _, host := range slices.Sorted(maps.Keys(w.hosts)) {
		clusters := w.hosts[host]
		var meta snapshot.Meta
		for _, c := range strings.Split(clusters, "") {
			if c == "!" {
				meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Chain, Name: host})
				listener.Chains = append(listener.Chains, host)
				continue
			}
			cluster, endpoints := snapshot.Ref{Type: snapshot.Cluster, Name: c}, snapshot.Ref{Type: snapshot.Endpoints, Name: c}
			meta.Needs = append(meta.Needs, cluster)
			pulls := []snapshot.Ref{endpoints}
			if c == "a" || c == "c" && w.endpoints[c] == 1 { // which shows its endpoints a certificate, or does at times
				pulls = append(pulls, snapshot.Ref{Type: snapshot.Secret, Name: c + "/tls"})
				put(snapshot.Secret, c+"/tls", c, snapshot.Meta{})
			}
			put(snapshot.Cluster, c, fmt.Sprint(c, len(pulls)), snapshot.Meta{Pulls: pulls})
			put(snapshot.Endpoints, c, fmt.Sprint(c, w.endpoints[c]), snapshot.Meta{Empty: w.endpoints[c] == 0})
		}
		put(snapshot.VirtualHost, host, clusters, meta)
	}
	put(snapshot.Listener, "https", fmt.Sprint(listener.Chains), listener)
	return s.WithReserve(reserve{func(c string) *snapshot.Resource {
		n, ok := w.endpoints[c]
		if !ok {
			return nil
		}
		return snapshot.FromBytes(snapshot.Endpoints, c, fmt.Sprint(c, n), nil, snapshot.Meta{Empty: n == 0})
	}, nothing})
}

// runs prints virtual hosts with what they name, and the endpoints there are.
func runs(h Held) string {
	var parts []string
	for name, r := range h.Snapshot.Of(snapshot.VirtualHost).All() {
		parts = append(parts, name+"="+r.Version)
	}
	for _, r := range h.Snapshot.Of(snapshot.Endpoints).All() {
		parts = append(parts, r.Version)
	}
	return strings.Join(parts, " ")
}

// TestMove plays moves of paths between clusters a, b, c, at seconds after the
// start.
func TestMove(t *testing.T) {
	type step struct {
		at        int
		host      string // clusters that x names; empty: there is no x
		endpoints map[string]int
		want      string
		wake      int // 0: never
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"to a cluster with endpoints at once", []step{
			{0, "a", map[string]int{"a": 1, "b": 1}, "x=a a1", 0}, {1, "b", map[string]int{"a": 1, "b": 1}, "x=b b1", 0}}},
		{"waits for endpoints, with the old ones live", []step{
			{0, "a", map[string]int{"a": 1}, "x=a a1", 0}, {1, "b", map[string]int{"a": 1}, "x=a a1 b0", 6},
			{2, "b", map[string]int{"a": 2}, "x=a a2 b0", 6}, {4, "b", map[string]int{"a": 2, "b": 1}, "x=b b1", 0}}},
		{"the old Service is deleted meanwhile", []step{
			{0, "a", map[string]int{"a": 1}, "x=a a1", 0}, {1, "b", map[string]int{}, "x=a a1 b0", 6},
			{3, "b", map[string]int{"b": 1}, "x=b b1", 0}}},
		{"ends without endpoints", []step{
			{0, "a", map[string]int{"a": 1}, "x=a a1", 0}, {1, "b", map[string]int{"a": 1}, "x=a a1 b0", 6},
			{5, "b", map[string]int{"a": 1}, "x=a a1 b0", 6}, {6, "b", map[string]int{"a": 1}, "x=b b0", 0},
			{20, "b", map[string]int{"a": 1}, "x=b b0", 0}}},
		{"each cluster has a time of its own", []step{
			{0, "a", map[string]int{"a": 1}, "x=a a1", 0}, {1, "ab", map[string]int{"a": 1}, "x=a a1 b0", 6},
			{4, "abc", map[string]int{"a": 1}, "x=a a1 b0 c0", 6}, {6, "abc", map[string]int{"a": 1}, "x=a a1 b0 c0", 9},
			{8, "abc", map[string]int{"a": 1, "c": 1}, "x=abc a1 b0 c1", 0}}},
		{"a new host waits for nothing", []step{
			{0, "", nil, "", 0}, {1, "b", nil, "x=b b0", 0}}},
		{"taken back", []step{
			{0, "a", map[string]int{"a": 1}, "x=a a1", 0}, {1, "b", map[string]int{"a": 1}, "x=a a1 b0", 6},
			{2, "a", map[string]int{"a": 1}, "x=a a1", 0}, {3, "b", map[string]int{"a": 1}, "x=a a1 b0", 8}}},
		{"the host goes", []step{
			{0, "a", map[string]int{"a": 1}, "x=a a1", 0}, {1, "b", map[string]int{"a": 1}, "x=a a1 b0", 6}, {2, "", nil, "", 0}}},
		{"a redirect does not outlive its chain", []step{
			{0, "a!", map[string]int{"a": 1}, "x=a! a1", 0}, {1, "b!", map[string]int{"a": 1}, "x=a! a1 b0", 6},
			{2, "b", map[string]int{"a": 1}, "x=b b0", 0}}},
		{"a cluster that loses its endpoints holds nothing", []step{
			{0, "a", map[string]int{"a": 1}, "x=a a1", 0}, {1, "a", map[string]int{"a": 0}, "x=a a0", 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h Held
			for _, s := range c.steps {
				w := world{hosts: map[string]string{}, endpoints: s.endpoints}
				if s.host != "" {
					w.hosts["x"] = s.host
				}
				var wake time.Time
				h, wake = Next(h, w.base(), h.Certificates, held.Clock{Now: start.Add(time.Duration(s.at) * time.Second)})
				due := 0
				if !wake.IsZero() {
					due = int(wake.Sub(start).Seconds())
				}
				if got := runs(h); got != s.want || due != s.wake {
					t.Errorf("at %d s: runs %q, wakes at %d; want %q, %d", s.at, got, due, s.want, s.wake)
				}
			}
		})
	}
}

// TestMoves: in random histories the snapshot is closed, no virtual host that
// stood names a cluster without endpoints before its time, and at rest all is as
// the translator made it.
func TestMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			h      Held
			now    = start
			fresh  time.Time
			wake   time.Time
			w      = world{hosts: map[string]string{}, endpoints: map[string]int{}}
			wanted = map[string]time.Time{} // host + cluster: since when the base says so without endpoints
		)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 2, 5, 6}).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 3).Draw(t, "trouble") == 0 {
				fresh = now
			}
			if rapid.Bool().Draw(t, "changes endpoints") {
				w.endpoints[rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "cluster")] = rapid.IntRange(0, 2).Draw(t, "n")
			} else {
				w.hosts[rapid.SampledFrom([]string{"x", "y"}).Draw(t, "host")] = rapid.SampledFrom([]string{"a", "b", "ab", "cd", "abd", "a!", "b!", "cd!"}).Draw(t, "clusters")
			}
			before := h
			h, wake = Next(h, w.base(), h.Certificates, held.Clock{Now: now, Fresh: fresh})
			expectClosed(t, h)
			for host, clusters := range w.hosts {
				for _, c := range []string{"a", "b", "c", "d"} {
					key := host + c
					if !strings.Contains(clusters, c) || w.endpoints[c] > 0 {
						delete(wanted, key)
					} else if _, ok := wanted[key]; !ok {
						wanted[key] = now
					}
				}
				expectPatience(t, before, h, host, wanted, now, fresh)
			}
		}
		for range 4 { // of two hosts with two new clusters each, nothing waits longer
			if wake.IsZero() {
				break
			}
			now = wake
			h, wake = Next(h, w.base(), h.Certificates, held.Clock{Now: now, Fresh: fresh})
		}
		if !wake.IsZero() || h.Snapshot.Digest() != w.base().Digest() {
			t.Fatalf("at rest it runs %q and wakes at %v, the base is %q", runs(h), wake, runs(Held{Snapshot: w.base()}))
		}
	})
}

func expectClosed(t *rapid.T, h Held) {
	for name, r := range h.Snapshot.Of(snapshot.VirtualHost).All() {
		for _, need := range r.Needs {
			if need.Type == snapshot.Chain {
				if !chain(h.Snapshot, need.Name) {
					t.Fatalf("virtual host %s redirects to a chain that is not there", name)
				}
				continue
			}
			cluster, ok := h.Snapshot.Get(need)
			if !ok {
				t.Fatalf("virtual host %s needs %s, which is not there", name, need)
			}
			for _, ref := range cluster.Pulls {
				if _, ok := h.Snapshot.Get(ref); !ok {
					t.Fatalf("cluster %s pulls %s, which is not there", need.Name, ref)
				}
			}
		}
	}
}

// chain reports whether a listener has the chain of a host.
func chain(s snapshot.Snapshot, host string) bool {
	l, ok := s.Get(snapshot.Ref{Type: snapshot.Listener, Name: "https"})
	return ok && l.HasChain(host)
}

// expectPatience: what host names now and did not before has endpoints, or has
// been wanted for MoveGrace of inputs that are up to date, or redirected to a chain that is gone.
func expectPatience(t *rapid.T, before, after Held, host string, wanted map[string]time.Time, now, fresh time.Time) {
	ref := snapshot.Ref{Type: snapshot.VirtualHost, Name: host}
	was, ok := before.Snapshot.Get(ref)
	if !ok || slices.Contains(was.Needs, snapshot.Ref{Type: snapshot.Chain, Name: host}) && !chain(after.Snapshot, host) {
		return
	}
	is, _ := after.Snapshot.Get(ref)
	for _, need := range is.Needs {
		since, waits := wanted[host+need.Name]
		if !slices.Contains(was.Needs, need) && waits && (now.Sub(since) < MoveGrace || now.Sub(fresh) < MoveGrace) {
			t.Fatalf("%s names %s after %s, and %s of fresh inputs, of %s", host, need.Name, now.Sub(since), now.Sub(fresh), MoveGrace)
		}
	}
}
