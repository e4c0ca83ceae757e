package delta

import "legation.dev/xds/snapshot"

// beginEndpoints learns from the names of the first EDS request which clusters
// Envoy really has: CDS versions lie after a partly applied rejection (M6).
func (c *Conn) beginEndpoints(r Request) {
	names := r.names()
	if !c.exactly(snapshot.Endpoints, names) || !c.pulled(names) {
		c.subscribe(snapshot.Endpoints, names)
		if c.types[snapshot.Cluster].first {
			c.trueClusters(names)
		}
	}
	if ruleSentCLA {
		for n := range c.sent {
			if c.types[snapshot.Endpoints].subscribed(n) {
				c.types[snapshot.Endpoints].mustSend.put(n, struct{}{})
			}
		}
	}
	c.sent = nil
}

// exactly reports whether names are the names of what Envoy has just reported of type t.
// If so, the subscription to them says nothing new.
func (c *Conn) exactly(t snapshot.Type, names Names) bool {
	a := &c.types[t].adopted
	return names.Sum() == a.names && c.types[t].have.Same(a.have)
}

// pulled reports whether names are exactly the CLAs (ClusterLoadAssignments) that Envoy's
// clusters pull. It compares sums, with the target or the earlier target that Envoy's
// clusters come from: there, each cluster of type EDS has a CLA of its own name.
func (c *Conn) pulled(names Names) bool {
	clusters := &c.types[snapshot.Cluster]
	if clusters.have.Same(c.want(snapshot.Cluster)) {
		return names.Sum() == c.target.NameSum(snapshot.Endpoints)
	}
	return names.Sum() == clusters.adopted.pulled && clusters.have.Same(clusters.adopted.have)
}

// needsEndpoints reports whether a cluster that Envoy has, r, is of type EDS. If the bytes
// of r are not known here, the wanted version of the cluster decides.
func (c *Conn) needsEndpoints(name string, r *snapshot.Resource) bool {
	if !known(r) {
		r, _ = c.want(snapshot.Cluster).Get(name)
	}
	return r != nil && isEDS(r)
}

// isEDS reports whether a cluster pulls its endpoints.
func isEDS(r *snapshot.Resource) bool {
	return r.Pulled(snapshot.Ref{Type: snapshot.Endpoints, Name: r.Name})
}

// hasEndpoints reports whether the cluster does not have to wait for endpoints: Envoy has
// its CLA (ClusterLoadAssignment), or rejected the wanted version of it, or the target
// has none. In the last two cases routes would wait for a CLA that does not come.
func (c *Conn) hasEndpoints(cluster string) bool {
	if c.types[snapshot.Endpoints].have.Has(cluster) {
		return true
	}
	want, ok := c.want(snapshot.Endpoints).Get(cluster)
	if !ok {
		return ruleNotWanted
	}
	return c.isRejected(snapshot.Endpoints, cluster, want.Version)
}

// nextEndpoints is step 2 of Next. A CLA (ClusterLoadAssignment) waits for no other
// resource. It waits only while a response with an earlier version of the same CLA has no
// answer, and a CLA in mustSend does not even wait for that: a cluster may be warming
// until it comes.
func (c *Conn) nextEndpoints(send func(*flight)) {
	const t = snapshot.Endpoints
	c.groupOf(t, send)
	names := c.differing(t)
	var adds []*snapshot.Resource
	var removals []string
	for _, n := range names {
		want, ok := c.pendingNamed(t, n)
		switch {
		case !ok:
		case want != nil:
			adds = append(adds, want)
		default:
			removals = append(removals, n)
		}
	}
	for _, part := range chunks(adds, len(adds), maxBytes) {
		if c.full(t) {
			return
		}
		f := c.response(t, part, nil)
		c.all(f, len(names))
		send(f)
	}
	if len(removals) > 0 && !c.full(t) {
		send(c.response(t, nil, removals))
	}
}

// endpointsLanded notes that Envoy acknowledged a CLA. That of a new cluster may be older
// than the newest version of the cluster, for which Envoy does not subscribe again: so the
// time of the subscription stays with the cluster.
func (c *Conn) endpointsLanded(f *flight, name string) {
	st := &c.types[snapshot.Endpoints]
	if a, isNew := c.added[name]; isNew {
		if subscribed, ok := st.subs[name]; ok {
			a.subscribed = subscribed
			c.added.put(name, a)
		}
		c.noteEarly(name, a, f.seq)
	}
	st.subs.drop(name)
}

// unwantedEndpoints is what Envoy should have for a CLA that the target does not have.
// As long as Envoy is subscribed to it, Envoy still has the cluster, and gets the live
// endpoints of the Service. Nil means nothing.
func (c *Conn) unwantedEndpoints(name string) *snapshot.Resource {
	if !c.types[snapshot.Endpoints].subscribed(name) {
		return nil
	}
	return c.target.Spare(name)
}

// noteEarly records that a new cluster is usable although Envoy has not acknowledged it
// yet: Envoy withholds all CDS answers while any cluster warms. But if it got the
// cluster, then asked for its endpoints, and then acknowledged endpoints that were
// sent after both, this cluster has finished warming.
func (c *Conn) noteEarly(cluster string, a addition, sent uint64) {
	if a.first > a.subscribed || sent < max(a.subscribed, a.newest) {
		return
	}
	plain := true // none of the versions on their way waits for more than its CLA
	c.types[snapshot.Cluster].possible(cluster, func(r *snapshot.Resource) bool {
		plain = plain && (r == nil || !r.Checked && !isShown(r))
		return plain
	})
	if plain {
		c.early.put(cluster, struct{}{})
	}
}
