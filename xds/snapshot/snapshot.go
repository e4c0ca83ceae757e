// Package snapshot holds what a fleet of Envoys should run, as values.
//
// A Snapshot is one pmap.Map of Resources for each xDS type. Resources are
// immutable and serialised once, for all Envoys and for all time. The package
// knows neither Kubernetes nor the protocol.
//
// Start reading at Resource.
package snapshot

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/xds/narrow"
	"legation.dev/xds/redact"
)

// Type is an xDS resource type that Legation serves.
type Type uint8

// The types, in the order in which a change is offered to Envoy.
const (
	Cluster Type = iota
	Endpoints
	Secret
	ScopedRoute // a ScopedRouteConfiguration: which route configuration requests use
	RouteConfiguration
	ExtensionConfig // a TypedExtensionConfig: the HTTP configuration of a listener
	Listener
	VirtualHost
	NumTypes // how many there are

	// Chain is no xDS type: a Ref of this type is the filter chain of one TLS
	// host inside a Listener, which a redirect to https needs.
	Chain
)

var types = [NumTypes]struct{ short, url string }{
	Cluster:            {"CDS", "type.googleapis.com/envoy.config.cluster.v3.Cluster"},
	Endpoints:          {"EDS", "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"},
	Secret:             {"SDS", "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"},
	ScopedRoute:        {"SRDS", "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"},
	RouteConfiguration: {"RDS", "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"},
	ExtensionConfig:    {"ECDS", "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"},
	Listener:           {"LDS", "type.googleapis.com/envoy.config.listener.v3.Listener"},
	VirtualHost:        {"VHDS", "type.googleapis.com/envoy.config.route.v3.VirtualHost"},
}

