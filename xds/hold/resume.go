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
