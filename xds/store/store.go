// Package store keeps what the Envoys of each fleet should run: the current
// snapshot, the versions before it, and the wake-up of those who wait for the
// next one.
//
// It knows no protocol and no Envoy, starts no goroutine and logs nothing. A
// Store may be used from several goroutines; no call waits for a reader.
//
// Start reading at Store.Publish and Store.Watch.
package store

import (
	"slices"
	"sync"
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// DefaultHistory is how many versions of a fleet are kept by default. Versions
// share what did not change, so 64 of them at 10,000 Services cost about as
// much as the 63 changes between them.
const DefaultHistory = 64

// Config of a Store. The zero Config is useful.
type Config struct {
	// History is how many versions of each fleet are kept, the current one
	// included; below 1 it is DefaultHistory.
	History int
	// Past are the last versions that an earlier process has published, by fleet. Numbers
	// go on from them, and a first snapshot with the digest of one is that version.
	Past map[string]Past
	// Now reads the clock; nil means time.Now.
	Now func() time.Time
}

// Past is the last version of a fleet that an earlier process has published, of which there
// is no Snapshot any more.
type Past struct {
	Version
	Digest pmap.Sum
}

// Version is one state of a fleet. It is a value and never changes.
type Version struct {
	// Number counts the versions of this fleet in this process, from 1, or on from
	// Config.Past. It says which of two is newer; replicas compare digests, not numbers.
	Number uint64
	// Time is when the version was published.
	Time time.Time
	// Cause is a short text for people: which objects changed. Edits are those, with who
	// changed them, as far as that is known. Read only.
	Cause    string
	Edits    []snapshot.Edit
	Snapshot snapshot.Snapshot
}

// View is what a watcher finds: the current version and how it hears of the
// next one.
type View struct {
	Version
	// Changed is closed as soon as a newer version than this one is current.
	// For a fleet that does not exist, it is closed when any new fleet appears.
	Changed <-chan struct{}
	// Refreshed is closed when a publication brought no new version, but
	// perhaps other spare endpoints (snapshot.Snapshot.Spare), or the source's own
	// word for what was only stored, and also when
	// Changed is. Only an Envoy that still has clusters which are in no route
	// needs it, or one that waits for that word. It is nil for a fleet that does not exist.
	Refreshed <-chan struct{}
}

// Store holds the versions of all fleets. Make it with New.
type Store struct {
	history int
	past    map[string]Past
	now     func() time.Time
	ready   chan struct{} // closed by Open
	open    sync.Once

	mu       sync.Mutex // guards everything below, and the fields of fleet
	fleets   map[string]*fleet
	appeared chan struct{} // closed and replaced when a fleet appears
}

// fleet is guarded by Store.mu.
type fleet struct {
	ring      []Version // oldest first, the last one is current; never empty
	changed   chan struct{}
	refreshed chan struct{}
}

// New makes an empty Store.
func New(cfg Config) *Store {
	if cfg.History < 1 {
		cfg.History = DefaultHistory
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{history: cfg.History, past: cfg.Past, now: cfg.Now, ready: make(chan struct{}),
		fleets: map[string]*fleet{}, appeared: make(chan struct{})}
}

// Publish makes snap the current snapshot of a fleet (the name of an
// IngressClass, which is node.cluster of its Envoys) and wakes the watchers.
// It never waits: a watcher that misses versions gets one look at the
// current one.
//
// A snapshot whose digest is the current one's is no new version: the current
// one stays, with the spare endpoints and Stored time of snap, and only Refreshed fires. The
// result is the version that is current now, and whether it is new.
func (s *Store) Publish(fleetName string, snap snapshot.Snapshot, cause string, edits ...snapshot.Edit) (Version, bool) {
	digest := snap.Digest() // costs O(changed); outside the lock
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fleets[fleetName]
	if f == nil {
		v := Version{Number: 1, Time: s.now(), Cause: cause, Edits: edits, Snapshot: snap}
		return s.found(fleetName, s.past[fleetName].next(v, digest)), true
	}
	last := &f.ring[len(f.ring)-1]
	if last.Snapshot.Digest() == digest {
		// The maps of last stay, so that for streams nothing is to be compared.
		last.Snapshot = last.Snapshot.WithReserve(snap.Reserve()).WithStored(snap.Stored())
		f.refresh()
		return *last, false
	}
	snap.After(last.Snapshot)
	v := Version{Number: last.Number + 1, Time: s.now(), Cause: cause, Edits: edits, Snapshot: snap}
	f.push(v, s.history)
	return v, true
}

// next is v, the first version of this process, as the one after p, or as p itself.
func (p Past) next(v Version, digest pmap.Sum) Version {
	v.Number = p.Number + 1
	if p.Number > 0 && p.Digest == digest {
		v.Number, v.Time, v.Cause, v.Edits = p.Number, p.Time, p.Cause, p.Edits
	}
	return v
}

// found adds a fleet with its first version. s.mu is held.
func (s *Store) found(name string, v Version) Version {
	s.Open()
	s.fleets[name] = &fleet{ring: []Version{v}, changed: make(chan struct{}), refreshed: make(chan struct{})}
	close(s.appeared)
	s.appeared = make(chan struct{})
	return v
}

func (f *fleet) push(v Version, limit int) {
	f.ring = append(f.ring, v)
	if drop := len(f.ring) - limit; drop > 0 {
		f.ring = slices.Delete(f.ring, 0, drop) // zeroes the tail: what was dropped is free
	}
	close(f.changed)
	f.changed = make(chan struct{})
	f.refresh()
}

func (f *fleet) refresh() {
	close(f.refreshed)
	f.refreshed = make(chan struct{})
}

// Watch is the current version of a fleet, together with the signal of the
// next one; false if the fleet does not exist. Version and signal belong
// together, so no version is lost between two calls.
func (s *Store) Watch(fleetName string) (View, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fleets[fleetName]
	if f == nil {
		return View{Changed: s.appeared}, false
	}
	return View{Version: f.ring[len(f.ring)-1], Changed: f.changed, Refreshed: f.refreshed}, true
}

// History is the kept versions of a fleet, oldest first, the last one current;
// empty if the fleet does not exist.
func (s *Store) History(fleetName string) []Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fleets[fleetName]
	if f == nil {
		return nil
	}
	return slices.Clone(f.ring)
}

// Fleets is the names of all fleets, sorted. A fleet never leaves: one whose
// class disappears is frozen by the translator, not emptied.
func (s *Store) Fleets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.fleets))
	for name := range s.fleets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Stored is since when what is served of a fleet has not been read from the source, the
// oldest of all fleets; zero if all is the source's own.
func (s *Store) Stored() (oldest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.fleets {
		at := f.ring[len(f.ring)-1].Snapshot.Stored()
		if !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest
}

// Open makes the Store ready although there is no fleet, as in a new cluster.
func (s *Store) Open() { s.open.Do(func() { close(s.ready) }) }

// Ready is closed by Open, and by the first publication. Before it nothing may be served.
func (s *Store) Ready() <-chan struct{} { return s.ready }