// String is the short name of the discovery service: "CDS".
func (t Type) String() string {
	if t < NumTypes {
		return types[t].short
	}
	if t == Chain {
		return "chain"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// URL is the type URL on the wire.
func (t Type) URL() string { return types[t].url }

// Wildcard reports whether Envoy subscribes to all resources of the type without
// naming them. A named type has no wildcard here: an SDS request without names
// must not fetch every key.
func (t Type) Wildcard() bool {
	return t == Cluster || t == Listener || t == VirtualHost || t == ScopedRoute
}

// TypeOf is the type of a type URL; false if it is not served here.
func TypeOf(url string) (Type, bool) {
	for t := range NumTypes {
		if types[t].url == url {
			return t, true
		}
	}
	return NumTypes, false
}

// TypeName is the discovery service of a type URL, such as "CDS", or the URL if that is not
// served here.
func TypeName(url string) string {
	if t, ok := TypeOf(url); ok {
		return t.String()
	}
	return url
}

// Types yields every type.
func Types() iter.Seq[Type] {
	return func(yield func(Type) bool) {
		for t := range NumTypes {
			if !yield(t) {
				return
			}
		}
	}
}

// Ref names a resource, or the chain of a TLS host.
type Ref struct {
	Type Type
	Name string
}

func (r Ref) String() string { return r.Type.String() + " " + r.Name }

// Write adds what String is.
func (r Ref) Write(to *strings.Builder) {
	to.WriteString(r.Type.String())
	to.WriteByte(' ')
	to.WriteString(r.Name)
}

// Compare orders by type, then by name.
func (r Ref) Compare(o Ref) int {
	if r.Type != o.Type {
		return int(r.Type) - int(o.Type)
	}
	return strings.Compare(r.Name, o.Name)
}

// Resource is one xDS resource with what the protocol side must know of it. It
// is immutable: it is made by New or StandIn and shared by all streams.
type Resource struct {
	Type Type
	Name string
	// Version is a hash of the body: equal on every replica, after every restart.
	Version string
	// Needs is what must be live at an Envoy before it may get this: clusters; for a
	// redirect to https the host's Chain; for a listener the Listener that holds its
	// scoped routes; for a certificate the other Secrets of its chain. Some of these do not hold
	// it up if they were rejected or are not wanted: see docs/delta.md. Sorted.
	Needs []Ref
	// Pulls is what Envoy itself asks for when it gets this: cluster → Endpoints,
	// listener → RouteConfiguration, Secrets, ExtensionConfigs and ScopedRoute. Sorted.
	Pulls []Ref
	// Chains are the TLS hosts that a listener has a filter chain for. Sorted. They
	// follow from the body.
	Chains []string
	// Placeholder marks a stand-in for something that is missing: a fresh Envoy gets
	// it, an Envoy that has something for this name keeps what it has.
	Placeholder bool
	// Empty marks endpoints of which there are none. It follows from the body.
	Empty bool
	// Checked marks a cluster that waits for a first active health check before it is
	// active.
	Checked bool
	// Linger is how long an Envoy keeps a cluster at least once nothing there names
	// it any more. Not part of Version: Envoy is not told.
	Linger time.Duration
	// From are the Kubernetes objects it came from, for people. Not part of
	// Version or Sum.
	From []object.Ref

	wire  []byte // an element of DeltaDiscoveryResponse.resources, with its tag
	body  int    // where in wire the serialised message begins
	hides bool   // people may not see all of it
	sum   pmap.Sum

	narrow atomic.Pointer[Resource] // what Narrow is, once somebody has asked
}

// Meta is what New is told about a message besides its bytes.
type Meta struct {
	Needs, Pulls []Ref
	Chains       []string
	From         []object.Ref
	Placeholder  bool
	Empty        bool
	Checked      bool
	Linger       time.Duration
}

// versionBytes of the SHA-256 stand in a version: 96 bits are enough to tell
// the versions of one name apart, and Envoy repeats every version on reconnect.
const versionBytes = 12

// New makes a resource of m. The caller has validated m; an error means that m
// cannot be serialised (invalid UTF-8 in a string).
func New(t Type, name string, m proto.Message, meta Meta) (*Resource, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", t, name, err)
	}
	return OfBody(t, name, body, meta), nil
}

// OfBody makes a resource of a message that New has serialised, here or at another replica.
// It takes ownership of meta.
func OfBody(t Type, name string, body []byte, meta Meta) *Resource {
	return FromBytes(t, name, versionOf(body), body, meta)
}

func versionOf(body []byte) string {
	hash := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(hash[:versionBytes])
}

// StandInVersion is the version of every stand-in certificate. Each process
// makes its own, so their bytes are left out of versions and digests.
const StandInVersion = "stand-in"

// StandIn makes a placeholder whose bytes differ from process to process.
func StandIn(t Type, name string, m proto.Message, meta Meta) (*Resource, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", t, name, err)
	}
	meta.Placeholder = true
	return FromBytes(t, name, StandInVersion, body, meta), nil
}

// FromBytes makes a resource of a serialised message under a given version: for
// variants (same meaning, fresh bytes) and tests. It takes ownership of meta.
func FromBytes(t Type, name, version string, body []byte, meta Meta) *Resource {
	slices.SortFunc(meta.Needs, Ref.Compare)
	slices.SortFunc(meta.Pulls, Ref.Compare)
	slices.Sort(meta.Chains)
	r := &Resource{Type: t, Name: name, Version: version, Placeholder: meta.Placeholder, Empty: meta.Empty, Checked: meta.Checked, Linger: meta.Linger,
		Needs: slices.Compact(meta.Needs), Pulls: slices.Compact(meta.Pulls), Chains: meta.Chains, From: meta.From}
	r.wire, r.body = encode(t, name, version, body)
	r.hides = t == Secret || redact.Hides(t.URL(), body)
	r.sum = r.digest()
	return r
}

func (r *Resource) digest() pmap.Sum {
	parts := []string{r.Version, fmt.Sprint(r.Placeholder), r.Linger.String()}
	for _, n := range r.Needs {
		parts = append(parts, n.String())
	}
	return pmap.SumOf(parts...)
}

// Final is r without the mark of a stand-in.
func (r *Resource) Final() *Resource {
	if !r.Placeholder {
		return r
	}
	meta := r.meta()
	meta.Placeholder = false
	return FromBytes(r.Type, r.Name, r.Version, r.Body(), meta)
}

