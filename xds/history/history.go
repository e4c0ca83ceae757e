// Package history keeps, for people, what led from each version of a fleet to the next: when
// it was, which objects were changed by whom, and which resources became different. It keeps
// no bodies, so a version costs what it changed, and nothing of a Secret is in it.
//
// It knows no file: package state keeps entries for the next process, and gives them back. It
// starts no goroutine. Who publishes only leaves a version (Book.Offer); what was different
// in it is found out by whoever calls Book.Take, or asks.
//
// Start reading at Entry and Book.Offer.
package history

import (
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
)

// Entry is what led to a version, or to several that follow each other and changed nothing
// but endpoints. It is a value, and JSON.
type Entry struct {
	Fleet string `json:"fleet"`
	// First and Number are those of the first and of the last version; mostly they are equal.
	First  uint64 `json:"first"`
	Number uint64 `json:"number"`
	// Began and Time are when these were published.
	Began time.Time `json:"began"`
	Time  time.Time `json:"time"`
	// Cause and Edits are those of the last version, and edits of the others.
	Cause string          `json:"cause"`
	Edits []snapshot.Edit `json:"edits,omitempty"`
	// Digest and Resources are those of the last version.
	Digest    string `json:"digest"`
	Resources int    `json:"resources"`
	// Stored is that of its snapshot.
	Stored time.Time `json:"stored,omitzero"`
	// Unknown: what is different from the version before is not known. It is the first that
	// is known, or more is different than an entry may have.
	Unknown bool    `json:"unknown,omitempty"`
	Changes Changes `json:"changes,omitempty"`
}

const (
	// mostFolded and foldedFor are how many versions of endpoints become one entry at most, and
	// from when on such an entry is closed: what was served at a moment stays to be found.
	mostFolded = 1000
	foldedFor  = 10 * time.Minute
	// mostOfOne is how many bytes the changes of an entry may take: about 20,000 changes.
	mostOfOne = 8 << 20
)

// Concerns reports whether an object has a part in what is different.
func (e Entry) Concerns(of object.Ref) bool {
	return slices.ContainsFunc(e.Changes, func(c impact.Change) bool { return slices.Contains(c.From, of) })
}

// fold is e, and after it next, if both are of endpoints alone and may be one.
func (e Entry) fold(next Entry) (Entry, bool) {
	if !e.endpointsOnly() || !next.endpointsOnly() || next.First != e.Number+1 ||
		next.Number-e.First >= mostFolded || next.Time.Sub(e.Began) > foldedFor || next.Time.Before(e.Began) {
		return e, false
	}
	var both impact.Path
	both.Then(e.Changes)
	both.Then(next.Changes)
	next.First, next.Began, next.Changes = e.First, e.Began, both.Changes()
	next.Edits = editsOf(next.Edits, e.Edits)
	return next, next.size() <= mostOfOne
}

// endpointsOnly reports whether nothing but endpoints is different. What is the same, because
// it was changed back, may be folded, too.
func (e Entry) endpointsOnly() bool {
	return !e.Unknown && e.Stored.IsZero() && !slices.ContainsFunc(e.Changes, func(c impact.Change) bool { return c.Type != snapshot.Endpoints })
}

// editsOf are those of two lists, each object once, at most as many as a version has.
func editsOf(newer, older []snapshot.Edit) []snapshot.Edit {
	list := slices.Clone(newer)
	for _, e := range older {
		if len(list) < snapshot.MostEdits && !slices.ContainsFunc(list, func(o snapshot.Edit) bool { return o.Object == e.Object }) {
			list = append(list, e)
		}
	}
	return list
}

// size is about how many bytes e takes in memory, and at most about how many as JSON.
func (e Entry) size() int {
	n := 400 + len(e.Cause) + 150*len(e.Edits)
	for _, c := range e.Changes {
		n += 150 + len(c.Name) + len(c.Before) + len(c.After) + len(c.Effect)
		for _, o := range c.From {
			n += 60 + len(o.Namespace) + len(o.Name)
		}
	}
	return n
}

// tracks reports whether an outline can be kept up to date by e.
func (e Entry) tracks() bool {
	return !e.Unknown && !slices.ContainsFunc(e.Changes, func(c impact.Change) bool { return c.Type == snapshot.Listener })
}
