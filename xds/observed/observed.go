// Package observed knows what Envoys have told of the traffic to Services: requests,
// errors, connections that failed or that endpoints closed, how old connections grew,
// and how endpoints fare. It also knows which servers close connections first, and when
// (closing.go), and how many connections of clients each Envoy has (clients.go).
//
// Envoys report by themselves, at an interval that their bootstrap says, what they have
// counted since the last report (docs/observed.md says why so). A Book adds that up by
// Service, since it was made and for the last whole window of time. It decides nothing
// about what is served, starts no goroutine, reads no clock and logs nothing.
//
// What is kept is bounded, whatever is reported: Services that the fleet of an Envoy is
// served, so many Envoys, so many pairs of both, and so many listeners of each.
//
// Start reading at Book.Add; otlp.go reads a report, stats.go says what it may contain.
package observed

import (
	"maps"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultWindow is twice the interval at which Envoys report: each of them has
	// reported in each window.
	DefaultWindow = time.Minute
	// DefaultEnvoys is how many Envoys of a fleet are heard in a window. It is as many
	// as xds/fleet remembers.
	DefaultEnvoys = 4096
	// DefaultPairs is how many pairs of a Service and an Envoy a window has, of all
	// fleets: 1,000 Envoys with 200 busy Services each. A pair takes some 120 bytes, and
	// there are two windows.
	DefaultPairs = 200_000
)

// Config of a Book. Known is required.
type Config struct {
	// Known says of a fleet whether it is served a cluster; nil if there is no such fleet.
	// Nothing else is counted, or a client could fill the memory with names.
	Known func(fleet string) func(cluster string) bool
	// Window is the length of a window. Windows begin at multiples of it, so that those of
	// replicas are the same. 0: DefaultWindow.
	Window time.Duration
	// Envoys and Pairs bound a window; below 1: DefaultEnvoys, DefaultPairs.
	Envoys, Pairs int
}

// Report is what one Envoy has counted since its last report, or a part of that.
type Report struct {
	Fleet, Envoy string // node.cluster and node.id
	Points       []Point
	Unknown      uint64 // how many numbers it had beside them
}

// Point is one number of a report.
type Point struct {
	Cluster  string // as in xds/snapshot: <namespace>/<service>/<port>[/<hash>]
	Listener string // of Connections, which have no Cluster
	Stat     Stat
	Value    uint64
	Lengths  Lengths  // of CxLength, CxRequests and RqTime, which have no Value
	Buckets  *Buckets // of CxLength and RqTime: which are these; nil of others
	Seconds  uint32   // of Announced: after how many
}

// ServiceOf is the Service of a cluster: <namespace>/<service>.
func ServiceOf(cluster string) string {
	namespace, rest, _ := strings.Cut(cluster, "/")
	name, _, _ := strings.Cut(rest, "/")
	return cluster[:min(len(cluster), len(namespace)+1+len(name))]
}

// Stats is what a Book has taken in since it was made.
type Stats struct {
	Reports uint64 // requests of Envoys; a report of many numbers comes in several
	Points  uint64 // numbers in them that were taken
	Unknown uint64 // numbers of clusters that the fleet is not served, or of other statistics
	Refused uint64 // reports of Envoys that were too many, or of no fleet of ours
	Cut     uint64 // numbers that count for their Service, and for no Envoy, since there were too many pairs; and those of listeners too many
}

// Book adds up reports. Its methods may be called from any goroutine. Make it with New.
type Book struct {
	cfg Config

	mu    sync.Mutex // guards what follows
	stats Stats
	total map[string]map[string]*total // by fleet and Service, since New
	now   *window
	last  *window // nil before the first was whole
}

// total is what was counted of a Service since New.
type total struct {
	Counts
	Histograms
	cluster string // one of the Service; when it is not served any more, the Service is forgotten
	says    [announcements]announcement
	closes  []closes // what servers closed, by window; at most memory
}

// New makes a Book in which nothing is.
func New(c Config) *Book {
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	if c.Envoys < 1 {
		c.Envoys = DefaultEnvoys
	}
	if c.Pairs < 1 {
		c.Pairs = DefaultPairs
	}
	return &Book{cfg: c, total: map[string]map[string]*total{}}
}

// Add takes in a report that came at now. It is false if nothing was taken: there is no
// such fleet, or too many of its Envoys report.
func (b *Book) Add(r Report, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Reports++
	b.turn(now)
	fleet := b.now.of(r.Fleet, b.cfg.Known)
	if fleet == nil {
		b.stats.Refused++
		return false
	}
	at, ok := fleet.hear(r.Envoy, b.cfg.Envoys)
	if !ok {
		b.stats.Refused++
		return false
	}
	b.stats.Unknown += r.Unknown
	for _, p := range r.Points {
		if p.Stat == Connections {
			b.opened(at, p, now)
		} else {
			b.point(fleet, at.counts, p)
		}
	}
	return true
}

func (b *Book) point(f *fleetWindow, at map[*sum]*Counts, p Point) {
	s := f.clusters[p.Cluster]
	if s == nil {
		if !b.isServed(f, p.Cluster) {
			b.stats.Unknown++
			return
		}
		s = b.meet(f, p.Cluster)
	}
	b.stats.Points++
	if p.zero() {
		return // most of what Envoy reports, and nothing to remember
	}
	if p.Stat == Announced {
		s.total.announce(p, b.now.from, b.since(b.now.from))
		return
	}
	s.total.Counts.add(p)
	s.total.Histograms.add(p)
	if !b.now.count(s, at, p, b.cfg.Pairs) {
		b.stats.Cut++
	}
}

// isServed reports whether a fleet is served a cluster. What it is served is asked for anew
// where a cluster is not known, at most once in a report, since it may just have come.
func (b *Book) isServed(f *fleetWindow, cluster string) bool {
	if f.known(cluster) {
		return true
	}
	if f.asked == b.stats.Reports {
		return false
	}
	f.asked = b.stats.Reports
	if known := b.cfg.Known(f.name); known != nil {
		f.known = known
	}
	return f.known(cluster)
}

// meet finds the Service of a cluster that was not reported yet in this window.
func (b *Book) meet(f *fleetWindow, cluster string) *sum {
	service := ServiceOf(cluster)
	s := f.services[service]
	if s == nil {
		services := b.total[f.name]
		if services == nil {
			services = map[string]*total{}
			b.total[f.name] = services
		}
		t := services[service]
		if t == nil {
			t = &total{cluster: cluster}
			services[service] = t
		}
		s = &sum{Traffic: Traffic{Key: Key{Fleet: f.name, Service: service}}, total: t}
		f.services[service] = s
	}
	f.clusters[cluster] = s
	return s
}

// turn begins a new window if the time of the one before is over.
func (b *Book) turn(now time.Time) {
	from := now.Truncate(b.cfg.Window)
	switch {
	case b.now == nil:
		b.now = newWindow(from)
	case from.After(b.now.from):
		b.learn(b.now)
		b.last = nil
		if from.Equal(b.now.from.Add(b.cfg.Window)) {
			b.last = b.now
		}
		b.now = newWindow(from)
		b.forget()
	}
}

// forget drops the sums of Services that their fleet is not served any more.
func (b *Book) forget() {
	for fleet, services := range b.total {
		known := b.cfg.Known(fleet)
		maps.DeleteFunc(services, func(_ string, t *total) bool { return known == nil || !known(t.cluster) })
		if len(services) == 0 {
			delete(b.total, fleet)
		}
	}
}

// Stats is what was taken in.
func (b *Book) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats
}
