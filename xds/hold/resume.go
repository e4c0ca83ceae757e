package hold

import (
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/held"
	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// Certificates are those that stay although their Secrets are missing or cannot be used, in
// order of their names.
func (h Held) Certificates(fleet string) (list []held.LastCertificate) {
	base, served := h.base.Of(snapshot.Secret), h.Snapshot.Of(snapshot.Secret)
	if base.Same(served) {
		return nil
	}
	for c := range pmap.Diff(base, served) {
		if !c.HadOld || !c.HasNew || !c.Old.Placeholder || c.New.Placeholder {
			continue
		}
		one := held.LastCertificate{Fleet: fleet, Name: c.Key, Version: c.New.Version}
		if c.New.Version != snapshot.StandInVersion {
			since, _ := h.certificates.Get(c.Key)
			one.Body, one.From, one.Since = c.New.Body(), c.New.From, since.since
			for _, need := range c.New.Needs {
				one.Needs = append(one.Needs, need.Name)
			}
		}
		list = append(list, one)
	}
	return list
}

// resourceOf is what a fleet is served with, nil for a stand-in; false: it is no certificate.
func resourceOf(c held.LastCertificate) (*snapshot.Resource, bool) {
	if len(c.Body) == 0 {
		return nil, c.Version == snapshot.StandInVersion
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

// Resume is what a process begins with to which another one has told what it keeps: as if it
// had had those certificates, and then their Secrets had gone.
func Resume(list []held.LastCertificate) Held {
	var served, missed pmap.Map[*snapshot.Resource]
	h := Held{}
	for _, c := range list {
		r, ok := resourceOf(c)
		switch {
		case !ok:
		case r == nil:
			h.final = h.final.Set(c.Name, pmap.Unit{})
		default:
			served = served.Set(c.Name, r)
			missed = missed.Set(c.Name, snapshot.FromBytes(snapshot.Secret, c.Name, "", nil, snapshot.Meta{Placeholder: true}))
			h.certificates = h.certificates.Set(c.Name, missing{c.Since})
		}
	}
	h.Snapshot, h.base = h.Snapshot.With(snapshot.Secret, served), h.base.With(snapshot.Secret, missed)
	return h
}

// Adopt is h with certificates that another replica keeps, where h has a stand-in, or, if
// first, another one that it keeps itself. None is taken over from another namespace than
// that of the host now.
func (h Held) Adopt(list []held.LastCertificate, first bool) Held {
	for _, c := range list {
		ref := snapshot.Ref{Type: snapshot.Secret, Name: c.Name}
		base, _ := h.base.Get(ref)
		own, has := h.Snapshot.Get(ref)
		r, ok := resourceOf(c)
		switch {
		case !ok || !has || base == nil || !base.Placeholder || !own.Placeholder && !first:
		case r == nil:
			h.set(ref, base.Final())
			h.certificates = h.certificates.Delete(c.Name)
		case !changedHands(r, base):
			h.set(ref, r)
			h.certificates = h.certificates.Set(c.Name, missing{c.Since})
		}
	}
	return h
}
