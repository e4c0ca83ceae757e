package hold

import (
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// Kept is a certificate that stays although its Secret is missing or cannot be used. It has
// a private key: it is for other replicas alone.
type Kept struct {
	Resource *snapshot.Resource
	Since    time.Time
}

// Certificates are those that stay, in order of their names.
func (h Held) Certificates() (list []Kept) {
	for name, k := range h.certificates.All() {
		if r, ok := h.Snapshot.Get(snapshot.Ref{Type: snapshot.Secret, Name: name}); ok {
			list = append(list, Kept{r, k.since})
		}
	}
	return list
}

// Resume is what a replica begins with to which another one has told what it keeps: as if it
// had had those certificates, and then their Secrets had gone.
func Resume(list []Kept) Held {
	var served, missed pmap.Map[*snapshot.Resource]
	h := Held{}
	for _, k := range list {
		name := k.Resource.Name
		served = served.Set(name, k.Resource)
		missed = missed.Set(name, snapshot.FromBytes(snapshot.Secret, name, "", nil, snapshot.Meta{Placeholder: true}))
		h.certificates = h.certificates.Set(name, missing{k.Since})
	}
	h.Snapshot, h.base = h.Snapshot.With(snapshot.Secret, served), h.base.With(snapshot.Secret, missed)
	return h
}

// Adopt is h with certificates that another replica keeps, where h has a stand-in, or, if
// first, another one that it keeps itself. None is taken over from another namespace than
// that of the host now.
func (h Held) Adopt(list []Kept, first bool) Held {
	for _, k := range list {
		ref := snapshot.Ref{Type: snapshot.Secret, Name: k.Resource.Name}
		base, _ := h.base.Get(ref)
		own, ok := h.Snapshot.Get(ref)
		if !ok || base == nil || !base.Placeholder || changedHands(k.Resource, base) || !own.Placeholder && !first {
			continue
		}
		h.set(ref, k.Resource)
		h.certificates = h.certificates.Set(ref.Name, missing{k.Since})
	}
	return h
}
