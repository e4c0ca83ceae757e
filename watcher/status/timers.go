package status

import (
	"cmp"
	"container/heap"
	"time"
)

// timerQueue holds keys in an order, each once.
//
// Times are kept as distances from the first one, by the monotonic clock: when the
// wall clock is set back by an hour, what is due in a second is due in a second.
type timerQueue[K comparable] struct {
	at    map[K]*slot[K]
	slots slots[K]
	count int64     // of keys that were added: ties are decided by who came first
	zero  time.Time // the first time that was set, of an timerQueue in order of time
}

type slot[K comparable] struct {
	key   K
	order int64
	tie   int64
	index int
}

func newTimerQueue[K comparable]() *timerQueue[K] { return &timerQueue[K]{at: map[K]*slot[K]{}} }

// set puts a key at its place, or moves it there.
func (a *timerQueue[K]) set(key K, order int64) {
	s, ok := a.at[key]
	switch {
	case !ok:
		a.count++
		s = &slot[K]{key: key, order: order, tie: a.count}
		a.at[key] = s
		heap.Push(&a.slots, s)
	case s.order != order:
		s.order = order
		heap.Fix(&a.slots, s.index)
	}
}

// setTime is set for an timerQueue in order of time.
func (a *timerQueue[K]) setTime(key K, t time.Time) {
	if a.zero.IsZero() {
		a.zero = t
	}
	a.set(key, int64(t.Sub(a.zero)))
}

func (a *timerQueue[K]) drop(key K) {
	if s, ok := a.at[key]; ok {
		heap.Remove(&a.slots, s.index)
		delete(a.at, key)
	}
}

// first is the first key.
func (a *timerQueue[K]) first() (key K, ok bool) {
	if len(a.slots) == 0 {
		return key, false
	}
	return a.slots[0].key, true
}

// when is the time of the first key; zero if there is none.
func (a *timerQueue[K]) when() time.Time {
	if len(a.slots) == 0 {
		return time.Time{}
	}
	return a.zero.Add(time.Duration(a.slots[0].order))
}

// due takes the first key out if its time has come.
func (a *timerQueue[K]) due(now time.Time) (key K, ok bool) {
	if len(a.slots) == 0 || a.slots[0].order > int64(now.Sub(a.zero)) {
		return key, false
	}
	key = a.slots[0].key
	a.drop(key)
	return key, true
}

func (a *timerQueue[K]) len() int { return len(a.slots) }

// earliest is the first of some times; zero ones do not count.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// slots is the heap of an timerQueue.
type slots[K comparable] []*slot[K]

func (s slots[K]) Len() int { return len(s) }

func (s slots[K]) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(s[i].order, s[j].order), cmp.Compare(s[i].tie, s[j].tie)) < 0
}

func (s slots[K]) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

func (s *slots[K]) Push(x any) {
	one := x.(*slot[K])
	one.index = len(*s)
	*s = append(*s, one)
}

func (s *slots[K]) Pop() any {
	old := *s
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return last
}
