// Package pmap is a persistent ordered map from strings to values.
//
// A Map is a value: Set and Delete leave their receiver unchanged and share all
// but O(log n) nodes with it. Its shape is a treap whose priority is a hash of
// the key, so it depends on the contents only and never on the order of
// insertion. That gives two things for nothing: equal contents have equal
// digests (the Merkle root), and Diff skips whatever two maps share.
//
// One map type carries the inputs, the translation and the snapshots, so
// history, roll-back, comparison of replicas and "what does this Envoy lack"
// are all Diff on kept values.
//
// The package starts no goroutine and logs nothing. A Map may be read from
// several goroutines.
package pmap

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"strings"
	"sync/atomic"
)

// Sum is a digest of 128 bits: the first half of a SHA-256. Two values with
// equal sums are taken to be equal.
type Sum [16]byte

func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// ParseSum reads what String printed; false, and the zero Sum, if it is no such text.
func ParseSum(text string) (s Sum, ok bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return s, false
	}
	return Sum(b), true
}

// SumOf digests parts. Each part is preceded by its length, so that moving a
// byte from one part to its neighbour changes the sum.
func SumOf(parts ...string) Sum {
	var short [128]byte // enough for most, which then need no allocation
	all := short[:0]
	for _, p := range parts {
		all = binary.LittleEndian.AppendUint64(all, uint64(len(p)))
		all = append(all, p...)
	}
	sum := sha256.Sum256(all)
	return Sum(sum[:len(Sum{})])
}

// Value is what a Map holds. Sum identifies its contents; it is called often
// and should be a stored field.
type Value interface{ Sum() Sum }

// Unit is the value of a Map that is used as a set or an index.
type Unit struct{}

// Sum of a Unit is zero: only the key counts.
func (Unit) Sum() Sum { return Sum{} }

// Map is a persistent ordered map. The zero Map is empty and ready for use.
type Map[V Value] struct{ root *node[V, Sum] }

// node is of a treap. S is what is kept of a subtree: its digest, or what it comes to.
type node[V, S any] struct {
	key         string
	prio        uint64 // hash of key: the treap's order is decided by it
	value       V
	left, right *node[V, S]
	size        int
	sum         atomic.Pointer[S] // of this subtree, once asked for
}

