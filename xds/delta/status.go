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
	// Flight are the responses without an answer, oldest first.
	Flight []Response
	// Rejected has each resource of the target whose wanted version Envoy rejected, on
	// this stream or an earlier one, when it was the only one in its response; sorted by
	// name. Envoy runs another version of it, or none. An entry is gone as soon as another
	// version is wanted, or Envoy takes this one after all (a listener or HTTP configuration is tried again).
	Rejected []Rejection
	// Took is how long Envoy took for its last answer.
	Took time.Duration
	// Since is when the oldest response without an answer was sent; zero if there
	// is none. More than 15 s ago means that a resource in it does not finish warming.
	Since time.Time
}

// Held is how many names this Conn stores that it shares with no other stream: resources
// that Envoy has asked for or reported, and does not run in the wanted version. The
// server limits them for each client address.
func (c *Conn) Held() (names int) {
	for t := range c.types {
		st := &c.types[t]
		names += max(len(st.subs), len(st.mustSend)) + len(st.unknown) + len(st.maybe)
	}
	return names
}

// Lingers reports whether Envoy may have clusters that are not in the target. The
// endpoints of these change without a new target.
func (c *Conn) Lingers() bool {
	return !c.types[snapshot.Cluster].have.Same(c.want(snapshot.Cluster))
}

// Status is what is known of this Envoy now. It costs O(in flight + rejected).
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

// rejectedBefore replaces Envoy's error text if the version was rejected on an
// earlier stream: of these, the version is remembered, but not the text.
const rejectedBefore = "rejected on an earlier stream of this Envoy; the log has its words"

// rejection is how Envoy rejected the wanted version of ref; false if it did not.
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
	r.Lacks, _ = c.types[ref.Type].absent(ref.Name)
	return r, true
}
