package fleet

import (
	"slices"

	"legation.dev/pmap"
	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// Behind is what an Envoy lacks of what its fleet should run, what it rejected included.
// What lingers on purpose does not count, nor a stand-in where it has something. It costs
// O(what differs).
func Behind(want snapshot.Snapshot, status delta.Status) (refs []snapshot.Ref) {
	for t := range snapshot.Types() {
		refs = append(refs, BehindOf(t, want, status.Types[t])...)
	}
	return refs
}

// BehindOf is the part of Behind that is of one type.
func BehindOf(t snapshot.Type, want snapshot.Snapshot, s delta.TypeStatus) (refs []snapshot.Ref) {
	if !s.Requested && want.Of(t).Len() > 0 {
		refs = append(refs, snapshot.Ref{Type: t})
	}
	for c := range pmap.Diff(s.Have, want.Of(t)) {
		if !excused(t, c) && (t != snapshot.Endpoints || asked(want, c)) {
			refs = append(refs, snapshot.Ref{Type: t, Name: c.Key})
		}
	}
	return refs
}

// Due is what of Behind is still to come: it leaves out what the Envoy rejected, if it has
// something in its place or can do without.
func Due(want snapshot.Snapshot, status delta.Status) []snapshot.Ref {
	return slices.DeleteFunc(Behind(want, status), func(ref snapshot.Ref) bool {
		if _, has := status.Types[ref.Type].Have.Get(ref.Name); ref.Type == snapshot.ExtensionConfig && !has {
			return false // whatever it rejected: its listeners close every connection
		}
		named := func(r delta.Rejection) bool { return r.Name == ref.Name }
		return slices.ContainsFunc(status.Types[ref.Type].Rejected, named) ||
			ref.Type == snapshot.Endpoints && slices.ContainsFunc(status.Types[snapshot.Cluster].Rejected, named) // Envoy has no such cluster
	})
}

// asked reports whether Envoy asks for endpoints at all: a cluster that is held as it
// was (by DNS) does not, while its Service has become another.
func asked(want snapshot.Snapshot, c pmap.Change[*snapshot.Resource]) bool {
	cluster, ok := want.Get(snapshot.Ref{Type: snapshot.Cluster, Name: c.Key})
	return !ok || cluster.Pulled(snapshot.Ref{Type: snapshot.Endpoints, Name: c.Key})
}

func excused(t snapshot.Type, c pmap.Change[*snapshot.Resource]) bool {
	if !c.HasNew {
		return t != snapshot.VirtualHost && t != snapshot.Listener
	}
	return c.HadOld && (c.New.Placeholder || c.Old.Version == c.New.Version)
}
