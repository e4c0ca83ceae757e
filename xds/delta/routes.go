package delta

import (
	"maps"
	"slices"
	"strings"

	"legation.dev/xds/snapshot"
)

// nextVirtualHosts is step 6: one response in flight, spaced, since Envoy
// rebuilds its whole route table for each.
func (c *Conn) nextVirtualHosts(send func(*flight)) {
	const t = snapshot.VirtualHost
	st := &c.types[t]
	if len(st.flight) > 0 || !c.routesMayGo() {
		return
	}
	if len(st.groups) > 0 {
		add, remove := c.nextGroup(t)
		add = slices.DeleteFunc(add, func(r *snapshot.Resource) bool { return !c.routeMayGo(r) })
		if len(add)+len(remove) > 0 {
			send(c.response(t, add, remove))
			return
		}
	}
	if c.firstRoutes && c.stillHeld() && !c.overdue() {
		return
	}
	names := c.differing(t)
	if len(names) == 0 && !c.firstRoutes {
		return
	}
	if !c.firstRoutes && !c.after(c.routesDone, min(maxGap, gapFactor*c.routesTook)) {
		return
	}
	add, remove, held := c.eligible(names)
	if c.firstRoutes {
		c.sendFirst(add, held, len(names), send)
		return
	}
	add, suspects := c.separate(add)
	if len(add)+len(remove) == 0 && len(suspects) > 0 {
		add = suspects[:1]
	}
	if len(add)+len(remove) == 0 {
		return
	}
	f := c.response(t, firstChunk(add, maxBytes), remove)
	c.all(f, len(names))
	send(f)
}

// routesMayGo reports whether every route configuration that Envoy asked for is
// there: virtual hosts without it are dropped (M11).
func (c *Conn) routesMayGo() bool {
	rc := &c.types[snapshot.RouteConfiguration]
	return rc.first && len(rc.subs) == 0 && rc.have.Len() > 0
}

// eligible decides for each named virtual host whether it may go now (step 6.2): add are
// to be sent, remove are to be removed, and the rest waits. held reports whether one
// waits for a cluster or a chain that is not live yet; c.holdup is then its name. Two
// other reasons to wait do not count as held: Envoy has not asked for the route
// configuration (rule 4.3), or it is too early after a reconnect to remove (step 6.6).
func (c *Conn) eligible(names []string) (add []*snapshot.Resource, remove []string, held bool) {
	const t = snapshot.VirtualHost
	for _, n := range names {
		want, pending := c.pending(t, n)
		switch {
		case !pending:
		case want != nil && !c.types[snapshot.RouteConfiguration].have.Has(routesOf(n)): // no listener has asked for its routes (M11)
		case want == nil:
			if c.returned && !c.after(c.types[t].firstAt, removalDelay) {
				continue
			}
			remove = append(remove, n)
		case c.routeMayGo(want):
			add = append(add, want)
		default:
			held, c.holdup = true, n
		}
	}
	return add, remove, held
}

// stillHeld reports whether the virtual host that was last found to hold up the first
// routes still does. It saves work: without it, each acknowledgement of one of a thousand
// secrets at a first load would look at all virtual hosts.
func (c *Conn) stillHeld() bool {
	want, pending := c.pending(snapshot.VirtualHost, c.holdup)
	return pending && want != nil && !c.routeMayGo(want)
}

// routeMayGo reports whether all clusters and the chain that the virtual host needs are
// live. A new virtual host may also go if one of its clusters was rejected, so that its
// other routes work.
func (c *Conn) routeMayGo(r *snapshot.Resource) bool {
	isNew := c.types[snapshot.VirtualHost].get(r.Name) == nil
	for _, ref := range r.Needs {
		switch ref.Type {
		case snapshot.Chain:
			if !c.liveChain(ref.Name) {
				return false
			}
		case snapshot.Cluster:
			want, ok := c.want(ref.Type).Get(ref.Name)
			if ok && !c.live(ref.Name) && !(isNew && c.isRejected(ref.Type, ref.Name, want.Version)) {
				return false
			}
		}
	}
	return true
}

// sendFirst sends the first response of a new route configuration. It has all virtual
// hosts, since Envoy serves from then on, except for suspects: if Envoy rejected the
// response, it would have no routes at all.
func (c *Conn) sendFirst(add []*snapshot.Resource, held bool, differing int, send func(*flight)) {
	const t = snapshot.VirtualHost
	if held && !c.overdue() {
		return
	}
	add, _ = c.separate(add)
	c.firstRoutes = false
	add = firstChunk(add, maxFirstBytes)
	none := c.without(add)
	f := c.response(t, add, none)
	if len(none) == 0 {
		c.all(f, differing)
	}
	send(f)
}

// overdue reports whether the first routes have waited long enough. The time begins anew
// as long as Envoy owes an answer to something else that its listeners wait for: it serves
// nobody before, and when that has come it would answer 404 for the hosts that were left
// out.
func (c *Conn) overdue() bool {
	if !c.after(c.routesSince, patience) {
		return false
	}
	if !c.listenersWait() {
		return true
	}
	c.routesSince = c.now
	return c.after(c.routesSince, patience)
}

// without returns a name that no virtual host has for each route configuration that has
// no virtual host and gets none in add. The response removes these names, which tells
// Envoy that the route configuration is complete although it is empty.
func (c *Conn) without(add []*snapshot.Resource) (none []string) {
	have := c.types[snapshot.VirtualHost].have
	for routes := range c.types[snapshot.RouteConfiguration].have.All() {
		got := slices.ContainsFunc(add, func(r *snapshot.Resource) bool { return routesOf(r.Name) == routes })
		for range have.Prefix(routes + "/") {
			got = true
			break
		}
		if !got {
			none = append(none, routes+"/none")
		}
	}
	return none
}

