package observed

import (
	"cmp"
	"slices"
	"time"
)

// Key says of what a Traffic is.
type Key struct {
	Fleet   string
	Service string // <namespace>/<service>
	Envoy   string // node.id; empty: of all
}

func (k Key) compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Fleet, other.Fleet), cmp.Compare(k.Service, other.Service), cmp.Compare(k.Envoy, other.Envoy))
}

// Traffic is what was counted of a Service, or of a Service at one Envoy.
type Traffic struct {
	Key
	Counts
	Envoys int // how many of them told of it; 0 if that is not known
}

// Window is what was counted in a time. It is a value.
type Window struct {
	From, To time.Time
	Services []Traffic // by fleet and Service
	// Pairs are the same by Envoy, too: as many as there was room for.
	Pairs []Traffic
	// Envoys counts those that have reported, by fleet, whether there was traffic or not.
	Envoys map[string]int
}

// window is a Window that still grows. The Book's mutex guards it.
type window struct {
	from     time.Time
	services map[Key]*Traffic
	pairs    map[Key]*Counts
	envoys   map[string]map[string]struct{} // by fleet
}

func newWindow(from time.Time) *window {
	return &window{from: from, services: map[Key]*Traffic{}, pairs: map[Key]*Counts{}, envoys: map[string]map[string]struct{}{}}
}

// hear notes that an Envoy reports; false if it is one too many of its fleet.
func (w *window) hear(fleet, envoy string, limit int) bool {
	heard := w.envoys[fleet]
	if heard == nil {
		heard = map[string]struct{}{}
		w.envoys[fleet] = heard
	}
	if _, ok := heard[envoy]; !ok && len(heard) >= limit {
		return false
	}
	heard[envoy] = struct{}{}
	return true
}

// add counts a Point that is not zero for its Service, and for the pair with its Envoy;
// false if there are too many pairs for that.
func (w *window) add(k Key, p Point, limit int) bool {
	if p.zero() {
		return true // most of what Envoy reports, and nothing to remember
	}
	of := k
	of.Envoy = ""
	sum := w.services[of]
	if sum == nil {
		sum = &Traffic{Key: of}
		w.services[of] = sum
	}
	sum.add(p)
	counts := w.pairs[k]
	if counts == nil {
		if len(w.pairs) >= limit {
			return false
		}
		counts = &Counts{}
		w.pairs[k] = counts
		sum.Envoys++
	}
	counts.add(p)
	return true
}

// value is the Window as it is now.
func (w *window) value(length time.Duration) Window {
	out := Window{From: w.from, To: w.from.Add(length), Envoys: map[string]int{}}
	for fleet, heard := range w.envoys {
		out.Envoys[fleet] = len(heard)
	}
	for _, t := range w.services {
		out.Services = append(out.Services, *t)
	}
	for k, c := range w.pairs {
		out.Pairs = append(out.Pairs, Traffic{Key: k, Counts: *c, Envoys: 1})
	}
	for _, list := range [][]Traffic{out.Services, out.Pairs} {
		slices.SortFunc(list, func(a, b Traffic) int { return a.compare(b.Key) })
	}
	return out
}

// Last is the last window that is over by now; false if none is: nothing was reported
// for so long, or for the first time.
func (b *Book) Last(now time.Time) (Window, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now == nil {
		return Window{}, false
	}
	b.turn(now)
	if b.last == nil {
		return Window{}, false
	}
	return b.last.value(b.cfg.Window), true
}

// Total is what was counted since New, by fleet and Service.
func (b *Book) Total() (list []Traffic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for fleet, services := range b.total {
		for service, t := range services {
			sum := Traffic{Key: Key{Fleet: fleet, Service: service}, Counts: t.Counts}
			sum.Ejections = 0 // which holds for a moment
			list = append(list, sum)
		}
	}
	slices.SortFunc(list, func(a, b Traffic) int { return a.compare(b.Key) })
	return list
}
