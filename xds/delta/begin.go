package delta

import (
	"legation.dev/xds/snapshot"
)

// begin is rule 2: the first request of a type says what Envoy has.
func (c *Conn) begin(t snapshot.Type, r Request) {
	st := &c.types[t]
	st.first, st.firstAt = true, c.now
	reported := r.Initial != nil && r.Initial.Len() > 0
	if reported {
		c.returned = true
	}
	switch {
	case !reported:
	case t == snapshot.Endpoints && !c.types[snapshot.Cluster].first && ruleEDSFirst:
		// Envoy holds CDS back because something warms, perhaps for a CLA that it
		// is said to have: every subscribed CLA is sent.
	default:
		c.adopt(t, r)
	}
	switch t {
	case snapshot.Cluster:
		if c.types[snapshot.Endpoints].first { // held back until nothing warmed (M4)
			c.trueClusters(List(c.types[snapshot.Endpoints].subscriptions()))
		}
	case snapshot.Endpoints:
		c.beginEndpoints(r)
	case snapshot.VirtualHost:
		c.routesSince = c.now
		if !reported {
			c.firstRoutes = true
		}
	case snapshot.RouteConfiguration:
		c.beginRoutes(r)
	case snapshot.Secret:
		c.subscribe(t, r.names())
	}
}

// subscribe notes the names of a first request: those without a version are owed.
func (c *Conn) subscribe(t snapshot.Type, names Names) {
	if c.exactly(t, names) {
		return
	}
	st := &c.types[t]
	for n := range names.All() {
		if !st.have.Has(n) {
			st.subs.put(n, c.seq)
			st.owed.put(n, struct{}{})
		}
	}
}

func (c *Conn) beginRoutes(r Request) {
	c.subscribe(snapshot.RouteConfiguration, r.names())
	if len(c.types[snapshot.RouteConfiguration].owed) > 0 {
		c.newRoutes()
	}
}

// adopt makes have of the versions that Envoy reports. If they are what the target
// holds, or held, have is the target's own map.
func (c *Conn) adopt(t snapshot.Type, r Request) {
	st := &c.types[t]
	if s, ok := c.recognise(t, r); ok {
		st.have = s.Of(t)
		st.adopted = adoption{st.have, s.NameSum(t), s.NameSum(snapshot.Endpoints)}
		return
	}
	want := c.want(t)
	names, same := make(map[string]struct{}, r.Initial.Len()), true
	st.have = want
	for n, v := range r.Initial.All() {
		names[n] = struct{}{}
		if r, ok := want.Get(n); !ok || r.Version != v {
			same = same && ok
			st.set(n, unknown(t, n, v))
			c.learn(t, n)
		}
	}
	for n := range want.All() {
		if _, ok := names[n]; !ok {
			same = false
			st.have = st.have.Delete(n)
		}
	}
	if same {
		st.adopted = adoption{st.have, c.target.NameSum(t), c.target.NameSum(snapshot.Endpoints)}
	}
}

// adoption is what Envoy reported of a type, if that is what a target holds, or has the
// same names.
type adoption struct {
	have   resources  // as it was then
	names  VersionSum // of have
	pulled VersionSum // of the endpoints of that target
}

// recognise is the target if it has what Envoy reports of a type; or, of clusters and
// endpoints, the newest one before it that has: of virtual hosts and listeners an
// Envoy that has been away is trusted less than one that has acknowledged them here.
func (c *Conn) recognise(t snapshot.Type, r Request) (s snapshot.Snapshot, ok bool) {
	holds := func(s snapshot.Snapshot) bool {
		return s.Of(t).Len() == r.Initial.Len() && s.VersionSum(t) == r.Initial.Sum()
	}
	if holds(c.target) {
		return c.target, true
	}
	if t != snapshot.Cluster && t != snapshot.Endpoints {
		return s, false
	}
	seen := c.want(t) // what was compared last: the next one is often the same
	for _, s := range r.Past {
		if m := s.Of(t); !m.Same(seen) {
			if seen = m; holds(s) {
				return s, true
			}
		}
	}
	return s, false
}

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
				c.types[snapshot.Endpoints].owed.put(n, struct{}{})
			}
		}
	}
	c.sent = nil
}

// exactly says whether names are those of what Envoy has just reported of type t:
// then a subscription to them says nothing new.
func (c *Conn) exactly(t snapshot.Type, names Names) bool {
	a := &c.types[t].adopted
	return names.Sum() == a.names && c.types[t].have.Same(a.have)
}

// pulled says whether names are those of the endpoints that Envoy's clusters pull, as
// far as sums tell: those of a target, where each cluster of type EDS has its own.
func (c *Conn) pulled(names Names) bool {
	clusters := &c.types[snapshot.Cluster]
	if clusters.have.Same(c.want(snapshot.Cluster)) {
		return names.Sum() == c.target.NameSum(snapshot.Endpoints)
	}
	return names.Sum() == clusters.adopted.pulled && clusters.have.Same(clusters.adopted.have)
}

// trueClusters compares the clusters that Envoy is taken to have with those
// whose endpoints it asks for.
func (c *Conn) trueClusters(names Names) {
	clusters := &c.types[snapshot.Cluster]
	real := make(map[string]struct{}, names.Len())
	for n := range names.All() {
		real[n] = struct{}{}
		// A fresh Envoy has it because it was sent just now.
		if _, flying := clusters.flying(n); (c.returned || !flying) && clusters.get(n) == nil && ruleTrueClusters {
			clusters.doubt(n, unknown(snapshot.Cluster, n, "?"))
		}
	}
	for n, r := range clusters.have.All() { // the map as it was: iterating is safe
		_, there := real[n]
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

// needsEndpoints says whether a cluster that Envoy has is of type EDS, as far as
// is known: of an unknown version, what is wanted speaks for it.
func (c *Conn) needsEndpoints(name string, r *snapshot.Resource) bool {
	if !known(r) {
		r, _ = c.want(snapshot.Cluster).Get(name)
	}
	return r != nil && isEDS(r)
}

// isEDS says whether a cluster pulls its endpoints.
func isEDS(r *snapshot.Resource) bool {
	return r.Pulled(snapshot.Ref{Type: snapshot.Endpoints, Name: r.Name})
}
