// Package delta is the protocol state of one Envoy on one delta ADS stream.
//
// A Conn is passive: it starts no goroutine, reads no clock (time is an
// argument), takes no lock, logs nothing and sends nothing. The server hands it
// requests and targets and asks it what may be sent now. docs/delta.md states
// the rules; comments name the rule they implement. Each rule marked † is shown to be
// needed by a build that leaves it out (rules.go).
//
// Start reading at Conn.Next.
package delta

import (
	"iter"
	"slices"

	"legation.dev/xds/snapshot"
)

// Versions is the initial_resource_versions field of the first request of a type. The
// wire codec implements it on top of the undecoded bytes: the reconnect of an Envoy
// that is up to date then builds no map of its resources.
type Versions interface {
	Len() int
	// All yields name and version, in any order.
	All() iter.Seq2[string, string]
	// Sum adds up all pairs; see VersionSum.
	Sum() VersionSum
}

// Names is the list of resource names that a request subscribes to. An Envoy that
// reconnects names every cluster it has, so the list can be large: like Versions, an
// implementation may leave it undecoded.
type Names interface {
	Len() int
	// All yields the names in the order of the request.
	All() iter.Seq[string]
	// Sum adds up all names.
	Sum() VersionSum
}

// List implements Names with a slice.
type List []string

// Len is the number of names.
func (l List) Len() int { return len(l) }

// All yields each name.
func (l List) All() iter.Seq[string] { return slices.Values(l) }

// Sum adds up all names.
func (l List) Sum() (s VersionSum) {
	for _, name := range l {
		s.AddName([]byte(name))
	}
	return s
}

// VersionSum adds up (name, version) pairs.
type VersionSum = snapshot.VersionSum

// Request is one DeltaDiscoveryRequest, reduced to what the protocol needs.
// Nothing of Subscribe, Initial and Past is kept after Receive.
type Request struct {
	URL         string // type URL, as received
	Nonce       string // response_nonce; "" if the request answers nothing
	Subscribe   Names  // nil if there are none
	Unsubscribe []string
	Initial     Versions // nil if there are none
	// Past has earlier snapshots of the fleet, newest first. If the versions that Envoy
	// reports equal one of them as a whole, they need not be compared one by one.
	Past  []snapshot.Snapshot
	Error *Error // error_detail: the response named by Nonce is rejected
}

func (r *Request) names() Names {
	if r.Subscribe == nil {
		return List(nil)
	}
	return r.Subscribe
}

// Error is the error_detail of a NACK.
type Error struct {
	Code    int32
	Message string
}

// Response is one DeltaDiscoveryResponse: Resources are sent as their Wire
// bytes, which all streams share.
type Response struct {
	Type      snapshot.Type
	Nonce     string
	Resources []*snapshot.Resource
	Removed   []string
}
