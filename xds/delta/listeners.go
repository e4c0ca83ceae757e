package delta

import (
	"maps"
	"slices"
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// nextListeners is step 5: one listener in flight, when listenerMayGo. A removal waits
// only for those that need it.
func (c *Conn) nextListeners(send func(*flight)) {
	const t = snapshot.Listener
	st := &c.types[t]
	waits := map[string]bool{}
	for _, n := range c.differing(t) {
		want, pending := c.pending(t, n)
		if !pending || len(st.flight) > 0 {
			continue
		}
		switch {
		case want == nil && c.holds(n):
		case want == nil:
			send(c.response(t, nil, []string{n}))
		case c.listenerMayGo(want):
			send(c.response(t, []*snapshot.Resource{want}, nil))
		default:
			waits[n] = true
		}
	}
	c.retryListeners(send)
	if len(st.flight) == 0 { // one that no longer waits begins anew the next time
		maps.DeleteFunc(c.modifySince, func(n string, _ time.Time) bool { return !waits[n] })
	}
}

func (c *Conn) listenerMayGo(want *snapshot.Resource) bool {
	st := &c.types[snapshot.Listener]
	for _, ref := range want.Needs {
		switch {
		case ref.Type == snapshot.Cluster && !c.liveOrRejected(ref.Name):
			return false
		case ref.Type == snapshot.Listener && !st.have.Has(ref.Name) && ruleHolder:
			return false // nothing makes up for it, so there is no timer, either
		}
	}
	if c.configsMove(want) || c.secretsDue(want) {
		return false
	}
	have := st.get(want.Name)
	switch {
	case have == nil && !c.returned:
		return c.warm() || c.after(st.firstAt, patience)
	case have == nil:
		return true
	case c.types[snapshot.VirtualHost].first && c.mayDrop(have, want):
		return true
	}
	since, waiting := c.modifySince[want.Name]
	if !waiting {
		since = c.now
		c.modifySince.put(want.Name, since)
	}
	if !c.after(since, patience) || c.routesMove() {
		return false
	}
	// One host whose routes Envoy rejects must not hold every other host's chain.
	c.counters.Forced++
	return true
}

// secretsDue reports whether a listener that Envoy has rejected once would go again before
// all the secrets that are pushed for that (rule 6.5): at most maxFlight of them are on their
// way at a time, and one that was already is pushed again after its answer. What is not known
// here by its bytes is not waited for.
func (c *Conn) secretsDue(listener *snapshot.Resource) bool {
	if _, again := c.rejectedOnce[onceOf(listener)]; !again {
		return false
	}
	st := &c.types[snapshot.Secret]
	return slices.ContainsFunc(listener.Pulls, func(ref snapshot.Ref) bool {
		if _, due := st.mustSend[ref.Name]; ref.Type != snapshot.Secret || !due {
			return false
		}
		want := c.desired(ref.Type, ref.Name)
		return want != nil && known(want)
	})
}

// holds reports whether another listener of Envoy needs this one. Of an unknown version,
// what is wanted speaks for it.
func (c *Conn) holds(name string) bool {
	ref := snapshot.Ref{Type: snapshot.Listener, Name: name}
	for n, r := range c.types[snapshot.Listener].have.All() {
		if !known(r) {
			r, _ = c.want(snapshot.Listener).Get(n)
		}
		if r != nil && slices.Contains(r.Needs, ref) {
			return true
		}
	}
	return false
}

// routesMove reports whether virtual hosts are on their way or about to be.
func (c *Conn) routesMove() bool {
	if len(c.types[snapshot.VirtualHost].flight) > 0 {
		return true
	}
	if !c.routesMayGo() {
		return false // Envoy waits for a route configuration: none can go, however long a listener waits
	}
	add, remove, _ := c.eligible(c.differing(snapshot.VirtualHost))
	return len(add)+len(remove) > 0
}

// warm reports whether every wanted cluster is live or rejected. It goes on where
// it stopped the last time, so that a first load costs O(clusters) in all.
func (c *Conn) warm() bool {
	for n := range c.want(snapshot.Cluster).From(c.warmUpTo) {
		if !c.liveOrRejected(n) {
			c.warmUpTo = n
			return false
		}
	}
	return true
}

// mayDrop reports whether the chains that want lacks may go. They may not while Envoy
// possibly runs a virtual host that redirects to one of them, nor in the first seconds of
// an Envoy that has returned: this replica may lag, and not have seen them yet.
func (c *Conn) mayDrop(have, want *snapshot.Resource) bool {
	if known(have) && !slices.ContainsFunc(have.Chains, func(host string) bool { return !want.HasChain(host) }) {
		return true
	}
	if c.returned && !c.after(c.types[snapshot.Listener].firstAt, removalDelay) {
		return false
	}
	return !c.unanswered(want)
}

// unanswered reports whether a virtual host that Envoy possibly runs redirects to a
// chain that want lacks. A virtual host that is already as wanted needs only wanted
// chains. One that will redirect to another chain of want does not block the listener:
// that chain serves the same names (the host's own instead of a wildcard's), and the
// virtual host itself is held until the chain is live.
func (c *Conn) unanswered(want *snapshot.Resource) bool {
	st := &c.types[snapshot.VirtualHost]
	waits := func(r *snapshot.Resource) bool {
		if !known(r) {
			return ruleUnknownPins
		}
		next, ok := c.want(r.Type).Get(r.Name)
		return redirects(r, nil) && !redirects(r, want) && !(ok && redirects(next, want))
	}
	for change := range pmap.Diff(st.have, c.want(snapshot.VirtualHost)) {
		if change.HadOld && waits(change.Old) {
			return true
		}
	}
	return slices.ContainsFunc(st.flight, func(f *flight) bool { return slices.ContainsFunc(f.Resources, waits) })
}

// redirects reports whether a virtual host redirects to a chain of listener; nil: to
// any.
func redirects(r, listener *snapshot.Resource) bool {
	return slices.ContainsFunc(r.Needs, func(ref snapshot.Ref) bool {
		return ref.Type == snapshot.Chain && (listener == nil || listener.HasChain(ref.Name))
	})
}

// chains remembers how many of a listener's pulls were found served, so that a
// listener of n chains is looked through once and not once per virtual host.
type chains struct {
	listener *snapshot.Resource
	served   int
}

// liveChain is live(chain h). A listener serves a new version only when every secret and
// HTTP configuration of it is there (M10), so all of them are asked for.
func (c *Conn) liveChain(host string) bool {
	st := &c.types[snapshot.Listener]
	if len(st.flight) > 0 {
		return false
	}
	for _, r := range st.have.All() {
		if r.HasChain(host) {
			return c.served(r)
		}
	}
	return false
}

func (c *Conn) served(listener *snapshot.Resource) bool {
	if c.complete.listener != listener {
		c.complete = chains{listener: listener}
	}
	for _, ref := range listener.Pulls[c.complete.served:] {
		if awaited(ref) && !c.types[ref.Type].have.Has(ref.Name) {
			return false
		}
		c.complete.served++
	}
	return true
}

// awaited reports whether a chain serves nobody without what its listener pulls.
func awaited(ref snapshot.Ref) bool {
	return ref.Type == snapshot.Secret || ref.Type == snapshot.ExtensionConfig && ruleLiveConfig
}

// listenersWait reports whether Envoy owes an answer to a listener, or has asked for a secret
// or HTTP configuration of one and has neither acknowledged nor rejected it.
func (c *Conn) listenersWait() bool {
	listeners := &c.types[snapshot.Listener]
	for _, r := range listeners.have.All() {
		if slices.ContainsFunc(r.Pulls, c.owed) {
			return true
		}
	}
	return len(listeners.flight) > 0
}

// owed reports whether ref is a secret or HTTP configuration that Envoy has asked for and
// neither acknowledged nor rejected.
func (c *Conn) owed(ref snapshot.Ref) bool {
	if !awaited(ref) {
		return false
	}
	want, wanted := c.want(ref.Type).Get(ref.Name)
	st := &c.types[ref.Type]
	return wanted && st.subscribed(ref.Name) && !st.have.Has(ref.Name) && !c.isRejected(ref.Type, ref.Name, want.Version)
}
