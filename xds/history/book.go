package history

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

const (
	// DefaultAge is a week: who looks on Monday for what happened on Friday finds it.
	DefaultAge = 7 * 24 * time.Hour
	// DefaultMemory is how many bytes entries take at most by default.
	DefaultMemory = 16 << 20
	// mostOffered is how many versions wait for Take at most. Of more, those in between
	// become one entry.
	mostOffered = 256
	// every is how often Run looks.
	every = time.Second
)

// Config of a Book. The zero Config is useful.
type Config struct {
	// Age is how long an entry is kept; 0 means DefaultAge.
	Age time.Duration
	// Memory is how many bytes entries may take, about; 0 means DefaultMemory.
	Memory int
	// Now reads the clock; nil means time.Now.
	Now func() time.Time
}

// Book is the history of all fleets. Make it with New. Its methods may be called from several
// goroutines.
type Book struct {
	config Config

	mu      sync.Mutex // guards offered, and is held for moments only
	offered []offer

	work   sync.Mutex // guards what follows; held while it is found out what is different
	fleets map[string]*fleet
	bytes  int     // of all entries
	keeper Keeper  // of Keep; nil: nobody calls Take
	new    []Entry // since Take, if there is a keeper
	other  int     // bytes that the keeper takes
}

type offer struct {
	fleet   string
	version store.Version
}

// fleet is the part of a Book that is about one fleet.
type fleet struct {
	entries []Entry // oldest first
	number  uint64  // of the version that is the last known; 0: none is
	// last is that version's snapshot. Before the first of this process there is none, but
	// outline may be that of the last that an earlier process has published.
	last    snapshot.Snapshot
	has     bool
	outline impact.Outline
	past    store.Past // the last of an earlier process
}

// New makes an empty Book.
func New(c Config) *Book {
	if c.Age <= 0 {
		c.Age = DefaultAge
	}
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Book{config: c, fleets: map[string]*fleet{}}
}

// Age is how long an entry is kept.
func (b *Book) Age() time.Duration { return b.config.Age }

// Offer leaves a new version. It does not wait, and finds out nothing itself: the goroutine
// that publishes is the one that calls it.
func (b *Book) Offer(fleet string, v store.Version) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.offered) == mostOffered {
		for i := len(b.offered) - 1; i >= 0; i-- {
			if b.offered[i].fleet == fleet {
				b.offered[i].version = v
				return
			}
		}
	}
	b.offered = append(b.offered, offer{fleet, v})
}

// Run makes entries of what is offered until ctx ends, for a Book of which nothing is stored.
func (b *Book) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.Settle()
		}
	}
}

// Settle makes entries of what was offered.
func (b *Book) Settle() {
	b.settled()
	b.work.Unlock()
}

// settled makes entries of all that was offered. b.work is locked after it.
func (b *Book) settled() {
	b.work.Lock()
	b.mu.Lock()
	list := b.offered
	b.offered = nil
	b.mu.Unlock()
	for _, o := range list {
		b.add(o.fleet, o.version)
	}
	b.forget()
}

// add makes the entry of a version. b.work is held.
func (b *Book) add(name string, v store.Version) {
	f := b.fleet(name)
	if f.number == v.Number { // the last of an earlier process, and it is as it was
		f.last, f.has, f.outline = v.Snapshot, true, nil
		return
	}
	e := Entry{Fleet: name, First: v.Number, Number: v.Number, Began: v.Time.UTC(), Time: v.Time.UTC(), Cause: v.Cause, Edits: v.Edits,
		Digest: v.Snapshot.Digest().String(), Resources: v.Snapshot.Len(), Stored: v.Snapshot.Stored().UTC()}
	if v.Snapshot.Stored().IsZero() {
		e.Stored = time.Time{}
	}
	if f.number > 0 && v.Number > f.number {
		e.First = f.number + 1
	}
	e.Changes, e.Unknown = f.different(v.Snapshot)
	if e.size() > mostOfOne {
		e.Changes, e.Unknown = nil, true
	}
	f.last, f.has, f.outline, f.number = v.Snapshot, true, nil, v.Number
	b.push(f, e)
	if b.keeper != nil {
		b.note(e)
	}
}

