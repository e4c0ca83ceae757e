package delta

// table is a map that gives its memory back when it becomes empty: after the
// first load of 10,000 clusters a Conn at rest holds nothing. The zero table is
// empty and ready for use.
type table[V any] map[string]V

func (t *table[V]) put(key string, value V) {
	if *t == nil {
		*t = table[V]{}
	}
	(*t)[key] = value
}

func (t *table[V]) drop(key string) {
	if delete(*t, key); len(*t) == 0 {
		*t = nil
	}
}
