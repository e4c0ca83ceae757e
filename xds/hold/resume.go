package hold

import (
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// Kept is a certificate that stays although its Secret is missing or cannot be used. It has
// a private key: it is for other replicas alone.
type Kept struct {
	Name string
	// Resource is what is served; nil: a stand-in, which takes the place of what Envoys have,
	// as that was of another namespace.
	Resource *snapshot.Resource
	Since    time.Time
}

// version is that of what is served.
func (k Kept) version() string {
	if k.Resource == nil {
		return snapshot.StandInVersion
	}
	return k.Resource.Version
}

// Sum identifies what is kept, but not since when.
func (k Kept) Sum() pmap.Sum { return pmap.SumOf(k.Name, k.version()) }

// Certificates are those that stay, in order of their names. Whoever asks pays for it: it
// looks at all secrets.
func (h Held) Certificates() (list []Kept) {
	for c := range pmap.Diff(h.base.Of(snapshot.Secret), h.Snapshot.Of(snapshot.Secret)) {
		if !c.HadOld || !c.HasNew || !c.Old.Placeholder || c.New.Placeholder {
			continue
		}
		since, _ := h.certificates.Get(c.Key)
		k := Kept{Name: c.Key, Resource: c.New, Since: since.since}
		if c.New.Version == snapshot.StandInVersion {
			k.Resource = nil
		}
		list = append(list, k)
	}
	return list
}

// Resume is what a replica begins with to which another one has told what it keeps: as if it
// had had those certificates, and then their Secrets had gone.
func Resume(list []Kept) Held {
	var served, missed pmap.Map[*snapshot.Resource]
	h := Held{}
	for _, k := range list {
		if k.Resource == nil {
			h.final = h.final.Set(k.Name, pmap.Unit{})
			continue
		}
		served = served.Set(k.Name, k.Resource)
		missed = missed.Set(k.Name, snapshot.FromBytes(snapshot.Secret, k.Name, "", nil, snapshot.Meta{Placeholder: true}))
		h.certificates = h.certificates.Set(k.Name, missing{k.Since})
	}
	h.Snapshot, h.base = h.Snapshot.With(snapshot.Secret, served), h.base.With(snapshot.Secret, missed)
	return h
}

// Adopt is h with certificates that another replica keeps, where h has a stand-in, or, if
// first, another one that it keeps itself. None is taken over from another namespace than
// that of the host now.
func (h Held) Adopt(list []Kept, first bool) Held {
	for _, k := range list {
		ref := snapshot.Ref{Type: snapshot.Secret, Name: k.Name}
		base, _ := h.base.Get(ref)
		own, ok := h.Snapshot.Get(ref)
		switch {
		case !ok || base == nil || !base.Placeholder || !own.Placeholder && !first:
		case k.Resource == nil:
			h.set(ref, base.Final())
			h.certificates = h.certificates.Delete(k.Name)
		case !changedHands(k.Resource, base):
			h.set(ref, k.Resource)
			h.certificates = h.certificates.Set(k.Name, missing{k.Since})
		}
	}
	return h
}
