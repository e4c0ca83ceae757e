package delta

import (
	"cmp"
	"slices"
	"time"

	"legation.dev/xds/snapshot"
)

// Counters of a Conn since Accept.
type Counters struct {
	Stale        uint64 // requests whose nonce is of no response in flight
	UnknownTypes uint64 // requests of a type that is not served here
	Forced       uint64 // listeners sent after 15 s although a redirect may need a chain they drop
	Responses    [snapshot.NumTypes]uint64
	Resources    [snapshot.NumTypes]uint64 // sent
	Removed      [snapshot.NumTypes]uint64 // removals sent
	Bytes        [snapshot.NumTypes]uint64 // of resources sent
}

func (n *Counters) count(f *flight) {
	n.Responses[f.Type]++
	n.Resources[f.Type] += uint64(len(f.Resources))
	n.Removed[f.Type] += uint64(len(f.Removed))
	for _, r := range f.Resources {
		n.Bytes[f.Type] += uint64(len(r.Wire()))
	}
}

// Status is what is known of an Envoy, for people. It is a value that shares
// nothing with the Conn that changes.
type Status struct {
	Types    [snapshot.NumTypes]TypeStatus
	Counters Counters
}

// TypeStatus is the part of one type.
type TypeStatus struct {
	// Requested reports whether Envoy asked for this type on its stream.
	Requested bool
	// Have is what Envoy certainly runs. An entry without Wire bytes has a
	// version that is not known here.
	Have resources
	// Flight is what waits for an answer, oldest first.
	Flight []Response
	// Rejected is what is wanted and was rejected alone, by name, for as long as
	// it is wanted: Envoy runs something else, or nothing, in its place.
	Rejected []Rejection
	// Took is how long Envoy took for its last answer.
	Took time.Duration
	// Since is when the oldest response without answer was sent; zero if there
	// is none. Older than 15 s means that something there does not warm.
	Since time.Time
}

// Held is how many names are kept for this Envoy alone: of what it has asked for or
// reported, and does not run as it is wanted.
func (c *Conn) Held() (names int) {
	for t := range c.types {
		st := &c.types[t]
		names += max(len(st.subs), len(st.mustSend)) + len(st.unknown) + len(st.maybe)
	}
	return names
}

// Lingers reports whether Envoy may have clusters that are not in the target: their
// endpoints change without a new target.
func (c *Conn) Lingers() bool {
	return !c.types[snapshot.Cluster].have.Same(c.want(snapshot.Cluster))
}

// Status costs O(in flight + rejected).
func (c *Conn) Status() Status {
	s := Status{Counters: c.counters}
	for t := range snapshot.Types() {
		st := &c.types[t]
		out := TypeStatus{Requested: st.first, Have: st.have, Took: st.took}
		for _, f := range st.flight {
			out.Flight = append(out.Flight, f.Response)
		}
		if len(st.flight) > 0 {
			out.Since = st.flight[0].at
		}
		s.Types[t] = out
	}
	for ref := range c.rejected {
		if r, ok := c.rejection(ref); ok {
			s.Types[ref.Type].Rejected = append(s.Types[ref.Type].Rejected, r)
		}
	}
	for t := range snapshot.Types() {
		slices.SortFunc(s.Types[t].Rejected, func(a, b Rejection) int { return cmp.Compare(a.Name, b.Name) })
	}
	return s
}

// rejectedBefore is the message of a version that this Envoy rejected on an
// earlier stream, of which the version is remembered and not the words.
const rejectedBefore = "rejected on an earlier stream of this Envoy; the log has its words"

// rejection is that of the wanted version of ref, if Envoy rejected it.
func (c *Conn) rejection(ref snapshot.Ref) (Rejection, bool) {
	if len(c.rejected) == 0 {
		return Rejection{}, false
	}
	want, ok := c.want(ref.Type).Get(ref.Name)
	if !ok || !c.isRejected(ref.Type, ref.Name, want.Version) {
		return Rejection{}, false
	}
	r := c.types[ref.Type].errors[ref.Name]
	if r.Version != want.Version {
		r = Rejection{Name: ref.Name, Version: want.Version, Message: rejectedBefore, From: want.From}
	}
	return r, true
}

// NotLive is which of the wanted clusters this Envoy cannot be routed to yet, at
// most limit of them.
func (c *Conn) NotLive(limit int) (names []string) {
	for n := range c.want(snapshot.Cluster).All() {
		if len(names) == limit {
			break
		}
		if !c.live(n) {
			names = append(names, n)
		}
	}
	return names
}