// different is what is different in s from the last version; unknown if there is none.
func (f *fleet) different(s snapshot.Snapshot) (changes []impact.Change, unknown bool) {
	switch {
	case f.has:
		return slices.Collect(impact.Of(f.last, s)), false
	case f.outline != nil:
		return f.outline.Since(s), false
	}
	return nil, true
}

// push adds an entry, or folds it into the last one.
func (b *Book) push(f *fleet, e Entry) {
	if n := len(f.entries); n > 0 {
		if both, ok := f.entries[n-1].fold(e); ok {
			b.bytes += both.size() - f.entries[n-1].size()
			f.entries[n-1] = both
			return
		}
	}
	b.bytes += e.size()
	f.entries = append(f.entries, e)
}

// forget drops what is too old, and the oldest while there is too much. The last entry of a
// fleet stays.
func (b *Book) forget() {
	early := b.config.Now().Add(-b.config.Age)
	for {
		var oldest *fleet
		for _, name := range slices.Sorted(maps.Keys(b.fleets)) {
			f := b.fleets[name]
			if len(f.entries) > 1 && (oldest == nil || f.entries[0].Time.Before(oldest.entries[0].Time)) {
				oldest = f
			}
		}
		if oldest == nil || b.bytes+b.other <= b.config.Memory && !oldest.entries[0].Time.Before(early) {
			return
		}
		b.bytes -= oldest.entries[0].size()
		oldest.entries = slices.Delete(oldest.entries, 0, 1)
	}
}

func (b *Book) fleet(name string) *fleet {
	f := b.fleets[name]
	if f == nil {
		f = &fleet{}
		b.fleets[name] = f
	}
	return f
}

// Entries yields the entries of a fleet, oldest first. Enough reports whether those that are in
// memory suffice, given the oldest of them; else what is stored comes before them.
func (b *Book) Entries(name string, enough func(first Entry) bool) iter.Seq[Entry] {
	b.settled()
	var list []Entry
	if f := b.fleets[name]; f != nil {
		list = slices.Clone(f.entries)
	}
	keeper := b.keeper
	b.work.Unlock()
	return folded(func(yield func(Entry) bool) {
		if keeper != nil && len(list) > 0 && list[0].First > 1 && !enough(list[0]) {
			early := b.config.Now().Add(-b.config.Age)
			for e := range keeper.Older(name, list[0].First) {
				if !e.Time.Before(early) && !yield(e) {
					return
				}
			}
		}
		for _, e := range list {
			if !yield(e) {
				return
			}
		}
	})
}

// folded yields entries, with those of endpoints alone as one where that may be.
func folded(all iter.Seq[Entry]) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		var last Entry
		for e := range all {
			if last.Number > 0 {
				both, ok := last.fold(e)
				if ok {
					last = both
					continue
				}
				if !yield(last) {
					return
				}
			}
			last = e
		}
		if last.Number > 0 {
			yield(last)
		}
	}
}

// Diff is what leads from one version of a fleet to a later one, by type and name, with the
// entries of both; that of the first has nothing but its number if it is not kept itself.
// The error says why it is not known.
func (b *Book) Diff(name string, from, to uint64) (before, after Entry, changes []impact.Change, err error) {
	var path impact.Path
	at := from // what path leads to
	before.Number = from
	for e := range b.Entries(name, func(first Entry) bool { return first.Number <= from }) {
		switch {
		case e.Number <= from:
			if before = e; e.Number < from {
				before = Entry{Number: from}
			}
			continue
		case e.First <= at:
			return before, e, nil, inside(at, e)
		case e.First > at+1:
			return before, e, nil, fmt.Errorf("versions %d to %d are not kept", at+1, e.First-1)
		case to < e.Number:
			return before, e, nil, inside(to, e)
		case e.Unknown:
			return before, e, nil, fmt.Errorf("it is not known what became different with version %d", e.Number)
		}
		path.Then(e.Changes)
		if at = e.Number; at == to {
			return before, e, path.Changes(), nil
		}
	}
	return before, after, nil, fmt.Errorf("version %d is not kept", to)
}

// inside is the error of a version that has no entry of its own.
func inside(n uint64, e Entry) error {
	return fmt.Errorf("version %d is not kept by itself: versions %d to %d changed endpoints alone, and are one", n, e.First, e.Number)
}
