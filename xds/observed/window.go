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
	Envoys     int // how many of them told of it; 0 if that is not known
	Histograms     // of a Service at one Envoy they are not kept
}

// Window is what was counted in a time. It is a value.
type Window struct {
	From, To time.Time
	Services []Traffic // by fleet and Service
	// Pairs are the same by Envoy, if that was asked for: as many as there was room for.
	Pairs []Traffic
	// Envoys counts those that have reported, by fleet, whether there was traffic or not.
	Envoys map[string]int
}

// window is a Window that still grows. The Book's mutex guards it.
type window struct {
	from   time.Time
	fleets map[string]*fleetWindow
	pairs  int // of all fleets
}

// fleetWindow is what Envoys of a fleet reported in a window.
type fleetWindow struct {
	name     string
	known    func(cluster string) bool // as of the report with this number, counted from New
	asked    uint64
	clusters map[string]*sum // of those that were reported and are served, their Service
	services map[string]*sum
	envoys   map[string]*envoyWindow
}

// envoyWindow is what one of them reported.
type envoyWindow struct {
	counts map[*sum]*Counts // what is not zero
	open   map[string]open  // by listener
}

// sum is a Service in a window, with what was counted of it since New.
type sum struct {
	Traffic
	total *total
}

func newWindow(from time.Time) *window { return &window{from: from, fleets: map[string]*fleetWindow{}} }

// of is the part of a fleet; nil if there is no such fleet.
func (w *window) of(fleet string, known func(string) func(string) bool) *fleetWindow {
	f := w.fleets[fleet]
	if f == nil {
		k := known(fleet)
		if k == nil {
			return nil
		}
		f = &fleetWindow{name: fleet, known: k, clusters: map[string]*sum{}, services: map[string]*sum{}, envoys: map[string]*envoyWindow{}}
		w.fleets[fleet] = f
	}
	return f
}

// hear notes that an Envoy reports, and returns what it has reported; false if it is one too
// many.
func (f *fleetWindow) hear(envoy string, limit int) (*envoyWindow, bool) {
	at, ok := f.envoys[envoy]
	if !ok {
		if len(f.envoys) >= limit {
			return nil, false
		}
		at = &envoyWindow{counts: map[*sum]*Counts{}, open: map[string]open{}}
		f.envoys[envoy] = at
	}
	return at, true
}

// count adds a Point that is not zero to what was counted of its Service, and of that at an
// Envoy; false if there are too many pairs for the latter.
func (w *window) count(s *sum, at map[*sum]*Counts, p Point, limit int) bool {
	s.Counts.add(p)
	s.Histograms.add(p)
	counts := at[s]
	if counts == nil {
		if w.pairs >= limit {
			return false
		}
		w.pairs++
		s.Envoys++
		counts = &Counts{}
		at[s] = counts
	}
	counts.add(p)
	return true
}

// Asked says of what the numbers are asked for; what is empty leaves nothing out.
type Asked struct {
	Fleet, Service string // Service: <namespace>/<service>
	ByEnvoy        bool   // Pairs in place of Services
}

func (a Asked) takes(fleet, service string) bool {
	return (a.Fleet == "" || a.Fleet == fleet) && (a.Service == "" || a.Service == service)
}

// value is the Window as it is now.
func (w *window) value(length time.Duration, a Asked) Window {
	out := Window{From: w.from, To: w.from.Add(length), Envoys: map[string]int{}}
	for name, f := range w.fleets {
		out.Envoys[name] = len(f.envoys)
		if a.ByEnvoy {
			out.Pairs = append(out.Pairs, f.pairs(a)...)
			continue
		}
		for _, s := range f.services {
			if a.takes(name, s.Service) && (s.Counts != (Counts{}) || s.Histograms != (Histograms{})) {
				out.Services = append(out.Services, s.Traffic)
			}
		}
	}
	for _, list := range [][]Traffic{out.Services, out.Pairs} {
		slices.SortFunc(list, func(a, b Traffic) int { return a.compare(b.Key) })
	}
	return out
}

// pairs are those of a fleet.
func (f *fleetWindow) pairs(a Asked) (list []Traffic) {
	for envoy, at := range f.envoys {
		for s, c := range at.counts {
			if a.takes(f.name, s.Service) {
				list = append(list, Traffic{Key: Key{f.name, s.Service, envoy}, Counts: *c, Envoys: 1})
			}
		}
	}
	return list
}

// Last is the last window that is over by now; false if none is: nothing was reported
// for so long, or for the first time.
func (b *Book) Last(now time.Time, a Asked) (Window, bool) {
	last, ok := b.over(now)
	if !ok {
		return Window{}, false
	}
	return last.value(b.cfg.Window, a), true
}

// over is the last window that is over: nothing changes it any more.
func (b *Book) over(now time.Time) (*window, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now != nil {
		b.turn(now)
	}
	return b.last, b.last != nil
}

// Heard is how many Envoys have reported in the last window that is over by now.
func (b *Book) Heard(now time.Time) (envoys int) {
	last, ok := b.over(now)
	if !ok {
		return 0
	}
	for _, f := range last.fleets {
		envoys += len(f.envoys)
	}
	return envoys
}

// Total is what was counted since New, by fleet and Service, whether by Envoy or not.
func (b *Book) Total(a Asked) (list []Traffic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for fleet, services := range b.total {
		for service, t := range services {
			if !a.takes(fleet, service) {
				continue
			}
			sum := Traffic{Key: Key{Fleet: fleet, Service: service}, Counts: t.Counts, Histograms: t.Histograms}
			sum.Ejections = 0 // which holds for a moment
			list = append(list, sum)
		}
	}
	slices.SortFunc(list, func(a, b Traffic) int { return a.compare(b.Key) })
	return list
}
