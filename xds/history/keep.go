package history

import (
	"iter"
	"maps"
	"slices"

	"legation.dev/pmap"
	"legation.dev/xds/impact"
	"legation.dev/xds/store"
)

// Keeper keeps entries beside a Book, for longer than that, and for the next process.
type Keeper interface {
	// Older yields what is kept of a fleet with a number below before, oldest first.
	Older(fleet string, before uint64) iter.Seq[Entry]
}

// Line is what a Keeper keeps: an entry, or the state that a fleet has after the entries
// before it, of which Entry is the last, without its changes. A State without Outline says
// that it is not known.
type Line struct {
	Entry
	State   bool    `json:"state,omitempty"`
	Outline Outline `json:"outline,omitempty"`
}

// Keep has the keeper asked for what is not in memory any more. It begins with what an
// earlier process has left, of which lines are the last, oldest first. It is called before Offer.
func (b *Book) Keep(keeper Keeper, lines iter.Seq[Line]) {
	b.work.Lock()
	defer b.work.Unlock()
	b.keeper = keeper
	for l := range lines {
		f := b.fleet(l.Fleet)
		if l.First != f.number+1 && !l.State { // something is missing
			f.outline = nil
		}
		f.past, f.number = pastOf(l.Entry), l.Number
		switch {
		case l.State:
			f.outline = impact.Outline(l.Outline)
			continue
		case f.outline != nil && (!l.tracks() || !f.outline.With(l.Changes)):
			f.outline = nil
		}
		b.push(f, l.Entry)
	}
	b.forget()
}

// Lost says that something is missing after the lines of Keep: what the next version changes
// is then not known.
func (b *Book) Lost() {
	b.work.Lock()
	defer b.work.Unlock()
	for _, f := range b.fleets {
		f.outline = nil
	}
}

func pastOf(e Entry) store.Past {
	p := store.Past{Version: store.Version{Number: e.Number, Time: e.Time, Cause: e.Cause, Edits: e.Edits}}
	p.Digest, _ = pmap.ParseSum(e.Digest) // that of nothing, if it is none
	return p
}

// Past are the last versions that an earlier process has published, by fleet.
func (b *Book) Past() map[string]store.Past {
	b.work.Lock()
	defer b.work.Unlock()
	past := map[string]store.Past{}
	for name, f := range b.fleets {
		past[name] = f.past
	}
	return past
}

// note keeps an entry for Take. b.work is held.
func (b *Book) note(e Entry) {
	for i := len(b.new) - 1; i >= 0; i-- {
		if b.new[i].Fleet != e.Fleet {
			continue
		}
		if both, ok := b.new[i].fold(e); ok {
			b.new[i] = both
			return
		}
		break
	}
	b.new = append(b.new, e)
}

// Take returns the entries of what was offered since the last Take, and after them the
// states of those fleets of which the entries do not say enough to know it; with all, of all
// fleets. Other is how many bytes the keeper takes: entries get the rest of Config.Memory.
func (b *Book) Take(all bool, other int) (lines []Line) {
	b.settled()
	defer b.work.Unlock()
	b.other = other
	lost := map[string]bool{}
	for _, e := range b.new {
		lines = append(lines, Line{Entry: e})
		lost[e.Fleet] = lost[e.Fleet] || !e.tracks()
	}
	b.new = nil
	for _, name := range slices.Sorted(maps.Keys(b.fleets)) {
		if f := b.fleets[name]; f.number > 0 && (all || lost[name]) {
			lines = append(lines, f.line(name))
		}
	}
	return lines
}

// Any reports whether anything was offered since the last Take. It finds out nothing.
func (b *Book) Any() bool {
	b.mu.Lock()
	any := len(b.offered) > 0
	b.mu.Unlock()
	if any {
		return true
	}
	b.work.Lock()
	defer b.work.Unlock()
	return len(b.new) > 0
}

// line is the state of a fleet. Of one that this process has not published yet, the outline
// may not be known: then it is empty, and the next version changes what nobody knows.
func (f *fleet) line(name string) Line {
	past := f.past
	if n := len(f.entries); n > 0 && f.entries[n-1].Number == f.number {
		past = pastOf(f.entries[n-1])
	}
	l := Line{State: true, Entry: Entry{Fleet: name, First: past.Number, Number: past.Number, Began: past.Time, Time: past.Time,
		Cause: past.Cause, Edits: past.Edits, Digest: past.Digest.String()}}
	switch {
	case f.has:
		l.Resources, l.Outline = f.last.Len(), Outline(impact.OutlineOf(f.last))
	case f.outline != nil:
		l.Outline = Outline(f.outline)
	}
	return l
}
