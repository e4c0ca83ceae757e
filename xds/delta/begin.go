package delta

import (
	"strings"

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
			n = strings.Clone(n)
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
			n = strings.Clone(n)
			st.set(n, unknown(t, n, strings.Clone(v)))
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
	clusters, names := &c.types[snapshot.Cluster], r.names()
	if !clusters.have.Same(c.want(snapshot.Cluster)) || !c.exactly(snapshot.Endpoints, names) {
		c.subscribe(snapshot.Endpoints, names)
		if clusters.first {
			c.trueClusters(names)
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

// exactly says whether Envoy has all that is wanted of type t, and names are
// the names of that: then a subscription to them says nothing new.
func (c *Conn) exactly(t snapshot.Type, names Names) bool {
	have := c.types[t].have
	return have.Same(c.want(t)) && names.Len() == have.Len() && names.Sum() == c.target.NameSum(t)
}

// trueClusters compares the clusters that Envoy is taken to have with those
// whose endpoints it asks for.
func (c *Conn) trueClusters(names Names) {
	clusters := &c.types[snapshot.Cluster]
	real := make(map[string]struct{}, names.Len())
	for n := range names.All() {
		real[n] = struct{}{}
		// A fresh Envoy has it because it was sent just now.
		if _, flying := clusters.flying(n); (c.returned || !flying) && clusters.get(n) == nil && c.with(ruleTrueClusters) {
			n = strings.Clone(n)
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
