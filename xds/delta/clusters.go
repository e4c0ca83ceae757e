package delta

import (
	"slices"
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// nextClusters is step 1 of Next.
func (c *Conn) nextClusters(send func(*flight)) {
	const t = snapshot.Cluster
	c.groupOf(t, send)
	names := c.differing(t)
	gone := c.removable(names) // also if nothing fits: it keeps the times
	adds, modifies := c.changedClusters(names)
	for _, part := range chunks(adds, maxAdds, maxBytes) {
		if c.full(t) {
			return
		}
		for _, r := range part {
			c.added.put(r.Name, addition{first: c.seq + 1})
		}
		c.sendClusters(part, send)
	}
	if len(gone) > 0 && !c.full(t) {
		c.removeClusters(gone, send)
	}
	for _, r := range modifies {
		if c.full(t) {
			break
		}
		c.types[t].turn = r.Name
		c.sendClusters([]*snapshot.Resource{r}, send)
	}
	if c.counters.Responses[t] == 0 && c.types[t].have.Len() == 0 {
		// An Envoy that starts asks for listeners only when it had an answer, also
		// if there is no cluster for it.
		send(c.response(t, nil, nil))
	}
}

// changedClusters are those to send. A modify, of what Envoy may have, goes alone, so
// there may be more than there is room for, and newer ones with each change of the class:
// they take turns. nextClusters sends the adds before them.
func (c *Conn) changedClusters(names []string) (adds, modifies []*snapshot.Resource) {
	const t = snapshot.Cluster
	for _, n := range c.inTurn(t, names) {
		want, pending := c.pending(t, n)
		if want == nil || !pending || c.secretMoves(want) {
			continue
		}
		if surely, _ := c.types[t].absent(n); surely {
			adds = append(adds, want)
		} else {
			modifies = append(modifies, want)
		}
	}
	return adds, modifies
}

// removeClusters sends a removal. A cluster that comes back after it is not the
// one that was early.
func (c *Conn) removeClusters(names []string, send func(*flight)) {
	for _, n := range names {
		c.added.drop(n)
		c.early.drop(n)
	}
	send(c.response(snapshot.Cluster, nil, names))
}

// groupOf sends the next part of a rejected response, if there is one.
func (c *Conn) groupOf(t snapshot.Type, send func(*flight)) {
	st := &c.types[t]
	if len(st.groups) == 0 || c.full(t) {
		return
	}
	add, remove := c.nextGroup(t)
	if len(add) > 0 {
		if t == snapshot.Cluster {
			c.sendClusters(add, send)
		} else {
			send(c.response(t, add, nil))
		}
	}
	if len(remove) > 0 && t == snapshot.Cluster {
		c.removeClusters(remove, send)
	} else if len(remove) > 0 {
		send(c.response(t, nil, remove))
	}
}

// sendClusters sends clusters and, right behind them, the endpoints of those
// whose CLA Envoy will not ask for: a modified cluster warms again and waits.
func (c *Conn) sendClusters(list []*snapshot.Resource, send func(*flight)) {
	send(c.response(snapshot.Cluster, list, nil))
	endpoints := &c.types[snapshot.Endpoints]
	for _, r := range list {
		if a, isNew := c.added[r.Name]; isNew {
			a.newest = c.seq
			c.added.put(r.Name, a)
		}
		if c.sent != nil {
			c.sent[r.Name] = struct{}{}
		}
		if isEDS(r) && endpoints.subscribed(r.Name) && ruleFollowCLA {
			endpoints.mustSend.put(r.Name, struct{}{})
		}
	}
	if endpoints.first && len(endpoints.mustSend) > 0 {
		c.nextEndpoints(send)
	}
}

// removable is which clusters may go now: not wanted, and for the grace named by
// nothing that this Envoy possibly runs.
func (c *Conn) removable(names []string) (gone []string) {
	st := &c.types[snapshot.Cluster]
	var candidates []string
	for _, n := range names {
		if c.want(snapshot.Cluster).Has(n) || st.grouped[n] > 0 {
			continue
		}
		if last, certain := st.last(n); last != nil || !certain {
			candidates = append(candidates, n)
		}
	}
	for n := range c.unneeded {
		if !slices.Contains(candidates, n) {
			c.unneeded.drop(n)
		}
	}
	if len(candidates) == 0 || ruleRoutesSeen && !c.types[snapshot.VirtualHost].first {
		return nil
	}
	pinned := c.pinned()
	for _, n := range candidates {
		if pinned(n) {
			c.unneeded.drop(n)
			continue
		}
		if _, ok := c.unneeded[n]; !ok {
			c.unneeded.put(n, c.now)
		}
		if c.after(c.unneeded[n], c.lingers(n)) {
			gone = append(gone, n)
		}
	}
	return gone
}

// lingers is how long a cluster stays that nothing names any more. One that is
// known by its version only stays for the grace.
func (c *Conn) lingers(cluster string) time.Duration {
	last, _ := c.types[snapshot.Cluster].last(cluster)
	if last == nil {
		return grace
	}
	return max(grace, last.Linger)
}

// pinned says of a cluster that is not in want whether a version of a virtual
// host or listener that this Envoy possibly runs names it. What is as wanted
// names only wanted clusters, since snapshots are closed; so it is enough to
// look at what differs, is in doubt or is in flight.
func (c *Conn) pinned() func(cluster string) bool {
	needs, everything := map[string]struct{}{}, false
	add := func(r *snapshot.Resource) {
		if r == nil {
			return
		}
		everything = everything || !known(r) && ruleUnknownPins
		for _, ref := range r.Needs {
			if ref.Type == snapshot.Cluster {
				needs[ref.Name] = struct{}{}
			}
		}
	}
	for _, t := range []snapshot.Type{snapshot.VirtualHost, snapshot.Listener} {
		st := &c.types[t]
		for change := range pmap.Diff(st.have, c.want(t)) {
			if change.HadOld {
				add(change.Old)
			}
		}
		for _, versions := range st.maybe {
			for _, r := range versions {
				add(r)
			}
		}
		for _, f := range st.flight {
			for _, r := range f.Resources {
				add(r)
			}
		}
	}
	return func(cluster string) bool {
		_, ok := needs[cluster]
		return (ok || everything) && rulePinned
	}
}

// live is live(c): requests can be routed to the cluster at this Envoy.
func (c *Conn) live(cluster string) bool {
	st := &c.types[snapshot.Cluster]
	if _, ok := c.early[cluster]; ok {
		return true
	}
	have := st.get(cluster)
	if have == nil {
		return false
	}
	if _, perhaps := st.absent(cluster); perhaps {
		return false
	}
	return (!c.needsEndpoints(cluster, have) || c.hasEndpoints(cluster)) && !c.lacksSecret(cluster, have)
}

// lacksSecret reports whether a cluster that Envoy has, r, waits for a secret, or has given up
// waiting: what it cannot show, it asks no endpoint with. If the bytes of r are not known
// here, the wanted version of the cluster decides.
func (c *Conn) lacksSecret(name string, r *snapshot.Resource) bool {
	if !known(r) {
		r, _ = c.want(snapshot.Cluster).Get(name)
	}
	return r != nil && slices.ContainsFunc(r.Pulls, c.owed)
}

// secretMoves reports whether a secret of a cluster is in flight, or the last that Envoy saw of
// it was rejected, or perhaps was: then it rejects each cluster that names it (M15). No timer
// ends that: the cluster serves on as it is.
func (c *Conn) secretMoves(r *snapshot.Resource) bool {
	if r == nil || r.Type != snapshot.Cluster || !ruleHoldCluster {
		return false
	}
	return slices.ContainsFunc(r.Pulls, func(ref snapshot.Ref) bool {
		if ref.Type != snapshot.Secret {
			return false
		}
		_, refused := c.refused[ref.Name]
		_, flying := c.types[ref.Type].flying(ref.Name)
		return refused || flying
	})
}

// isShown reports whether a cluster pulls a secret.
func isShown(r *snapshot.Resource) bool {
	return slices.ContainsFunc(r.Pulls, func(ref snapshot.Ref) bool { return ref.Type == snapshot.Secret })
}

// liveOrRejected is what a fresh Envoy's listener waits for.
func (c *Conn) liveOrRejected(cluster string) bool {
	want, ok := c.want(snapshot.Cluster).Get(cluster)
	return !ok || c.live(cluster) || c.isRejected(snapshot.Cluster, cluster, want.Version)
}

// trueClusters compares the clusters that Envoy is taken to have with those
// whose endpoints it asks for.
func (c *Conn) trueClusters(names Names) {
	clusters := &c.types[snapshot.Cluster]
	asked := make(map[string]struct{}, names.Len())
	for n := range names.All() {
		asked[n] = struct{}{}
		// A fresh Envoy has it because it was sent just now.
		if _, flying := clusters.flying(n); (c.returned || !flying) && clusters.get(n) == nil && ruleTrueClusters {
			clusters.doubt(n, unknown(snapshot.Cluster, n, "?"))
		}
	}
	for n, r := range clusters.have.All() { // the map as it was: iterating is safe
		_, there := asked[n]
		if _, sent := c.sent[n]; there || sent || !c.needsEndpoints(n, r) {
			continue
		}
		if known(r) {
			clusters.set(n, nil)
		} else {
			clusters.doubt(n, r, nil) // it may as well be of another type
		}
	}
}
