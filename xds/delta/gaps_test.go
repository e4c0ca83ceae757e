package delta

import (
	"slices"

	"legation.dev/xds/snapshot"
)

// What walks accept; docs/delta.md, "The walk", says why.

// secretsUnderWay are the secrets that the wire carries, and those that it carries
// subscriptions to.
func (w *walk) secretsUnderWay() (names []string) {
	for _, r := range w.toEnvoy {
		for _, x := range r.Resources {
			if r.Type == snapshot.Secret {
				names = append(names, x.Name)
			}
		}
	}
	for _, r := range w.envoy.toConn {
		if r.URL == snapshot.Secret.URL() && r.Subscribe != nil {
			names = slices.AppendSeq(names, r.Subscribe.All())
		}
	}
	return names
}

// beyondHelp: a listener is rejected for a secret whose rejected bytes Envoy remembers
// (M15), and which cannot be replaced: its last good version is known by name only.
func (w *walk) beyondHelp(listener *snapshot.Resource) bool {
	return listener.Type == snapshot.Listener && slices.ContainsFunc(listener.Pulls, func(ref snapshot.Ref) bool {
		s := w.envoy.secrets[ref.Name]
		return s != nil && s.rejected && w.irreplaceable(ref)
	})
}

// irreplaceable reports whether what Envoy should have for a secret is known by name only.
func (w *walk) irreplaceable(ref snapshot.Ref) bool {
	d := w.conn.desired(ref.Type, ref.Name)
	return ref.Type == snapshot.Secret && d != nil && !known(d)
}

// held: a cluster waits for a secret that Envoy has rejected, or perhaps has, and which
// cannot be replaced.
func (w *walk) held(t snapshot.Type, name string) bool {
	want, ok := w.conn.want(t).Get(name)
	return ok && t == snapshot.Cluster && w.conn.secretMoves(want) && slices.ContainsFunc(want.Pulls, w.irreplaceable)
}

// excuse allows the one exception of invariant 1: a new host is sent although
// one of its clusters was rejected. It stays allowed for that version.
func (w *walk) excuse(host *snapshot.Resource, cluster string) bool {
	k := key(host) + " " + cluster
	for ref := range w.conn.rejected {
		w.excused[k] = w.excused[k] || ref == snapshot.Ref{Type: snapshot.Cluster, Name: cluster}
	}
	return w.excused[k]
}

// lost reports whether nothing can be sent to end the doubt about a name: what is
// wanted was rejected alone, and an older version perhaps in company; a cluster is
// only kept because something names it, or might, since no route was asked for yet.
func (c *Conn) lost(t snapshot.Type, name string) bool {
	if len(c.types[t].maybe[name]) == 0 {
		return false
	}
	if d := c.desired(t, name); t == snapshot.Endpoints && (d == nil || !known(d)) {
		return true // the Service is gone, or nobody here knows its endpoints: nothing is sent, the members stay
	}
	want, ok := c.want(t).Get(name)
	if !ok && t == snapshot.Cluster {
		return c.pinned()(name) || !c.types[snapshot.VirtualHost].first
	}
	return ok && c.isRejected(t, name, want.Version)
}