// separate splits list into suspects, which are versions that another Envoy of the
// fleet rejected, and all others.
func (c *Conn) separate(list []*snapshot.Resource) (fit, suspects []*snapshot.Resource) {
	for _, r := range list {
		if c.suspect(r) {
			suspects = append(suspects, r)
		} else {
			fit = append(fit, r)
		}
	}
	return fit, suspects
}

// nextRouteConfigurations is step 4: one per response.
func (c *Conn) nextRouteConfigurations(send func(*flight)) {
	const t = snapshot.RouteConfiguration
	for _, n := range c.differing(t) {
		if want, ok := c.pendingNamed(t, n); ok && want != nil && !c.full(t) && c.mayReturn(n) {
			c.dropStale(n, send)
			send(c.response(t, []*snapshot.Resource{want}, nil))
		}
	}
}

// mayReturn reports whether a route configuration may be sent: what Envoy reports of
// the virtual hosts under it must be known, if it is going to report any.
func (c *Conn) mayReturn(routes string) bool {
	_, isNew := c.newcomers[routes]
	return !isNew || !c.returned || c.types[snapshot.RouteConfiguration].have.Len() == 0
}

// dropStale has Envoy forget the versions of virtual hosts that it dropped with their
// route configuration. If this stream broke between that and the first of them, the
// next could not tell that Envoy has none.
func (c *Conn) dropStale(routes string, send func(*flight)) {
	var names []string
	for name := range c.stale {
		if routesOf(name) == routes {
			names = append(names, name)
			c.stale.drop(name)
		}
	}
	if len(names) > 0 {
		send(c.response(snapshot.VirtualHost, nil, names))
	}
}

// dropOrphans is dropStale for a route configuration that Envoy does not ask for any
// more.
func (c *Conn) dropOrphans(send func(*flight)) {
	if len(c.types[snapshot.VirtualHost].flight) > 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.stale)) {
		if routes := routesOf(name); !c.types[snapshot.RouteConfiguration].subscribed(routes) {
			c.dropStale(routes, send)
		}
	}
}

// newRoutes is rule 4: Envoy starts to use a route configuration, and has none of the
// virtual hosts under it, even if they were sent before or are reported.
func (c *Conn) newRoutes(routes string) {
	st := &c.types[snapshot.VirtualHost]
	if !st.first {
		c.newcomers.put(routes, struct{}{})
	}
	under := func(name string) bool { return routesOf(name) == routes }
	names := st.dropHave(routes + "/")
	if !st.carries(under) && !c.types[snapshot.RouteConfiguration].carries(func(name string) bool { return name == routes }) {
		for _, name := range names {
			c.stale.put(name, struct{}{})
		}
	}
	for name := range st.maybe {
		if under(name) {
			st.maybe.drop(name)
		}
	}
	st.ungroup(under)
	for _, f := range st.flight {
		for _, r := range f.Resources {
			if under(r.Name) {
				f.disown(r.Name)
			}
		}
		for _, n := range f.Removed {
			if under(n) {
				f.disown(n)
			}
		}
	}
	c.firstRoutes, c.routesSince = true, c.now
}

// routesOf is the route configuration of a virtual host: what is before the last
// slash of its name.
func routesOf(virtualHost string) string {
	return virtualHost[:max(strings.LastIndexByte(virtualHost, '/'), 0)]
}

// carries reports whether a response without answer adds one of those names, superseded
// or not.
func (st *state) carries(those func(name string) bool) bool {
	return slices.ContainsFunc(st.flight, func(f *flight) bool {
		return slices.ContainsFunc(f.Resources, func(r *snapshot.Resource) bool { return those(r.Name) })
	})
}

// dropHave forgets what Envoy has under names that begin with prefix, and returns these
// names. Mostly these are all names that Envoy has, which is the fast case.
func (st *state) dropHave(prefix string) (names []string) {
	for name := range st.have.Prefix(prefix) {
		names = append(names, name)
	}
	if len(names) == st.have.Len() {
		st.have, st.unknown = resources{}, nil
		return names
	}
	for _, name := range names {
		st.set(name, nil)
	}
	return names
}

// ungroup takes the names for which out is true out of the groups that are still to be
// sent to find a bad resource.
func (st *state) ungroup(out func(name string) bool) {
	groups := st.groups
	st.groups, st.grouped = nil, nil
	for _, group := range groups {
		st.isolate(slices.DeleteFunc(group, func(s suspect) bool { return out(s.name) }))
	}
}

// beginRoutes learns from the first RDS request which route configurations are new, and
// which Envoy only reports: it dropped them before their last response came.
func (c *Conn) beginRoutes(r Request) {
	const t = snapshot.RouteConfiguration
	st := &c.types[t]
	c.subscribe(t, r.names())
	named := slices.Collect(r.names().All())
	for routes := range st.have.All() { // the map as it was: iterating is safe
		if !slices.Contains(named, routes) {
			st.set(routes, nil)
		}
	}
	for routes := range st.mustSend {
		c.newRoutes(routes)
	}
}

// beginVirtualHosts learns from the first VHDS request. What it reports under a route
// configuration that Envoy does not have yet, Envoy had under an earlier one.
func (c *Conn) beginVirtualHosts(reported bool) {
	c.routesSince = c.now
	for routes := range c.newcomers {
		c.newRoutes(routes)
	}
	c.newcomers = nil
	if !reported || len(c.without(nil)) > 0 {
		c.firstRoutes = true
	}
}
