package delta

import (
	"slices"
	"time"

	"legation.dev/xds/snapshot"
)

// Outcome says how a request answers an earlier response.
type Outcome uint8

// The outcomes. None: the request has no nonce, so it answers no response.
const (
	None Outcome = iota
	ACK
	NACK
	Stale       // no response with this nonce waits for an answer
	UnknownType // the type is not served here
)

// Event is what a request meant, for logs and counters.
type Event struct {
	Outcome Outcome
	Type    snapshot.Type
	// Rejected has the resources of the rejected response, for a NACK.
	Rejected []*snapshot.Resource
	// Alone reports whether the rejected response held a single resource or removal. A
	// NACK does not say which resource Envoy rejects; with a single one it is known.
	Alone   bool
	Message string // Envoy's error text, for a NACK
}

// Receive takes one request of Envoy. Call Next afterwards.
func (c *Conn) Receive(r Request, now time.Time) Event {
	t, ok := snapshot.TypeOf(r.URL)
	if !ok {
		c.counters.UnknownTypes++
		return Event{Outcome: UnknownType}
	}
	c.now = now
	c.seq++
	if st := &c.types[t]; !st.first {
		c.begin(t, r)
	} else if r.Subscribe != nil || r.Unsubscribe != nil {
		c.resubscribe(t, r)
	}
	if r.Nonce == "" {
		return Event{Type: t}
	}
	return c.answer(t, r)
}

// resubscribe is rule 3: what is subscribed anew must be sent, whatever was sent.
func (c *Conn) resubscribe(t snapshot.Type, r Request) {
	if t.Wildcard() {
		return // a wildcard subscription has no names
	}
	for _, n := range r.Unsubscribe {
		c.forget(t, n)
		c.types[t].subs.drop(n)
	}
	for n := range r.names().All() {
		c.forget(t, n)
		c.types[t].subs.put(n, c.seq)
		c.types[t].mustSend.put(n, struct{}{})
		if t == snapshot.RouteConfiguration {
			c.newRoutes(n)
		}
	}
}

// forget drops what is known of name, and voids it in what is in flight.
func (c *Conn) forget(t snapshot.Type, name string) {
	st := &c.types[t]
	st.set(name, nil)
	st.maybe.drop(name)
	st.mustSend.drop(name)
	switch t {
	case snapshot.Endpoints:
		if a, isNew := c.added[name]; isNew {
			a.subscribed = 0
			c.added.put(name, a)
		}
	case snapshot.Secret:
		c.complete = chains{}
		c.refused.drop(name)
	case snapshot.ExtensionConfig:
		c.complete = chains{}
		c.spoiled.drop(name)
	}
	for _, f := range st.flight {
		f.disown(name)
	}
}

func (f *flight) disown(name string) {
	if _, ok := f.lookUp(name); !ok {
		return
	}
	if f.superseded == nil {
		f.superseded = map[string]struct{}{}
	}
	f.superseded[name] = struct{}{}
}

// answer is rules 5 to 7.
func (c *Conn) answer(t snapshot.Type, r Request) Event {
	f := c.take(t, r.Nonce)
	if f == nil {
		c.counters.Stale++
		return Event{Outcome: Stale, Type: t}
	}
	c.types[t].took = c.now.Sub(f.at)
	if t == snapshot.VirtualHost {
		c.routesTook, c.routesDone = c.now.Sub(f.at), c.now
	}
	if r.Error == nil {
		c.acknowledge(t, f)
		return Event{Outcome: ACK, Type: t}
	}
	e := Event{Outcome: NACK, Type: t, Rejected: f.Resources, Message: r.Error.Message}
	e.Alone = len(f.Resources)+len(f.Removed) == 1
	if e.Alone {
		c.rejectOne(t, f, r.Error.Message)
	} else {
		c.rejectMany(t, f)
	}
	return e
}

// take removes the flight of that nonce from its queue.
func (c *Conn) take(t snapshot.Type, nonce string) *flight {
	st := &c.types[t]
	for i, f := range st.flight {
		if f.Nonce == nonce {
			st.flight = slices.Delete(st.flight, i, i+1) // also frees what was sent
			return f
		}
	}
	return nil
}

// acknowledge is rule 5: Envoy has what was sent, but for what it forgot or skipped.
func (c *Conn) acknowledge(t snapshot.Type, f *flight) {
	st := &c.types[t]
	c.taken(f)
	if f.whole && len(f.superseded) == 0 && len(st.maybe) == 0 && st.have.Same(f.base) {
		for _, r := range f.Resources {
			c.landed(t, f, r.Name)
		}
		for _, n := range f.Removed {
			c.gone(t, n)
		}
		st.have = f.end
		return
	}
	for _, r := range f.Resources {
		if _, superseded := f.superseded[r.Name]; superseded {
			continue
		}
		if skips(t) && c.isRejected(t, r.Name, r.Version) && ruleSkipped {
			// It was in flight when Envoy rejected an earlier push of the same
			// bytes, so Envoy skipped it (M16, M22).
			st.mustSend.put(r.Name, struct{}{})
			continue
		}
		c.landed(t, f, r.Name)
		st.set(r.Name, c.canonical(r))
		st.maybe.drop(r.Name)
	}
	for _, n := range f.Removed {
		if _, superseded := f.superseded[n]; superseded {
			continue
		}
		c.gone(t, n)
		st.set(n, nil)
		st.maybe.drop(n)
	}
}

// skips reports whether Envoy acknowledges bytes of the type that it remembers, also
// rejected ones.
func skips(t snapshot.Type) bool { return t == snapshot.Secret || t == snapshot.ExtensionConfig }

// canonical is the snapshot's own value for what was sent: a variant has
// the same version, and one pointer for all streams saves memory.
func (c *Conn) canonical(r *snapshot.Resource) *snapshot.Resource {
	if want, ok := c.want(r.Type).Get(r.Name); ok && want.Version == r.Version {
		return want
	}
	return r
}

// landed notes what the acknowledgement of a resource means beside have.
func (c *Conn) landed(t snapshot.Type, f *flight, name string) {
	st := &c.types[t]
	if _, still := c.rejection(snapshot.Ref{Type: t, Name: name}); !still {
		st.errors.drop(name) // else what landed only stands in for what was rejected
	}
	switch t {
	case snapshot.Cluster:
		c.added.drop(name)
		c.early.drop(name)
	case snapshot.Endpoints:
		c.endpointsLanded(f, name)
	case snapshot.ExtensionConfig:
		st.subs.drop(name)
		c.spoiled.drop(name)
	case snapshot.Secret:
		st.subs.drop(name)
		c.refused.drop(name)
	default:
		st.subs.drop(name)
	}
}

// gone notes the acknowledgement of a removal.
func (c *Conn) gone(t snapshot.Type, name string) {
	switch t {
	case snapshot.Cluster:
		c.added.drop(name)
		c.early.drop(name)
		c.unneeded.drop(name)
	case snapshot.Endpoints, snapshot.Secret, snapshot.RouteConfiguration:
		// The subscription stays without anything in have.
		c.types[t].subs.put(name, c.seq)
	}
}
