// Package hold keeps what a fleet had although the inputs say otherwise: a
// certificate whose Secret is missing or broken, the cluster and endpoints of a
// Service that is missing or whose slices are late, and a virtual host that is to
// name a cluster without endpoints.
//
// What depends on the past is laid here over the snapshot that the translator
// made, which is equal on all replicas. Next is pure: it takes the time and says
// when it wants to be asked again.
//
// Start reading at Next.
package hold

import (
	"time"

	"legation.dev/held"
	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// Grace is how long the cluster and endpoints of a Service are kept that is
// missing, or whose slices do not carry its port. A Service that is deleted and
// created again, or a port that is renamed, is whole again within a few seconds:
// the endpoint slice controller follows a Service with at most a second of delay
// of its own. Certificates are kept without limit.
const Grace = 10 * time.Second

// Held is a snapshot with what is kept laid over it. It is a value; the zero
// Held is that of no history.
type Held struct {
	// Snapshot is what Envoys should run.
	Snapshot snapshot.Snapshot
	// Certificates are those of it that stay although their Secrets are missing or cannot be used.
	Certificates held.Certificates

	base    snapshot.Snapshot // what the translator made
	pending pending
	moving  pmap.Map[waits]     // virtual hosts that wait for endpoints of clusters
	kept    pmap.Map[pmap.Unit] // clusters that only those name
}

// Next is what to run once the translator has made base, given what was held
// before, and the certificates that are to stay: those of prev, or what another replica or an earlier
// process has told. wake is when to call Next again if base does not change before; zero
// for never. Its cost follows the difference between base and the one before.
//
// A placeholder for a secret leaves the last good certificate in use, unless that was of
// another namespace. A placeholder for a cluster or a CLA
// leaves the last one in use for Grace and is Final afterwards. A fleet without
// a last one gets the placeholder itself. A virtual host that newly names a cluster
// without endpoints stays as it is for MoveGrace.
//
// Both times count as those of the clock do.
func Next(prev Held, base snapshot.Snapshot, told held.Certificates, clock held.Clock) (_ Held, wake time.Time) {
	h := Held{Snapshot: prev.Snapshot, base: base, pending: prev.pending, moving: prev.moving, kept: prev.kept, Certificates: prev.Certificates}
	h.certificates(prev.base, told, clock.Now)
	var moved []string // virtual hosts
	for t, c := range snapshot.Diff(prev.base, base) {
		switch {
		case t == snapshot.Secret:
		case t == snapshot.VirtualHost && c.HasNew:
			moved = append(moved, c.Key)
		default:
			h.follow(t, c, clock.Now)
		}
	}
	if clock.Over(clock.Fresh, Grace) {
		for ref, ok := h.pending.due(clock.Now); ok; ref, ok = h.pending.due(clock.Now) {
			h.giveUp(ref)
		}
	}
	h.move(prev.Snapshot, moved, clock)
	h.Snapshot = share(h.Snapshot, base)
	return h, h.wake(clock)
}

// wake is the next moment at which something ends by the passing of time.
func (h *Held) wake(clock held.Clock) time.Time {
	first := h.pending.first()
	if !first.IsZero() {
		first = clock.End(first.Add(-Grace), Grace)
	}
	for _, w := range h.moving.All() {
		for _, since := range w.since {
			if end := clock.End(since, MoveGrace); end.After(clock.Now) && (first.IsZero() || end.Before(first)) {
				first = end
			}
		}
	}
	return first
}

// share is s with base's own maps where they are equal, and its spare endpoints.
func share(s, base snapshot.Snapshot) snapshot.Snapshot {
	shared := base
	for t := range snapshot.Types() {
		if m := s.Of(t); m.Digest() != base.Of(t).Digest() {
			shared = shared.With(t, m)
		}
	}
	return shared
}

// follow applies one change of the base, but for secrets.
func (h *Held) follow(t snapshot.Type, c pmap.Change[*snapshot.Resource], now time.Time) {
	ref := snapshot.Ref{Type: t, Name: c.Key}
	m := h.Snapshot.Of(t)
	if !c.HasNew || !c.New.Placeholder {
		h.pending = h.pending.without(ref)
		h.set(ref, c.New) // nil: gone
		return
	}
	if graced(t) && !(c.HadOld && c.Old.Placeholder) { // it has just become a placeholder
		h.pending = h.pending.with(ref, now.Add(Grace))
	}
	last, ok := m.Get(c.Key)
	switch {
	case graced(t) && !h.pending.has(ref):
		h.set(ref, c.New.Final())
	case ok && !last.Placeholder: // it stays
	default:
		h.set(ref, c.New)
	}
}

// changedHands reports whether two resources of one name come from objects of different
// namespaces: a host that has another owner now.
func changedHands(a, b *snapshot.Resource) bool {
	return len(a.From) > 0 && len(b.From) > 0 && a.From[0].Namespace != b.From[0].Namespace
}

// graced reports whether a placeholder stays one for Grace only.
func graced(t snapshot.Type) bool { return t == snapshot.Cluster || t == snapshot.Endpoints }

// giveUp serves what base says, since it has said so for Grace.
func (h *Held) giveUp(ref snapshot.Ref) {
	h.pending = h.pending.without(ref)
	if r, ok := h.base.Get(ref); ok {
		h.set(ref, r.Final())
	}
}

func (h *Held) set(ref snapshot.Ref, r *snapshot.Resource) {
	m := h.Snapshot.Of(ref.Type)
	if r == nil {
		m = m.Delete(ref.Name)
	} else {
		m = m.Set(ref.Name, r)
	}
	h.Snapshot = h.Snapshot.With(ref.Type, m)
}
