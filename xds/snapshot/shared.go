package snapshot

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"legation.dev/pmap"
)

// shared is what is computed of a snapshot when it is first asked for, once for
// all streams.
type shared struct {
	versions, names [NumTypes]struct {
		once sync.Once
		sum  VersionSum
	}
	steps  [NumTypes]atomic.Pointer[step]
	narrow struct {
		once sync.Once
		made atomic.Pointer[forms] // nil until somebody asks
		from atomic.Pointer[forms] // of an earlier version: what is the same is not looked at again
	}
}

// step is the difference to one other map. Of a type there is one at a time:
// nearly all streams stand where the last version was.
type step struct {
	from    pmap.Map[*Resource]
	changes []pmap.Change[*Resource]
}

// maxStep is the largest difference that is kept: others are rare, and what is
// done with them costs more than finding them.
const maxStep = 64

// Changes yields what differs between from and the map of type t, as pmap.Diff
// does.
func (s Snapshot) Changes(t Type, from pmap.Map[*Resource]) iter.Seq[pmap.Change[*Resource]] {
	if s.shared == nil {
		return pmap.Diff(from, s.types[t])
	}
	kept := &s.shared.steps[t]
	if step := kept.Load(); step != nil && step.from.Same(from) {
		return slices.Values(step.changes)
	}
	return func(yield func(pmap.Change[*Resource]) bool) {
		next := step{from: from}
		for change := range pmap.Diff(from, s.types[t]) {
			if len(next.changes) <= maxStep {
				next.changes = append(next.changes, change)
			}
			if !yield(change) {
				return
			}
		}
		if len(next.changes) <= maxStep && !from.Same(s.types[t]) {
			kept.Store(&next)
		}
	}
}
