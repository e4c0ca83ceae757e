package admin

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// versionsOf publishes versions of n virtual hosts; each changes share of them, in turn.
func versionsOf(t *testing.T, number, n, share int) (*store.Store, []store.Version) {
	t.Helper()
	now := start
	s := store.New(store.Config{Now: func() time.Time { return now }})
	var snap snapshot.Snapshot
	for v := range number {
		hosts := snap.Of(snapshot.VirtualHost)
		for i := range n {
			if v == 0 || i/share == v%(n/share) {
				hosts = hosts.Set(fmt.Sprint(i), virtualHost(fmt.Sprint(i), fmt.Sprint(v)))
			}
		}
		snap = snap.With(snapshot.VirtualHost, hosts)
		now = now.Add(time.Minute)
		s.Publish("edge", snap, "test")
	}
	return s, s.History("edge")
}

// ranBy is what an Envoy runs that took all of a version.
func ranBy(v store.Version) (s delta.Status) {
	for t := range snapshot.Types() {
		s.Types[t].Requested, s.Types[t].Have = true, v.Snapshot.Of(t)
	}
	return s
}

// TestLagsCount: with 100 Envoys that are 60 versions behind, each of which changed a fifth of
// the resources, a question looks once at each resource that one Envoy lacks, and the next
// question at none.
func TestLagsCount(t *testing.T) {
	const hosts, envoys = 500, 100
	kept, versions := versionsOf(t, 64, hosts, hosts/5)
	s := &Service{Fleets: fleet.New(fleet.Config{}), Store: kept}
	ask := func() (steps int) {
		before := s.lags.steps
		for i, e := range s.localEnvoys("").GetEnvoys() {
			if e.GetBehind() != hosts || e.GetLag().AsDuration() < time.Minute {
				t.Fatalf("Envoy %d: %v", i, e)
			}
		}
		return s.lags.steps - before
	}
	for i := range envoys {
		s.Fleets.Join(fleet.Node{ID: fmt.Sprint(i), Fleet: "edge"}, start).Serve(func() delta.Status { return ranBy(versions[3]) })
	}
	if steps, most := ask(), 2*hosts+len(versions)*len(versions); steps < hosts || steps > most {
		t.Errorf("%d steps, want %d to %d", steps, hosts, most)
	}
	if steps := ask(); steps != 0 {
		t.Errorf("%d steps although nothing has changed", steps)
	}
	s.Fleets.Join(fleet.Node{ID: "another", Fleet: "edge"}, start).Serve(func() delta.Status { return ranBy(versions[10]) })
	if steps, most := ask(), 2*hosts+len(versions)*len(versions); steps < hosts || steps > most {
		t.Errorf("%d steps for one more that runs something else", steps)
	}
}

// TestLag: the oldest change is that which a walk through all versions for each resource finds.
func TestLag(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		versions := make([]store.Version, rapid.IntRange(1, 12).Draw(rt, "versions"))
		for i := range versions {
			var snap snapshot.Snapshot
			hosts := snap.Of(snapshot.VirtualHost)
			for n := range 4 {
				if v := rapid.IntRange(0, 3).Draw(rt, "version"); v > 0 {
					hosts = hosts.Set(fmt.Sprint(n), virtualHost(fmt.Sprint(n), fmt.Sprint(v)))
				}
			}
			versions[i] = store.Version{Number: uint64(i + 1), Time: start.Add(time.Duration(i) * time.Minute), Snapshot: snap.With(snapshot.VirtualHost, hosts)}
		}
		e := fleet.Envoy{Status: ranBy(versions[rapid.IntRange(0, len(versions)-1).Draw(rt, "runs")])}
		last := versions[len(versions)-1]
		refs, want := fleet.Behind(last.Snapshot, e.Status), last.Time
		for _, ref := range refs {
			have, _ := e.Status.Types[ref.Type].Have.Get(ref.Name)
			i := len(versions) - 1
			for i > 0 && !same(versions[i-1].Snapshot, ref, have) {
				i--
			}
			if versions[i].Time.Before(want) {
				want = versions[i].Time
			}
		}
		got := (&looks{met: map[lagKey]lag{}}).of(&e, versions)
		if got.behind != len(refs) || got.behind > 0 && !got.since.Equal(want) {
			rt.Fatalf("got %+v, want %d since %v", got, len(refs), want)
		}
	})
}
