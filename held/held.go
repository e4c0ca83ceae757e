// Package held has what all holds have in common: things that are served as they last were,
// although the objects say otherwise by now.
//
// Where equal objects can be decided alike, nothing is held. What is held depends on the past
// of a process, so replicas tell it to each other, a folder keeps it for the next process, and
// `legation holds` lists it: each as an Entry, of one of six kinds. All that is told or kept is
// in input.View. What lasts for seconds is neither: endpoints are in xds/hold, and changes that wait
// in the Loop.
//
// The package is pure.
package held

import (
	"cmp"
	"time"
)

// Kind is one of the six kinds of holds.
type Kind string

// The kinds.
const (
	Certificate Kind = "certificate" // a Secret is missing, or cannot be used
	Endpoints   Kind = "endpoints"   // a Service is missing, its slices are late, or a path is to move to it without any
	Class       Kind = "class"       // a class or its settings are gone, wrong, or wait to be approved, or its fleet is paused
	Name        Kind = "name"        // a host whose last Ingress is gone stays with its namespace
	Deletion    Kind = "deletion"    // hosts that are removed
	Changes     Kind = "changes"     // a namespace makes more changes than it may
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Certificate, Endpoints, Class, Name, Deletion, Changes} }

// Entry is one hold, as it is shown.
type Entry struct {
	Kind   Kind
	Fleet  string
	Object string // that is missing, late, wrong or gone
	Reason string
	// Digest tells what is served from anything else, on each replica: the version of a
	// resource, or the digest of objects. Of settings it also covers what waits.
	Digest string
	Since  time.Time
	// Until is when it ends by itself; zero if it waits for what is missing, or for
	// somebody to say so.
	Until time.Time
	Hosts []string // of a deletion, each with its objects
	// Approvable says that it ends when somebody approves it, by its Digest.
	Approvable bool
	Closes     Closes // what an approval of settings does to connections of clients
}

// Compare orders by kind, fleet and object.
func (e Entry) Compare(o Entry) int {
	return cmp.Or(cmp.Compare(e.Kind, o.Kind), cmp.Compare(e.Fleet, o.Fleet), cmp.Compare(e.Object, o.Object))
}

// Clock is all of the time that holds see.
type Clock struct {
	Now time.Time
	// Fresh is since when all objects have been up to date: zero if they always were, Now while
	// they are not. So nothing is given up only because it could not be read, and after an
	// outage what is really missing has its whole time again.
	Fresh time.Time
}

// End is when a hold is over that began at a moment and lasts for some time.
func (c Clock) End(since time.Time, lasts time.Duration) time.Time {
	return Later(since, c.Fresh).Add(lasts)
}

// Over reports whether it is.
func (c Clock) Over(since time.Time, lasts time.Duration) bool {
	return !c.End(since, lasts).After(c.Now)
}

// Later is the later of two moments.
func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
