package pmap

import "iter"

// Change is one difference between two maps. HadOld and HasNew say which sides
// hold the key; at least one does, and if both do the sums differ.
type Change[V Value] struct {
	Key            string
	Old, New       V
	HadOld, HasNew bool
}

// Diff yields what differs between a and b, in order of the keys. Shared
// subtrees are skipped by pointer, equal ones by digest, so its cost follows
// the difference: O(d · log n).
func Diff[V Value](a, b Map[V]) iter.Seq[Change[V]] {
	return func(yield func(Change[V]) bool) { diff(a.root, b.root, yield) }
}

func diff[V Value](a, b *node[V, Sum], yield func(Change[V]) bool) bool {
	switch {
	case a == b:
		return true
	case a == nil:
		return walk(b, "", func(k string, v V) bool { return yield(Change[V]{Key: k, New: v, HasNew: true}) })
	case b == nil:
		return walk(a, "", func(k string, v V) bool { return yield(Change[V]{Key: k, Old: v, HadOld: true}) })
	case a.size == b.size && digest(a) == digest(b):
		return true
	case a.key == b.key:
		return diff(a.left, b.left, yield) && diffValue(a, b, yield) && diff(a.right, b.right, yield)
	case above(a, b):
		return diffAt(a, b, yield)
	default:
		return diffAt(b, a, func(c Change[V]) bool {
			c.Old, c.New, c.HadOld, c.HasNew = c.New, c.Old, c.HasNew, c.HadOld
			return yield(c)
		})
	}
}

// diffAt handles a root that is above the other side's: since the shape
// is canonical, the other side lacks its key.
func diffAt[V Value](a, b *node[V, Sum], yield func(Change[V]) bool) bool {
	below, rest := split(b, a.key)
	return diff(a.left, below, yield) &&
		yield(Change[V]{Key: a.key, Old: a.value, HadOld: true}) &&
		diff(a.right, rest, yield)
}

func diffValue[V Value](a, b *node[V, Sum], yield func(Change[V]) bool) bool {
	if a.value.Sum() == b.value.Sum() {
		return true
	}
	return yield(Change[V]{Key: a.key, Old: a.value, New: b.value, HadOld: true, HasNew: true})
}
