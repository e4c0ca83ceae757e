package delta

import (
	"slices"

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
	if c.firstRoutes && c.stillHeld() && !c.after(c.routesSince, patience) {
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
		c.sendFirst(add, held, send)
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

// routesMayGo says whether every route configuration that Envoy asked for is
// there: virtual hosts without it are dropped (M11).
func (c *Conn) routesMayGo() bool {
	rc := &c.types[snapshot.RouteConfiguration]
	return rc.first && len(rc.subs) == 0 && rc.have.Len() > 0
}

// eligible divides what is pending into what may go now; held says that
// something must wait.
func (c *Conn) eligible(names []string) (add []*snapshot.Resource, remove []string, held bool) {
	const t = snapshot.VirtualHost
	for _, n := range names {
		want, pending := c.pending(t, n)
		switch {
		case !pending:
		case want == nil:
			if c.returned && !c.after(c.types[t].firstAt, settle) {
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

// stillHeld says whether the virtual host that was found to hold up the first
// routes does so still: else each of the thousand secrets of a first load would
// have all virtual hosts looked at.
func (c *Conn) stillHeld() bool {
	want, pending := c.pending(snapshot.VirtualHost, c.holdup)
	return pending && want != nil && !c.routeMayGo(want)
}

// routeMayGo says whether each thing that the virtual host needs is live. A new
// host is sent although one of its clusters was rejected.
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

// sendFirst sends the first response of a new route configuration: all its
// virtual hosts, since Envoy serves from then on; but nothing suspect, since a
// rejection would leave Envoy with no routes.
func (c *Conn) sendFirst(add []*snapshot.Resource, held bool, send func(*flight)) {
	const t = snapshot.VirtualHost
	if held && !c.after(c.routesSince, patience) {
		return
	}
	add, _ = c.separate(add)
	c.firstRoutes = false
	if len(add) == 0 {
		send(c.response(t, nil, []string{c.none()}))
		return
	}
	f := c.response(t, firstChunk(add, maxFirstBytes), nil)
	c.all(f, c.want(t).Len())
	send(f)
}

// none is the name of no virtual host: its removal tells Envoy that the route
// configuration is complete although empty.
func (c *Conn) none() string {
	for name := range c.types[snapshot.RouteConfiguration].have.All() {
		return name + "/none"
	}
	return "none"
}

// separate takes out the versions that another Envoy of the fleet rejected.
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

func (c *Conn) beginRoutes(r Request) {
	c.subscribe(snapshot.RouteConfiguration, r.names())
	if len(c.types[snapshot.RouteConfiguration].owed) > 0 {
		c.newRoutes()
	}
}

// nextRouteConfigurations is step 4: one per response.
func (c *Conn) nextRouteConfigurations(send func(*flight)) {
	const t = snapshot.RouteConfiguration
	for _, n := range c.differing(t) {
		if want, ok := c.pendingNamed(t, n); ok && want != nil && !c.full(t) {
			send(c.response(t, []*snapshot.Resource{want}, nil))
		}
	}
}

// newRoutes is rule 4: Envoy has a route configuration that it did not have, and
// none of its virtual hosts.
func (c *Conn) newRoutes() {
	st := &c.types[snapshot.VirtualHost]
	st.have, st.unknown = resources{}, nil
	st.maybe, st.groups, st.grouped = nil, nil, nil
	for _, f := range st.flight {
		for _, r := range f.Resources {
			f.disown(r.Name)
		}
		for _, n := range f.Removed {
			f.disown(n)
		}
	}
	c.firstRoutes, c.routesSince = true, c.now
}