// priority is FNV-1a with a finishing mix (the constants of MurmurHash3's
// fmix64), because FNV alone leaves the high bits of short keys poorly mixed.
func priority(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// above reports whether a belongs above b: higher priority, ties by key.
func above[V, S any](a, b *node[V, S]) bool {
	return a.prio > b.prio || a.prio == b.prio && a.key < b.key
}

func (n *node[V, S]) len() int {
	if n == nil {
		return 0
	}
	return n.size
}

// with is a copy of n with other children.
func (n *node[V, S]) with(left, right *node[V, S]) *node[V, S] {
	if n.left == left && n.right == right {
		return n
	}
	return &node[V, S]{key: n.key, prio: n.prio, value: n.value, left: left, right: right,
		size: left.len() + 1 + right.len()}
}

// digest is the Merkle root of a subtree.
func digest[V Value](n *node[V, Sum]) Sum {
	if n == nil {
		return Sum{}
	}
	if s := n.sum.Load(); s != nil {
		return *s
	}
	l, r, v := digest(n.left), digest(n.right), n.value.Sum()
	s := SumOf(n.key, string(v[:]), string(l[:]), string(r[:]))
	n.sum.Store(&s) // several goroutines may store the same value
	return s
}

// Len is the number of entries. O(1).
func (m Map[V]) Len() int { return m.root.len() }

// Digest is the Merkle root: equal for equal contents, whatever led there.
// O(number of nodes that are new since the last call).
func (m Map[V]) Digest() Sum { return digest(m.root) }

// Same reports whether m and o are the very same value (one pointer). Maps that
// are equal but were built apart are not the same: compare their Digest.
func (m Map[V]) Same(o Map[V]) bool { return m.root == o.root }

// Identity is comparable and equal exactly for maps that are Same. It keeps the
// map's nodes alive.
func (m Map[V]) Identity() any { return m.root }

// Get returns the value at key. O(log n).
func (m Map[V]) Get(key string) (V, bool) { return get(m.root, key) }

func get[V, S any](n *node[V, S], key string) (V, bool) {
	for n != nil {
		switch {
		case key == n.key:
			return n.value, true
		case key < n.key:
			n = n.left
		default:
			n = n.right
		}
	}
	var none V
	return none, false
}

// Has reports whether key is present.
func (m Map[V]) Has(key string) bool {
	_, ok := m.Get(key)
	return ok
}

// Set is m with value at key. Setting an equal value returns m itself, so that
// a change that changes nothing costs nothing downstream.
func (m Map[V]) Set(key string, value V) Map[V] {
	if old, ok := m.Get(key); ok && old.Sum() == value.Sum() {
		return m
	}
	return m.Replace(key, value)
}

// Replace is Set without the comparison: the new value takes the place of an
// equal one, for values that carry something their Sum leaves out.
func (m Map[V]) Replace(key string, value V) Map[V] {
	return Map[V]{set(m.root, leaf[V, Sum](key, value))}
}

func leaf[V, S any](key string, value V) *node[V, S] {
	return &node[V, S]{key: key, prio: priority(key), value: value, size: 1}
}

func set[V, S any](t, n *node[V, S]) *node[V, S] {
	switch {
	case t == nil:
		return n
	case n.key == t.key:
		return &node[V, S]{key: n.key, prio: n.prio, value: n.value, left: t.left, right: t.right, size: t.size}
	case above(n, t):
		l, r := split(t, n.key)
		return &node[V, S]{key: n.key, prio: n.prio, value: n.value, left: l, right: r, size: l.len() + 1 + r.len()}
	case n.key < t.key:
		return t.with(set(t.left, n), t.right)
	default:
		return t.with(t.left, set(t.right, n))
	}
}

// Delete is m without key; m itself if key is absent.
func (m Map[V]) Delete(key string) Map[V] {
	if !m.Has(key) {
		return m
	}
	return Map[V]{remove(m.root, key)}
}

func remove[V, S any](t *node[V, S], key string) *node[V, S] {
	switch {
	case key == t.key:
		return merge(t.left, t.right)
	case key < t.key:
		return t.with(remove(t.left, key), t.right)
	default:
		return t.with(t.left, remove(t.right, key))
	}
}

// split divides t into the keys below key and those at or above it.
func split[V, S any](t *node[V, S], key string) (below, rest *node[V, S]) {
	if t == nil {
		return nil, nil
	}
	if t.key < key {
		below, rest = split(t.right, key)
		return t.with(t.left, below), rest
	}
	below, rest = split(t.left, key)
	return below, t.with(rest, t.right)
}

// merge joins two treaps; every key of l is below every key of r.
func merge[V, S any](l, r *node[V, S]) *node[V, S] {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case above(l, r):
		return l.with(l.left, merge(l.right, r))
	default:
		return r.with(merge(l, r.left), r.right)
	}
}

// All iterates in order of the keys.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) { walk(m.root, "", yield) }
}

// From iterates over the keys at or above key, in order.
func (m Map[V]) From(key string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) { walk(m.root, key, yield) }
}

// Prefix iterates over the keys that begin with prefix, in order. With keys
// such as "namespace/name/" + rest, it is an index look-up.
func (m Map[V]) Prefix(prefix string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		walk(m.root, prefix, func(k string, v V) bool {
			return strings.HasPrefix(k, prefix) && yield(k, v)
		})
	}
}

// Keys are those that begin with prefix, in order: what Prefix yields, for few of them at the
// cost of one allocation.
func (m Map[V]) Keys(prefix string) []string { return keys(nil, m.root, prefix) }

func keys[V, S any](list []string, t *node[V, S], prefix string) []string {
	for t != nil && !strings.HasPrefix(t.key, prefix) {
		if t.key < prefix {
			t = t.right
		} else {
			t = t.left
		}
	}
	if t == nil {
		return list
	}
	return keys(append(keys(list, t.left, prefix), t.key), t.right, prefix)
}

func walk[V, S any](t *node[V, S], from string, yield func(string, V) bool) bool {
	if t == nil {
		return true
	}
	if t.key >= from {
		if !walk(t.left, from, yield) || !yield(t.key, t.value) {
			return false
		}
	}
	return walk(t.right, from, yield)
}
