package pmap

// Folded is a persistent ordered map that knows, without looking at them, what any of its
// parts comes to: S is that of the entries of a part. It shares its nodes as a Map does,
// and has a fold of each subtree in the place of a digest. The zero Folded is empty.
type Folded[V Folding[S], S Fold[S]] struct{ root *node[V, S] }

// Folding is a value that says what it alone comes to.
type Folding[S any] interface{ Fold() S }

// Fold is what the entries of a part come to; the zero value is that of no entries.
type Fold[S any] interface {
	// Then is this part with the one that comes next in order of the keys. It must be
	// associative.
	Then(next S) S
}

// Len is the number of entries. O(1).
func (m Folded[V, S]) Len() int { return m.root.len() }

// Get returns the value at key. O(log n).
func (m Folded[V, S]) Get(key string) (V, bool) { return get(m.root, key) }

// Set is m with value at key. O(log n).
func (m Folded[V, S]) Set(key string, value V) Folded[V, S] {
	return Folded[V, S]{set(m.root, leaf[V, S](key, value))}
}

// Delete is m without key; m itself if key is absent. O(log n).
func (m Folded[V, S]) Delete(key string) Folded[V, S] {
	if _, ok := m.Get(key); !ok {
		return m
	}
	return Folded[V, S]{remove(m.root, key)}
}

// Fold is what all entries come to. O(number of nodes that are new since the last call).
func (m Folded[V, S]) Fold() S { return fold(m.root) }

func fold[V Folding[S], S Fold[S]](n *node[V, S]) (s S) {
	if n == nil {
		return s
	}
	if s := n.sum.Load(); s != nil {
		return *s
	}
	s = fold(n.left).Then(n.value.Fold()).Then(fold(n.right))
	n.sum.Store(&s) // several goroutines may store the same value
	return s
}

// Find returns the first entry that pass does not let pass. It asks about parts, in order:
// what passes is not looked at, and of the rest its own parts are asked about, at last each
// entry. So pass may add up what it lets pass, and may refuse a part of which each entry
// passes, which costs time alone.
func (m Folded[V, S]) Find(pass func(S) bool) (key string, value V, ok bool) {
	n := find(m.root, pass)
	if n == nil {
		return key, value, false
	}
	return n.key, n.value, true
}

func find[V Folding[S], S Fold[S]](n *node[V, S], pass func(S) bool) *node[V, S] {
	if n == nil || pass(fold(n)) {
		return nil
	}
	if first := find(n.left, pass); first != nil {
		return first
	}
	if !pass(n.value.Fold()) {
		return n
	}
	return find(n.right, pass)
}