// meta is what r was made with; what is made with it owns it.
func (r *Resource) meta() Meta {
	return Meta{Needs: slices.Clone(r.Needs), Pulls: slices.Clone(r.Pulls), Chains: slices.Clone(r.Chains), From: r.From,
		Placeholder: r.Placeholder, Empty: r.Empty, Checked: r.Checked, Linger: r.Linger}
}

// Narrow is what an Envoy gets in place of r whose node has no IPv6 (package narrow): r itself
// if that has nothing of IPv6, as most. It follows from the bytes of r, so it is no part of
// Sum, and is made when it is first asked for: a fleet without such nodes pays nothing for it.
func (r *Resource) Narrow() *Resource {
	if n := r.narrow.Load(); n != nil {
		return n
	}
	n := r
	if body := narrow.Body(r.Type.URL(), r.Body()); !same(body, r.Body()) {
		n = OfBody(r.Type, r.Name, body, r.meta())
		n.narrow.Store(n)
	}
	r.narrow.Store(n) // who else made it at the same time made the same
	return n
}

// same reports whether two bodies are one.
func same(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// Sum identifies version, Placeholder, Linger and Needs.
func (r *Resource) Sum() pmap.Sum { return r.sum }

// Wire is r as an element of DeltaDiscoveryResponse.resources, tag and length
// included, so that a response is a concatenation of such bytes. Read only.
func (r *Resource) Wire() []byte { return r.wire }

// Body is the serialised message. Read only.
func (r *Resource) Body() []byte { return r.wire[r.body:] }

// Any is the message as the state-of-the-world protocol and people want it.
func (r *Resource) Any() *anypb.Any { return &anypb.Any{TypeUrl: r.Type.URL(), Value: r.Body()} }

// View is the message as people may see it, without what redact.View takes away. Read only.
func (r *Resource) View() *anypb.Any { return &anypb.Any{TypeUrl: r.Type.URL(), Value: r.Shown()} }

// Shown is the value of View: Body itself if that hides nothing, which was found out when r
// was made, once for all who ask.
func (r *Resource) Shown() []byte {
	if !r.hides {
		return r.Body()
	}
	return redact.View(r.Type.URL(), r.Body())
}

// ShownVersion tells the versions of a resource apart by what people may see of them: it is
// Version if r hides nothing, else a hash of Shown. So nothing follows from it
// for a key or a password, not even whether a guess is right; and two that differ only in
// these are equal.
func (r *Resource) ShownVersion() string {
	if !r.hides || r.Version == StandInVersion {
		return r.Version
	}
	return versionOf(r.Shown())
}

// Pulled reports whether Envoy asks for ref when it gets r.
func (r *Resource) Pulled(ref Ref) bool {
	_, ok := slices.BinarySearchFunc(r.Pulls, ref, Ref.Compare)
	return ok
}

// HasChain reports whether r is a listener with a filter chain for a TLS host.
func (r *Resource) HasChain(host string) bool {
	_, ok := slices.BinarySearch(r.Chains, host)
	return ok
}

// Field numbers of envoy.service.discovery.v3 and google.protobuf.Any.
const (
	fieldResources       = 2 // DeltaDiscoveryResponse.resources
	fieldResourceVersion = 1 // Resource.version
	fieldResourceBody    = 2 // Resource.resource
	fieldResourceName    = 3 // Resource.name
	fieldAnyURL          = 1
	fieldAnyValue        = 2
)

func encode(t Type, name, version string, body []byte) (wire []byte, bodyAt int) {
	var head []byte // of the Any, up to its value
	head = protowire.AppendTag(head, fieldAnyURL, protowire.BytesType)
	head = protowire.AppendString(head, t.URL())
	head = protowire.AppendTag(head, fieldAnyValue, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(body)))
	var res []byte // of the Resource, up to its Any
	res = protowire.AppendTag(res, fieldResourceVersion, protowire.BytesType)
	res = protowire.AppendString(res, version)
	res = protowire.AppendTag(res, fieldResourceName, protowire.BytesType)
	res = protowire.AppendString(res, name)
	res = protowire.AppendTag(res, fieldResourceBody, protowire.BytesType)
	res = protowire.AppendVarint(res, uint64(len(head)+len(body)))
	wire = make([]byte, 0, 8+len(res)+len(head)+len(body))
	wire = protowire.AppendTag(wire, fieldResources, protowire.BytesType)
	wire = protowire.AppendVarint(wire, uint64(len(res)+len(head)+len(body)))
	wire = append(append(wire, res...), head...)
	return append(wire, body...), len(wire)
}

