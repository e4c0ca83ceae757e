package observed

import (
	"cmp"
	"slices"
	"time"
)

// maxListeners bounds those of an Envoy that are kept. It has http and https, and of its bootstrap
// those for probes, metrics and its admin interface.
const maxListeners = 8

// Open is how many connections of clients a listener of an Envoy has, as it said last.
type Open struct {
	Fleet, Envoy string // node.cluster and node.id
	Listener     string
	Connections  uint64
	At           time.Time // when it said so
}

func (o Open) compare(other Open) int {
	return cmp.Or(cmp.Compare(o.Fleet, other.Fleet), cmp.Compare(o.Envoy, other.Envoy), cmp.Compare(o.Listener, other.Listener))
}

type open struct {
	connections uint64
	at          time.Time
}

// opened takes in how many connections a listener has, whoever it is of: those of the bootstrap
// tell that an Envoy says so of all that it has.
func (b *Book) opened(at *envoyWindow, p Point, now time.Time) {
	if _, known := at.open[p.Listener]; !known && len(at.open) >= maxListeners {
		b.stats.Cut++
		return
	}
	b.stats.Points++
	at.open[p.Listener] = open{p.Value, now}
}

// Open is what Envoys have said last of their listeners, in this window or the one before, by
// fleet, Envoy and listener: of an Envoy that says nothing it is forgotten within two windows.
// fleet is empty for all. A listener that never had a connection is left out.
func (b *Book) Open(now time.Time, fleet string) []Open { return Newest(b.allOpen(now, fleet)) }

// allOpen is what both windows have.
func (b *Book) allOpen(now time.Time, fleet string) (list []Open) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now == nil {
		return nil
	}
	b.turn(now)
	for _, w := range []*window{b.now, b.last} {
		if w != nil {
			list = w.opened(list, fleet)
		}
	}
	return list
}

// Newest is what was said last of each listener, whoever heard it, in order. It uses the list.
func Newest(list []Open) []Open {
	slices.SortFunc(list, func(a, b Open) int { return cmp.Or(a.compare(b), b.At.Compare(a.At)) })
	return slices.CompactFunc(list, func(a, b Open) bool { return a.compare(b) == 0 })
}

// opened appends what a window has.
func (w *window) opened(list []Open, fleet string) []Open {
	for name, f := range w.fleets {
		if fleet != "" && fleet != name {
			continue
		}
		for envoy, at := range f.envoys {
			for listener, o := range at.open {
				list = append(list, Open{name, envoy, listener, o.connections, o.at})
			}
		}
	}
	return list
}
