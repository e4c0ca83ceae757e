package fleet

import "container/list"

// memory is a map that forgets what was set longest ago. Not safe for
// concurrent use.
type memory[K comparable, V any] struct {
	limit int
	order *list.List // of entry[K, V], the newest in front
	at    map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newMemory[K comparable, V any](limit int) *memory[K, V] {
	return &memory[K, V]{limit: limit, order: list.New(), at: map[K]*list.Element{}}
}

func (m *memory[K, V]) get(key K) V {
	if e, ok := m.at[key]; ok {
		return e.Value.(entry[K, V]).value
	}
	var none V
	return none
}

func (m *memory[K, V]) set(key K, value V) {
	if e, ok := m.at[key]; ok {
		m.order.Remove(e)
	}
	m.at[key] = m.order.PushFront(entry[K, V]{key, value})
	if m.order.Len() > m.limit {
		oldest := m.order.Remove(m.order.Back()).(entry[K, V])
		delete(m.at, oldest.key)
	}
}