// Snapshot is what the Envoys of one fleet should run. It is a value: keeping
// an old one costs only what has changed since. It is closed: whatever a
// resource Needs or Pulls is in it, if need be as a stand-in.
type Snapshot struct {
	types   [NumTypes]pmap.Map[*Resource]
	reserve Reserve
	stored  time.Time
	shared  *shared
}

// Of is the map of one type.
func (s Snapshot) Of(t Type) pmap.Map[*Resource] { return s.types[t] }

// Len is how many resources it has.
func (s Snapshot) Len() (n int) {
	for _, m := range s.types {
		n += m.Len()
	}
	return n
}

// With is s with another map for type t.
func (s Snapshot) With(t Type, m pmap.Map[*Resource]) Snapshot {
	if s.types[t].Same(m) {
		return s
	}
	s.types[t] = m
	s.shared = new(shared)
	return s
}

// Reserve is what a snapshot can give beside what it holds, for names that only an
// Envoy knows of. It is a value, of the moment of the snapshot, and no part of its
// digest.
type Reserve interface {
	// Spare is the live endpoints of a cluster that no route needs any more but that an
	// Envoy still has; nil if its Service is gone.
	Spare(cluster string) *Resource
	// StandIn is what overwrites a Secret that an Envoy rejected when it has no earlier
	// one: a certificate of our own; nil if there is none.
	StandIn(secret string) *Resource
}

// WithReserve is s with another reserve.
func (s Snapshot) WithReserve(r Reserve) Snapshot {
	s.reserve = r
	return s
}

// WithStored is s, made of what an earlier process stored and was right at a moment; the
// zero time is for what comes from the source. It is no part of the digest.
func (s Snapshot) WithStored(at time.Time) Snapshot {
	s.stored = at
	return s
}

// Stored is that of WithStored. Envoys that have a configuration keep it as long as this is
// not zero, since theirs may be newer; those that start are served.
func (s Snapshot) Stored() time.Time { return s.stored }

// Reserve is what WithReserve was given; nil if there is none.
func (s Snapshot) Reserve() Reserve { return s.reserve }

// Spare is that of the reserve, for a cluster that is not in s.
func (s Snapshot) Spare(cluster string) *Resource {
	if s.reserve == nil {
		return nil
	}
	return s.reserve.Spare(cluster)
}

// StandIn is that of the reserve.
func (s Snapshot) StandIn(secret string) *Resource {
	if s.reserve == nil {
		return nil
	}
	return s.reserve.StandIn(secret)
}

// Get is the resource that ref names.
func (s Snapshot) Get(ref Ref) (*Resource, bool) {
	if ref.Type >= NumTypes {
		return nil, false
	}
	return s.types[ref.Type].Get(ref.Name)
}

// Digest is equal for equal snapshots, on every replica. Sum so that a
// Snapshot can itself be the value of a Map.
func (s Snapshot) Digest() pmap.Sum {
	parts := make([]string, 0, NumTypes)
	for _, m := range s.types {
		d := m.Digest()
		parts = append(parts, string(d[:]))
	}
	return pmap.SumOf(parts...)
}

// Sum is Digest.
func (s Snapshot) Sum() pmap.Sum { return s.Digest() }

// Diff yields what differs between two snapshots, type by type, by name.
func Diff(a, b Snapshot) iter.Seq2[Type, pmap.Change[*Resource]] {
	return func(yield func(Type, pmap.Change[*Resource]) bool) {
		for t := range Types() {
			for c := range pmap.Diff(a.types[t], b.types[t]) {
				if !yield(t, c) {
					return
				}
			}
		}
	}
}
