package delta

import (
	"maps"
	"slices"
	"time"

	"legation.dev/xds/snapshot"
)

// A listener or an HTTP configuration may be rejected for what passes: a port is taken, an
// address or the folder of a log is not there yet. All other types are rejected for their
// bytes alone. So those that were rejected are tried again, after firstAgain, and then after
// twice the time each time, up to lastAgain: that costs Envoy nothing, and takes nothing away.
const (
	firstAgain = time.Second
	lastAgain  = time.Minute
)

// again is when a rejected version is tried again.
type again struct {
	version string
	since   time.Time // of its last rejection
	wait    time.Duration
	nonce   string // of the last try
}

// due reports whether a name is to be tried again now, with which resource. Until Envoy
// takes it, it counts as rejected.
func (c *Conn) due(ref snapshot.Ref) (*snapshot.Resource, bool) {
	st := &c.types[ref.Type]
	want, ok := c.want(ref.Type).Get(ref.Name)
	if !ok || !c.isRejected(ref.Type, ref.Name, want.Version) {
		delete(c.retries, ref)
		return nil, false
	}
	a, known := c.retries[ref]
	if !known || a.version != want.Version {
		a = again{version: want.Version, since: c.now, wait: firstAgain}
		c.noteAgain(ref, a)
	}
	return want, c.after(a.since, a.wait) && st.grouped[ref.Name] == 0
}

func (c *Conn) noteAgain(ref snapshot.Ref, a again) {
	if c.retries == nil {
		c.retries = map[snapshot.Ref]again{}
	}
	c.retries[ref] = a
}

// retryListeners sends a rejected listener whose time has come.
func (c *Conn) retryListeners(send func(*flight)) {
	const t = snapshot.Listener
	for _, n := range c.differing(t) {
		if want, due := c.due(snapshot.Ref{Type: t, Name: n}); due && len(c.types[t].flight) == 0 && c.listenerMayGo(want) {
			send(c.response(t, []*snapshot.Resource{want}, nil))
		}
	}
}

// retryConfig sends a rejected HTTP configuration whose time has come, as a variant: equal
// bytes are acknowledged and not applied (M22).
func (c *Conn) retryConfig(name string, send func(*flight)) bool {
	const t = snapshot.ExtensionConfig
	ref := snapshot.Ref{Type: t, Name: name}
	st := &c.types[t]
	if _, flying := st.flying(name); flying || !st.subscribed(name) || c.full(t) {
		return false
	}
	want, due := c.due(ref)
	if !due {
		return false
	}
	f := c.response(t, []*snapshot.Resource{variantConfig(want, c.random())}, nil)
	a := c.retries[ref]
	a.nonce = f.Nonce
	c.noteAgain(ref, a)
	send(f)
	return true
}

// rejectedAgain doubles the time to the next try.
func (c *Conn) rejectedAgain(r *snapshot.Resource) {
	ref := snapshot.Ref{Type: r.Type, Name: r.Name}
	if a, ok := c.retries[ref]; ok && a.version == r.Version {
		c.noteAgain(ref, again{version: a.version, since: c.now, wait: min(2*a.wait, lastAgain)})
	}
}

// taken forgets the rejections of what Envoy has taken after all. An HTTP configuration
// must have been tried again: of what was on its way when its bytes were rejected, an
// acknowledgement says nothing.
func (c *Conn) taken(f *flight) {
	if len(c.rejected) == 0 {
		return
	}
	for _, r := range f.Resources {
		ref := snapshot.Ref{Type: r.Type, Name: r.Name}
		if r.Type == snapshot.Listener || r.Type == snapshot.ExtensionConfig && c.retries[ref].nonce == f.Nonce {
			c.forgive(ref, r.Version)
		}
	}
}

// forgive forgets that Envoy rejected a version.
func (c *Conn) forgive(ref snapshot.Ref, version string) {
	if c.isRejected(ref.Type, ref.Name, version) {
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
		c.forgive(snapshot.Ref{Type: snapshot.Listener, Name: n}, r.Version)
	}
}
