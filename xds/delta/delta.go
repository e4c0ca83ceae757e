// Package delta is the protocol state of one Envoy on one delta ADS stream.
//
// A Conn is passive: it starts no goroutine, reads no clock (time is an
// argument), takes no lock, logs nothing and sends nothing. The server hands it
// requests and targets and asks it what may be sent now. docs/delta.md states
// the rules; comments name the rule they implement.
//
// Start reading at Conn.Next.
package delta

import (
	"iter"

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

// VersionSum adds up (name, version) pairs.
type VersionSum = snapshot.VersionSum

// Request is one DeltaDiscoveryRequest, reduced to what the protocol needs.
type Request struct {
	URL         string // type URL, as received
	Nonce       string // response_nonce; "" if the request answers nothing
	Subscribe   []string
	Unsubscribe []string
	Initial     Versions // nil if there are none
	Error       *Error   // error_detail: the response named by Nonce is rejected
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
