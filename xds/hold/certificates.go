package hold

import (
	"maps"
	"slices"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/held"
	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// certificates lets secrets follow the base and what is told of those that stay.
func (h *Held) certificates(before snapshot.Snapshot, told held.Certificates, now time.Time) {
	was, names := h.Certificates, map[string]bool{}
	h.Certificates = told
	for c := range pmap.Diff(before.Of(snapshot.Secret), h.base.Of(snapshot.Secret)) {
		names[c.Key] = true
	}
	for c := range pmap.Diff(was.Map, told.Map) {
		names[c.Key] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		h.certificate(name, was, now)
	}
}

// certificate lets one follow. The last good one stays while the base has only a placeholder, unless
// it was of another namespace: nobody is served with that.
func (h *Held) certificate(name string, was held.Certificates, now time.Time) {
	ref := snapshot.Ref{Type: snapshot.Secret, Name: name}
	want, _ := h.base.Get(ref)
	if want == nil || !want.Placeholder {
		h.Certificates = h.Certificates.Without(name)
		h.set(ref, want)
		return
	}
	if h.adopt(ref, want, was) {
		return
	}
	own, ok := h.Snapshot.Get(ref)
	switch {
	case ok && changedHands(own, want):
		h.set(ref, want.Final())
		h.Certificates = h.Certificates.With(held.LastCertificate{Name: name, Version: snapshot.StandInVersion, Since: now})
	case ok && !own.Placeholder:
		if !h.Certificates.Has(name) {
			h.Certificates = h.Certificates.With(lastOf(own, now))
		}
	default:
		h.set(ref, want)
	}
}

// adopt serves what is told of a certificate that h did not have so, and reports whether it does. What
// cannot be used, or is of another namespace than that of the host now, is not taken.
func (h *Held) adopt(ref snapshot.Ref, want *snapshot.Resource, was held.Certificates) bool {
	told, isHeld := h.Certificates.Get(ref.Name)
	own, had := was.Get(ref.Name)
	if !isHeld || had && own.Sum() == told.Sum() {
		return false
	}
	r, ok := resourceOf(told, want)
	if ok && !changedHands(r, want) {
		h.set(ref, r)
		return true
	}
	if h.Certificates = h.Certificates.Without(ref.Name); had {
		h.Certificates = h.Certificates.With(own)
	}
	return false
}

// lastOf is what is told of a certificate that stays.
func lastOf(r *snapshot.Resource, now time.Time) held.LastCertificate {
	c := held.LastCertificate{Name: r.Name, Version: r.Version, Body: r.Body(), From: r.From, Since: now}
	for _, need := range r.Needs {
		c.Needs = append(c.Needs, need.Name)
	}
	return c
}

// resourceOf is what a fleet is served with; false: it is no certificate. standIn is what the base has.
func resourceOf(c held.LastCertificate, standIn *snapshot.Resource) (*snapshot.Resource, bool) {
	if len(c.Body) == 0 {
		return standIn.Final(), c.Version == snapshot.StandInVersion
	}
	var secret tlsv3.Secret
	if proto.Unmarshal(c.Body, &secret) != nil || secret.GetName() != c.Name {
		return nil, false
	}
	meta := snapshot.Meta{From: c.From}
	for _, name := range c.Needs {
		meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Secret, Name: name})
	}
	r := snapshot.OfBody(snapshot.Secret, c.Name, c.Body, meta)
	return r, r.Version == c.Version
}
