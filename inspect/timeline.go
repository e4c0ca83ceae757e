package inspect

import (
	"sync"

	"legation.dev/pmap"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// MostCounted is how many changes of a version are counted for a timeline.
const MostCounted = 1000

// Step is what led to a version from the one before it.
type Step struct {
	store.Version
	Added, Changed, Removed int  // resources
	More                    bool // there are more than MostCounted
	// Drains are the filter chains or listeners whose connections were drained.
	Drains int
	First  bool // there is none before it
}

// Timeline tells what became of each version. It keeps what it has counted, since versions
// do not change. Its methods may be called from any goroutine.
type Timeline struct {
	Store *store.Store

	mu    sync.Mutex
	known map[string]map[uint64]Step // guarded by mu, by fleet and number
}

// Of are the versions of a fleet that are kept, newest first, at most limit.
func (t *Timeline) Of(fleet string, limit int) (list []Step) {
	versions := t.Store.History(fleet)
	t.mu.Lock()
	defer t.mu.Unlock()
	known := map[uint64]Step{} // what is kept no longer goes
	for i := len(versions) - 1; i >= 0; i-- {
		v := versions[i]
		step, ok := t.known[fleet][v.Number]
		if !ok || step.First != (i == 0) {
			step = Step{Version: v, First: i == 0}
			if i > 0 {
				step.count(versions[i-1].Snapshot, v.Snapshot)
			}
		}
		known[v.Number] = step
		if list = append(list, step); len(list) == limit {
			break
		}
	}
	if t.known == nil {
		t.known = map[string]map[uint64]Step{}
	}
	t.known[fleet] = known
	return list
}

// count counts what is different.
func (s *Step) count(before, after snapshot.Snapshot) {
	n := 0
	for _, c := range snapshot.Diff(before, after) {
		if n++; n > MostCounted {
			s.More = true
			break
		}
		s.add(c)
	}
	// Of listeners there are a few, and only they drain.
	for c := range impact.Of(only(before, snapshot.Listener), only(after, snapshot.Listener)) {
		if c.Drains {
			s.Drains++
		}
	}
}

func (s *Step) add(c pmap.Change[*snapshot.Resource]) {
	switch {
	case !c.HadOld:
		s.Added++
	case !c.HasNew:
		s.Removed++
	default:
		s.Changed++
	}
}

// only has the resources of one type.
func only(s snapshot.Snapshot, t snapshot.Type) snapshot.Snapshot {
	return snapshot.Snapshot{}.With(t, s.Of(t))
}

// Changes are what leads from one snapshot to another, those that drain connections first:
// at most limit, after those that are skipped; more says that there are others.
func Changes(before, after snapshot.Snapshot, skip, limit int) (list []*adminv1.Change, more bool) {
	take := func(c impact.Change) bool {
		if skip > 0 {
			skip--
			return true
		}
		if len(list) == limit {
			more = true
			return false
		}
		list = append(list, admin.ChangeOf(c))
		return true
	}
	for c := range impact.Of(only(before, snapshot.Listener), only(after, snapshot.Listener)) {
		if !take(c) {
			return list, more
		}
	}
	none := pmap.Map[*snapshot.Resource]{}
	for c := range impact.Of(before.With(snapshot.Listener, none), after.With(snapshot.Listener, none)) {
		if !take(c) {
			break
		}
	}
	return list, more
}
