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
		c.beginVirtualHosts(reported)
	case snapshot.RouteConfiguration:
		c.beginRoutes(r)
	case snapshot.Secret:
		c.subscribe(t, r.names())
	case snapshot.ExtensionConfig:
		c.beginExtensions(r)
	case snapshot.Listener:
		c.beginListeners(reported)
	}
}

// subscribe notes the names of a first request: those without a version must be sent.
func (c *Conn) subscribe(t snapshot.Type, names Names) {
	if c.exactly(t, names) {
		return
	}
	st := &c.types[t]
	for n := range names.All() {
		if !st.have.Has(n) {
			st.subs.put(n, c.seq)
			st.mustSend.put(n, struct{}{})
		}
	}
}

// adopt initialises have from the versions that Envoy reports. If they match the target,
// or an earlier snapshot that we still keep, have shares that snapshot's map.
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

// recognise finds the snapshot whose names and versions of a type are exactly those that
// Envoy reports: the target, or, of clusters and endpoints only, the newest earlier one
// that we still keep. Virtual hosts and listeners of an Envoy that has been away are
// taken one by one instead: for those it matters what was acknowledged on this stream.
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
