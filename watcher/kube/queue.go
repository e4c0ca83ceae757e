package kube

import (
	"slices"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
)

// routesAtOnce bounds what is handed out together besides EndpointSlices, and
// with it how long one translation keeps later changes waiting.
const routesAtOnce = 500

// queue holds what has changed since it was last taken. It guarantees:
//
//  1. A change can be taken as soon as it is put: nothing waits for more to come,
//     and no clock is read. Under a storm, what comes while the taker is busy is
//     taken together.
//  2. Each object is in it once, with its last state. A change that was undone
//     before it was taken, and an object that is as it was taken, is no change.
//  3. Changes of EndpointSlices are never behind others: each take has all of
//     them, and at most routesAtOnce of the rest, in order of coming. The first
//     has everything.
//  4. What was put is taken, or is undone: a taker that gives up loses nothing.
//
// It belongs to the lock of state.
type queue struct {
	sums     map[object.Ref]pmap.Sum // of the objects as they were taken
	pending  map[object.Ref]input.Change
	ends     []object.Ref                     // EndpointSlices of pending, in order of coming; some are pending no more
	others   []object.Ref                     // the rest
	queued   map[object.Ref]bool              // those that ends or others contain
	problems map[object.Ref][]finding.Problem // as they were taken
	unread   map[object.Ref]string            // the same
}

func newQueue() queue {
	return queue{sums: map[object.Ref]pmap.Sum{}, pending: map[object.Ref]input.Change{},
		queued: map[object.Ref]bool{}, problems: map[object.Ref][]finding.Problem{}, unread: map[object.Ref]string{}}
}

// put adds a change, which replaces an earlier one of the same object. It is true if the object
// is not as it was last put.
func (q *queue) put(c input.Change) (isNew bool) {
	before, ok := q.pending[c.Ref]
	if ok && c.Object == nil && !c.Deleted {
		c.Object, c.Deleted = before.Object, before.Deleted // its last good state
	}
	if q.same(c) {
		delete(q.pending, c.Ref)
		return ok
	}
	isNew = !ok || before.Object == nil || c.Object == nil || before.Object.Sum() != c.Object.Sum()
	q.pending[c.Ref] = c
	if q.queued[c.Ref] {
		return isNew
	}
	q.queued[c.Ref] = true
	if c.Ref.Kind == object.KindSlice {
		q.ends = append(q.ends, c.Ref)
	} else {
		q.others = append(q.others, c.Ref)
	}
	return isNew
}

// same reports whether c is what was taken already.
func (q *queue) same(c input.Change) bool {
	if !slices.Equal(c.Problems, q.problems[c.Ref]) || c.Unread != q.unread[c.Ref] {
		return false
	}
	sum, had := q.sums[c.Ref]
	switch {
	case c.Deleted:
		return !had
	case c.Object != nil:
		return had && sum == c.Object.Sum()
	}
	return true
}

// empty reports whether there is nothing to take.
func (q *queue) empty() bool { return len(q.pending) == 0 }

// take removes and returns all changes of EndpointSlices and at most limit
// others; it is never nil.
func (q *queue) take(limit int) []input.Change {
	list := []input.Change{}
	list, q.ends = q.move(list, q.ends, len(q.ends))
	list, q.others = q.move(list, q.others, limit)
	return list
}

// move appends at most limit pending changes of refs to list and returns what is
// left of refs.
func (q *queue) move(list []input.Change, refs []object.Ref, limit int) ([]input.Change, []object.Ref) {
	for i, ref := range refs {
		if limit == 0 {
			return list, refs[i:]
		}
		delete(q.queued, ref)
		c, ok := q.pending[ref]
		if !ok {
			continue
		}
		limit--
		delete(q.pending, ref)
		q.taken(c)
		list = append(list, c)
	}
	return list, nil
}

// taken remembers a change that is handed out.
func (q *queue) taken(c input.Change) {
	switch {
	case c.Deleted:
		delete(q.sums, c.Ref)
	case c.Object != nil:
		q.sums[c.Ref] = c.Object.Sum()
	}
	if delete(q.unread, c.Ref); c.Unread != "" {
		q.unread[c.Ref] = c.Unread
	}
	if len(c.Problems) > 0 {
		q.problems[c.Ref] = c.Problems
	} else {
		delete(q.problems, c.Ref)
	}
}
