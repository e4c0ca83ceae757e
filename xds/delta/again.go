package delta

import (
	"maps"
	"slices"
	"time"

	"legation.dev/xds/snapshot"
)

// A listener may be rejected for what passes: its port is taken, an address or a folder is
// not there yet. All other types are rejected for their bytes alone. So a listener that was
// rejected is tried again, after firstAgain, and then after twice the time each time, up to
// lastAgain: a rejected listener costs Envoy nothing, and takes nothing away.
const (
	firstAgain = time.Second
	lastAgain  = time.Minute
)

// again is when a rejected listener is tried again.
type again struct {
	version string
	since   time.Time // of its last rejection
	wait    time.Duration
}

// retryListeners sends a rejected listener whose time has come. Until Envoy takes it, it
// counts as rejected.
func (c *Conn) retryListeners(send func(*flight)) {
	const t = snapshot.Listener
	st := &c.types[t]
	maps.DeleteFunc(c.retries, func(n string, a again) bool {
		want, ok := c.want(t).Get(n)
		return !ok || want.Version != a.version || !c.isRejected(t, n, a.version)
	})
	for _, n := range c.differing(t) {
		want, ok := c.want(t).Get(n)
		if !ok || !c.isRejected(t, n, want.Version) {
			continue
		}
		a, known := c.retries[n]
		if !known {
			a = again{want.Version, c.now, firstAgain}
			c.retries.put(n, a)
		}
		if c.after(a.since, a.wait) && len(st.flight) == 0 && st.grouped[n] == 0 && c.listenerMayGo(want) {
			send(c.response(t, []*snapshot.Resource{want}, nil))
		}
	}
}

// rejectedAgain doubles the time to the next try.
func (c *Conn) rejectedAgain(r *snapshot.Resource) {
	if a, ok := c.retries[r.Name]; ok && a.version == r.Version {
		c.retries.put(r.Name, again{a.version, c.now, min(2*a.wait, lastAgain)})
	}
}

// forgive forgets that Envoy rejected a listener: it has taken it.
func (c *Conn) forgive(name, version string) {
	ref := snapshot.Ref{Type: snapshot.Listener, Name: name}
	if c.isRejected(ref.Type, name, version) {
		c.keep(ref, slices.DeleteFunc(slices.Clone(c.rejected[ref]), func(v string) bool { return v == version }))
	}
}

// beginListeners learns from the first LDS request. An Envoy without a listener is perhaps
// another process than the one that rejected some, with other ports free, and has nothing
// to lose: what is remembered of it is forgotten. One with listeners runs those, whatever
// was rejected before.
func (c *Conn) beginListeners(reported bool) {
	if !reported {
		maps.DeleteFunc(c.rejected, func(r snapshot.Ref, _ []string) bool { return r.Type == snapshot.Listener })
		return
	}
	for n, r := range c.types[snapshot.Listener].have.All() {
		c.forgive(n, r.Version)
	}
}
