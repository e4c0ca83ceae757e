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

// Versions are the initial_resource_versions of a first request. The wire
// codec implements it over the undecoded request, so that a reconnect of an
// Envoy that has everything builds no map.
type Versions interface {
	Len() int
	// All yields name and version, in any order.
	All() iter.Seq2[string, string]
	// Sum adds up all pairs; see VersionSum.
	Sum() VersionSum
}

// Names are what a request subscribes to. Like Versions, they may be undecoded:
// an Envoy that reconnects names every cluster it has.
type Names interface {
	Len() int
	// All yields the names in the order of the request.
	All() iter.Seq[string]
	// Sum adds up all names.
	Sum() VersionSum
}

// List is a slice as Names.
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
// Receive keeps no reference to Subscribe and Initial, so the caller may reuse the
// buffer that they read from. From Past it may keep maps of resources, which are
// immutable.
type Request struct {
	URL         string // type URL, as received
	Nonce       string // response_nonce; "" if the request answers nothing
	Subscribe   Names  // nil if there are none
	Unsubscribe []string
	Initial     Versions // nil if there are none
	// Past are earlier targets, newest first. An Envoy that reconnects may still have
	// one of them; the versions that it reports are compared with each as a whole.
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
