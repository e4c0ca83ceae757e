package fleet

import (
	"slices"

	"legation.dev/pmap"
	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// Behind is what an Envoy lacks of what its fleet should run. What lingers on
// purpose does not count, nor what it rejected, nor a stand-in where it has
// something. It costs O(what differs).
func Behind(want snapshot.Snapshot, status delta.Status) (refs []snapshot.Ref) {
	for t := range snapshot.Types() {
		s := status.Types[t]
		if !s.Requested && want.Of(t).Len() > 0 {
			refs = append(refs, snapshot.Ref{Type: t})
		}
		for c := range pmap.Diff(s.Have, want.Of(t)) {
			if !excused(t, c, status) && (t != snapshot.Endpoints || asked(want, c)) {
				refs = append(refs, snapshot.Ref{Type: t, Name: c.Key})
			}
		}
	}
	return refs
}

// asked reports whether Envoy asks for endpoints at all: a cluster that is held as it
// was (by DNS) does not, while its Service has become another.
func asked(want snapshot.Snapshot, c pmap.Change[*snapshot.Resource]) bool {
	cluster, ok := want.Get(snapshot.Ref{Type: snapshot.Cluster, Name: c.Key})
	return !ok || cluster.Pulled(snapshot.Ref{Type: snapshot.Endpoints, Name: c.Key})
}

func excused(t snapshot.Type, c pmap.Change[*snapshot.Resource], status delta.Status) bool {
	if !c.HasNew {
		return t != snapshot.VirtualHost && t != snapshot.Listener
	}
	if c.HadOld && (c.New.Placeholder || c.Old.Version == c.New.Version) {
		return true
	}
	if t == snapshot.ExtensionConfig && !c.HadOld {
		return false // whatever it rejected: its listeners close every connection
	}
	named := func(r delta.Rejection) bool { return r.Name == c.Key }
	return slices.ContainsFunc(status.Types[t].Rejected, named) ||
		t == snapshot.Endpoints && slices.ContainsFunc(status.Types[snapshot.Cluster].Rejected, named) // Envoy has no such cluster
}
