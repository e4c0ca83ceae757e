package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"legation.dev/xds/snapshot"
)

// clusters is a snapshot whose only cluster has the given version.
func clusters(version string) snapshot.Snapshot {
	r := snapshot.FromBytes(snapshot.Cluster, "c", version, nil, snapshot.Meta{})
	var s snapshot.Snapshot
	return s.With(snapshot.Cluster, s.Of(snapshot.Cluster).Set("c", r))
}

func versionOf(t *testing.T, s snapshot.Snapshot) string {
	t.Helper()
	r, ok := s.Get(snapshot.Ref{Type: snapshot.Cluster, Name: "c"})
	if !ok {
		t.Fatal("the snapshot has no cluster")
	}
	return r.Version
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestFirstPublicationMakesReady(t *testing.T) {
	s := New(Config{})
	v, ok := s.Watch("nginx")
	if ok || closed(s.Ready()) {
		t.Fatal("an empty store has a fleet or is ready")
	}
	if _, fresh := s.Publish("other", clusters("1"), "Ingress a/b"); !fresh {
		t.Error("the first version is not new")
	}
	if !closed(s.Ready()) || !closed(v.Changed) {
		t.Error("the first publication wakes nobody")
	}
	if v, ok = s.Watch("nginx"); ok || closed(v.Changed) {
		t.Error("another fleet's publication counts for this one")
	}
}

func TestEqualDigestIsNoVersion(t *testing.T) {
	clock := time.Unix(1700000000, 0)
	s := New(Config{Now: func() time.Time { return clock }})
	first, _ := s.Publish("f", clusters("1"), "first")
	before, _ := s.Watch("f")
	clock = clock.Add(time.Hour)
	spare := snapshot.FromBytes(snapshot.Endpoints, "gone", "7", nil, snapshot.Meta{})
	again, fresh := s.Publish("f", clusters("1").WithReserve(reserve{spare}), "second")
	if fresh || again.Number != first.Number || again.Cause != "first" || !again.Time.Equal(first.Time) {
		t.Errorf("an equal snapshot is version %+v", again)
	}
	if closed(before.Changed) || !closed(before.Refreshed) {
		t.Error("an equal snapshot must fire Refreshed, and only that")
	}
	after, _ := s.Watch("f")
	if after.Snapshot.Spare("gone") != spare {
		t.Error("the spare endpoints of an equal snapshot are lost")
	}
	if !after.Snapshot.Of(snapshot.Cluster).Same(before.Snapshot.Of(snapshot.Cluster)) {
		t.Error("an equal snapshot replaced the maps")
	}
}

func TestHistoryIsBounded(t *testing.T) {
	s := New(Config{History: 3})
	for i := range 5 {
		s.Publish("f", clusters(fmt.Sprint(i)), fmt.Sprint("change ", i))
	}
	h := s.History("f")
	if len(h) != 3 {
		t.Fatalf("history has %d versions, want 3", len(h))
	}
	for i, v := range h {
		want := i + 2
		if v.Number != uint64(want+1) || v.Cause != fmt.Sprint("change ", want) || versionOf(t, v.Snapshot) != fmt.Sprint(want) {
			t.Errorf("history[%d] is version %d, %q", i, v.Number, v.Cause)
		}
	}
	h[0].Cause = "mine" // a copy: the store's own stays
	if s.History("f")[0].Cause == "mine" || s.History("none") != nil {
		t.Error("History is not a copy of the fleet's")
	}
}

// TestNoWakeUpIsLost lets watchers run beside a publisher: each sees ascending
// versions and the last one. A lost wake-up would let the test hang.
func TestNoWakeUpIsLost(t *testing.T) {
	const versions, watchers = 2000, 8
	s := New(Config{History: 4})
	var wg sync.WaitGroup
	for range watchers {
		wg.Go(func() {
			var last uint64
			for last < versions {
				v, ok := s.Watch("f")
				if ok && v.Number < last {
					t.Errorf("version %d after %d", v.Number, last)
				}
				if last = v.Number; last < versions {
					<-v.Changed
				}
			}
		})
	}
	for i := range versions {
		s.Publish("f", clusters(fmt.Sprint(i)), "")
		s.Publish("f", clusters(fmt.Sprint(i)), "again")
	}
	wg.Wait()
	if got := s.Fleets(); len(got) != 1 || got[0] != "f" {
		t.Errorf("fleets are %v", got)
	}
}

// reserve has the same spare endpoints for every cluster.
type reserve struct{ spare *snapshot.Resource }

func (r reserve) Spare(string) *snapshot.Resource { return r.spare }

func (r reserve) StandIn(string) *snapshot.Resource { return nil }

// TestStored: what the source says takes the mark off what was stored, also if that is equal,
// and those who wait for it are woken.
func TestStored(t *testing.T) {
	s := New(Config{})
	at := time.Unix(1_700_000_000, 0)
	s.Publish("f", clusters("1").WithStored(at), "stored")
	s.Publish("g", clusters("1").WithStored(at.Add(time.Hour)), "stored")
	before, _ := s.Watch("f")
	if got := s.Stored(); !got.Equal(at) {
		t.Errorf("stored at %v, want the oldest, %v", got, at)
	}
	v, isNew := s.Publish("f", clusters("1"), "read")
	if isNew || !v.Snapshot.Stored().IsZero() || closed(before.Changed) || !closed(before.Refreshed) {
		t.Errorf("new %t, stored %v, woken %t", isNew, v.Snapshot.Stored(), closed(before.Refreshed))
	}
	if s.Publish("g", clusters("2"), "read"); !s.Stored().IsZero() {
		t.Error("something is still stored")
	}
}

// TestPast: numbers go on from those of an earlier process, and what is as it was then is the
// same version.
func TestPast(t *testing.T) {
	then := time.Unix(1, 0)
	past := func(v string) map[string]Past {
		return map[string]Past{"f": {Version{Number: 7, Time: then, Cause: "then"}, clusters(v).Digest()}}
	}
	s := New(Config{Past: past("1")})
	if v, _ := s.Publish("f", clusters("1"), "now"); v.Number != 7 || v.Cause != "then" || !v.Time.Equal(then) {
		t.Errorf("what is as it was is version %d, %q", v.Number, v.Cause)
	}
	if v, _ := s.Publish("g", clusters("1"), "now"); v.Number != 1 || v.Cause != "now" {
		t.Errorf("of a new fleet: version %d, %q", v.Number, v.Cause)
	}
	s = New(Config{Past: past("1")})
	edit := snapshot.Edit{Manager: "helm"}
	if v, _ := s.Publish("f", clusters("2"), "now", edit); v.Number != 8 || v.Cause != "now" || len(v.Edits) != 1 || v.Edits[0] != edit {
		t.Errorf("what is different is %+v", v)
	}
}
