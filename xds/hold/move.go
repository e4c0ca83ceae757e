package hold

import (
	"maps"
	"slices"
	"time"

	"legation.dev/held"
	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// MoveGrace is how long an existing virtual host keeps its old version for each cluster
// that the new one adds and that has no endpoints yet; it waits for the last of them. Sources deliver kinds in no
// fixed order: an Ingress often arrives before the EndpointSlices of the Service
// it names, and an API server rarely lags by more than this. After that the new
// version goes out. If the Service really has no pods, its clients get 503, which
// is correct.
const MoveGrace = 5 * time.Second

// waits says of one virtual host since when it waits for endpoints of which
// clusters. It is a value: since is not changed once it is made.
type waits struct{ since map[string]time.Time }

// Sum identifies the waits.
func (w waits) Sum() pmap.Sum {
	var parts []string
	for _, cluster := range slices.Sorted(maps.Keys(w.since)) {
		parts = append(parts, cluster, w.since[cluster].String())
	}
	return pmap.SumOf(parts...)
}

// until is when the last wait ends; zero if there is none.
func (w waits) until(clock held.Clock) (last time.Time) {
	for _, since := range w.since {
		last = held.Later(last, clock.End(since, MoveGrace))
	}
	return last
}

// move lets virtual hosts follow the base: those that changed there, and those
// that wait. What one names that waits is kept in prev's version.
func (h *Held) move(prev snapshot.Snapshot, changed []string, clock held.Clock) {
	names := slices.Clone(changed)
	for name := range h.moving.All() {
		names = append(names, name)
	}
	for _, name := range names {
		h.moveOne(name, clock)
	}
	h.keepNamed(prev)
}

func (h *Held) moveOne(name string, clock held.Clock) {
	ref := snapshot.Ref{Type: snapshot.VirtualHost, Name: name}
	want, ok := h.base.Get(ref)
	if !ok { // it was removed with the others
		h.moving = h.moving.Delete(name)
		return
	}
	last, _ := h.moving.Get(name)
	next := waits{since: map[string]time.Time{}}
	for _, cluster := range h.missingEndpoints(ref, want) {
		next.since[cluster] = clock.Now
		if since, ok := last.since[cluster]; ok {
			next.since[cluster] = since
		}
	}
	if next.until(clock).After(clock.Now) {
		h.moving = h.moving.Set(name, next)
		return
	}
	h.moving = h.moving.Delete(name)
	h.set(ref, want)
}

// missingEndpoints are the clusters without endpoints that a virtual host names in want
// and not as it is now; none if there is none now, since nothing is lost then, nor
// if it redirects to a chain that is to go, since chains are not kept for it.
func (h *Held) missingEndpoints(ref snapshot.Ref, want *snapshot.Resource) (list []string) {
	stands, ok := h.Snapshot.Get(ref)
	if !ok || !h.chained(stands) {
		return nil
	}
	for _, need := range want.Needs {
		cla, ok := h.Snapshot.Get(snapshot.Ref{Type: snapshot.Endpoints, Name: need.Name})
		if need.Type == snapshot.Cluster && ok && cla.Empty && !slices.Contains(stands.Needs, need) {
			list = append(list, need.Name)
		}
	}
	return list
}

// chained reports whether the base has every chain that a virtual host redirects to.
func (h *Held) chained(r *snapshot.Resource) bool {
	for _, need := range r.Needs {
		if need.Type == snapshot.Chain && !h.hasChain(need.Name) {
			return false
		}
	}
	return true
}

// hasChain reports whether a listener of the base has a chain for a host.
func (h *Held) hasChain(host string) bool {
	for _, l := range h.base.Of(snapshot.Listener).All() {
		if l.HasChain(host) {
			return true
		}
	}
	return false
}

// keepNamed keeps the clusters that only a waiting virtual host names, with what they pull.
func (h *Held) keepNamed(prev snapshot.Snapshot) {
	named := map[string]bool{}
	for name := range h.moving.All() {
		stands, _ := h.Snapshot.Get(snapshot.Ref{Type: snapshot.VirtualHost, Name: name})
		for _, need := range stands.Needs {
			if _, ok := h.base.Get(need); !ok && need.Type == snapshot.Cluster {
				named[need.Name] = true
			}
		}
	}
	for name := range h.kept.All() {
		if !named[name] {
			h.kept = h.kept.Delete(name)
			h.drop(prev, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		h.kept = h.kept.Set(name, pmap.Unit{})
		h.keep(prev, name)
	}
}

// drop drops a cluster that was kept, with what it pulls, unless the base has it.
func (h *Held) drop(prev snapshot.Snapshot, name string) {
	cluster := snapshot.Ref{Type: snapshot.Cluster, Name: name}
	r, ok := prev.Get(cluster)
	if !ok {
		return
	}
	for _, ref := range append(slices.Clone(r.Pulls), cluster) {
		if _, ok := h.base.Get(ref); !ok {
			h.set(ref, nil)
		}
	}
}

// keep keeps a cluster as it was, with what it pulls: its newest endpoints, and the last of
// all else.
func (h *Held) keep(prev snapshot.Snapshot, name string) {
	r, ok := prev.Get(snapshot.Ref{Type: snapshot.Cluster, Name: name})
	if !ok {
		return // no virtual host has ever named what was not there
	}
	h.set(snapshot.Ref{Type: snapshot.Cluster, Name: name}, r)
	for _, ref := range r.Pulls {
		var pulled *snapshot.Resource
		if ref.Type == snapshot.Endpoints {
			pulled = h.base.Spare(name)
		}
		if pulled == nil {
			pulled, _ = prev.Get(ref)
		}
		if pulled != nil {
			h.set(ref, pulled)
		}
	}
}
