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
	case t == snapshot.Endpoints && !c.types[snapshot.Cluster].first && c.with(ruleEDSFirst):
		// Envoy holds CDS back because something warms, perhaps for a CLA that it
		// is said to have: every subscribed CLA is sent.
	default:
		c.adopt(t, r.Initial)
	}
	switch t {
	case snapshot.Cluster:
		if c.types[snapshot.Endpoints].first { // held back until nothing warmed (M4)
			c.trueClusters(c.types[snapshot.Endpoints].subscriptions())
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
		c.subscribe(t, r.Subscribe)
	}
}

// subscribe notes the names of a first request: those without a version are owed.
func (c *Conn) subscribe(t snapshot.Type, names []string) {
	st := &c.types[t]
	for _, n := range names {
		if !st.have.Has(n) {
			st.subs.put(n, c.seq)
			st.owed.put(n, struct{}{})
		}
	}
}

func (c *Conn) beginRoutes(r Request) {
	c.subscribe(snapshot.RouteConfiguration, r.Subscribe)
	if len(c.types[snapshot.RouteConfiguration].owed) > 0 {
		c.newRoutes()
	}
}

// adopt makes have of the versions that Envoy reports. If they are what the
// target holds, have is the target's own map.
func (c *Conn) adopt(t snapshot.Type, reported Versions) {
	st := &c.types[t]
	want := c.want(t)
	if reported.Len() == want.Len() && reported.Sum() == c.target.VersionSum(t) {
		st.have = want
		return
	}
	names := make(map[string]struct{}, reported.Len())
	st.have = want
	for n, v := range reported.All() {
		names[n] = struct{}{}
		if r, ok := want.Get(n); !ok || r.Version != v {
			st.set(n, unknown(t, n, v))
			c.learn(t, n)
		}
	}
	for n := range want.All() {
		if _, ok := names[n]; !ok {
			st.have = st.have.Delete(n)
		}
	}
}

// beginEndpoints learns from the names of the first EDS request which clusters
// Envoy really has: CDS versions lie after a partly applied rejection (M6).
func (c *Conn) beginEndpoints(r Request) {
	clusters := &c.types[snapshot.Cluster]
	if !c.exactly(r.Subscribe) {
		c.subscribe(snapshot.Endpoints, r.Subscribe)
		if clusters.first {
			c.trueClusters(r.Subscribe)
		}
	}
	if c.with(ruleSentCLA) {
		for n := range c.sent {
			if c.types[snapshot.Endpoints].subscribed(n) {
				c.types[snapshot.Endpoints].owed.put(n, struct{}{})
			}
		}
	}
	c.sent = nil
}

// exactly says whether names are those of all EDS clusters that Envoy is taken
// to have, and each of them has its CLA: then there is nothing to learn.
func (c *Conn) exactly(names []string) bool {
	clusters, cla := c.types[snapshot.Cluster].have, c.types[snapshot.Endpoints].have
	if !cla.Same(c.want(snapshot.Endpoints)) || !clusters.Same(c.want(snapshot.Cluster)) || len(names) != cla.Len() {
		return false
	}
	var sum snapshot.VersionSum
	for _, n := range names {
		sum.Add(n, "")
	}
	return sum == c.target.NameSum(snapshot.Endpoints)
}

func (c *Conn) trueClusters(names []string) {
	clusters := &c.types[snapshot.Cluster]
	real := make(map[string]struct{}, len(names))
	for _, n := range names {
		real[n] = struct{}{}
		// A fresh Envoy has it because it was sent just now.
		if _, flying := clusters.flying(n); (c.returned || !flying) && clusters.get(n) == nil && c.with(ruleTrueClusters) {
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
