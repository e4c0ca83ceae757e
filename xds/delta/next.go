package delta

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// Next is what may be sent now, and when to ask again if nothing else happens
// before (zero: not needed). The caller sends every response, in order.
func (c *Conn) Next(now time.Time) (out []Response, wake time.Time) {
	c.now, c.wake = now, time.Time{}
	send := func(f *flight) { out = append(out, f.Response) }
	for t := range snapshot.Types() {
		if c.types[t].first && !c.idle(t) { // an unasked response is never answered (M9)
			c.step(t, send)
			c.compact(t)
		}
	}
	return out, c.wake
}

// step is what may be sent of one type.
func (c *Conn) step(t snapshot.Type, send func(*flight)) {
	switch t {
	case snapshot.Cluster:
		c.nextClusters(send)
	case snapshot.Endpoints:
		c.nextEndpoints(send)
	case snapshot.Secret:
		c.nextSecrets(send)
	case snapshot.ScopedRoute:
		c.nextScopes(send)
	case snapshot.RouteConfiguration:
		c.nextRouteConfigurations(send)
	case snapshot.ExtensionConfig:
		c.nextExtensions(send)
	case snapshot.Listener:
		c.nextListeners(send)
	case snapshot.VirtualHost:
		c.dropOrphans(send)
		c.nextVirtualHosts(send)
	}
}

// idle reports whether a step of the type would do nothing: Envoy has what is
// wanted, and nothing is on its way, in doubt, due or waiting. Most changes are
// of one type, so all others rest.
func (c *Conn) idle(t snapshot.Type) bool {
	st := &c.types[t]
	if !st.have.Same(c.want(t)) || len(st.flight)+len(st.maybe)+len(st.mustSend)+len(st.subs)+len(st.groups) > 0 {
		return false
	}
	switch t {
	case snapshot.Cluster:
		return len(c.unneeded) == 0 && st.have.Len() > 0
	case snapshot.ExtensionConfig:
		return len(c.spoiled) == 0
	case snapshot.Listener:
		return len(c.modifySince) == 0
	case snapshot.VirtualHost:
		return !c.firstRoutes && len(c.stale) == 0
	}
	return true
}

// compact gives have the target's own map when nothing differs any more, so that
// a Conn at rest costs no memory and no comparison.
func (c *Conn) compact(t snapshot.Type) {
	st := &c.types[t]
	if len(st.flight)+len(st.maybe)+len(st.unknown) > 0 || st.have.Same(c.want(t)) || st.have.Len() != c.want(t).Len() {
		return
	}
	for range pmap.Diff(st.have, c.want(t)) {
		return
	}
	st.have = c.want(t)
}

// differing yields the names that may have to be sent: those where have and
// want differ, those in doubt and those that must be sent; each once, in order.
func (c *Conn) differing(t snapshot.Type) (names []string) {
	st := &c.types[t]
	for change := range c.target.Changes(t, st.have) {
		if change.HadOld && change.HasNew && change.Old.Version == change.New.Version && known(change.Old) {
			st.have = st.have.Replace(change.Key, change.New) // only what is not sent differs
			continue
		}
		names = append(names, change.Key)
	}
	if t == snapshot.Endpoints {
		for n := range st.subs { // lacks a CLA: perhaps of a cluster that is not wanted
			if !c.want(t).Has(n) {
				names = append(names, n)
			}
		}
	} else if len(st.maybe)+len(st.mustSend) == 0 {
		return names
	}
	for n := range st.maybe {
		names = append(names, n)
	}
	for n := range st.mustSend {
		names = append(names, n)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// inTurn is names, sorted, from the one after that which was last sent alone: a
// name early in the alphabet that changes all the time must not keep the others
// waiting.
func (c *Conn) inTurn(t snapshot.Type, names []string) []string {
	i, sent := slices.BinarySearch(names, c.types[t].turn)
	if sent {
		i++
	}
	return slices.Concat(names[i:], names[:i])
}

// pending reports whether desired(n) still has to be sent.
func (c *Conn) pending(t snapshot.Type, name string) (want *snapshot.Resource, pending bool) {
	st := &c.types[t]
	if st.grouped[name] > 0 {
		return nil, false // its group is still to come
	}
	last, certain := st.last(name)
	want = c.desiredAfter(t, name, last, certain)
	if want != nil && !known(want) {
		return nil, false // it is there in a version whose bytes are not known here
	}
	return want, !certain || version(last) != version(want) || last != nil && want == nil
}

// response puts a response in flight. Resources and removals are sorted, since
// they are looked up by name.
func (c *Conn) response(t snapshot.Type, add []*snapshot.Resource, remove []string) *flight {
	slices.SortFunc(add, func(a, b *snapshot.Resource) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(remove)
	c.seq++
	c.nonce++
	f := &flight{seq: c.seq, at: c.now, Response: Response{Type: t, Nonce: strconv.FormatUint(c.nonce, 36), Resources: add, Removed: remove}}
	st := &c.types[t]
	st.flight = append(st.flight, f)
	c.counters.count(f)
	for _, r := range add {
		st.mustSend.drop(r.Name)
	}
	for _, n := range remove {
		st.mustSend.drop(n)
	}
	return f
}

// all marks f as bringing have to want: everything that differed is in it.
func (c *Conn) all(f *flight, differing int) {
	st := &c.types[f.Type]
	if len(f.Resources)+len(f.Removed) != differing || len(st.flight) != 1 || len(st.maybe) > 0 {
		return
	}
	for _, r := range f.Resources {
		if want, ok := c.want(f.Type).Get(r.Name); !ok || want != r {
			return
		}
	}
	f.base, f.end, f.whole = st.have, c.want(f.Type), true
}

// chunks splits resources into responses of at most limit bytes; a larger one
// goes alone.
func chunks(list []*snapshot.Resource, count, limit int) (parts [][]*snapshot.Resource) {
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && n < count && (n == 0 || size+len(list[n].Wire()) <= limit) {
			size += len(list[n].Wire())
			n++
		}
		parts = append(parts, list[:n:n])
		list = list[n:]
	}
	return parts
}

func (c *Conn) full(t snapshot.Type) bool { return len(c.types[t].flight) >= maxFlight }

// firstChunk is as much of list as one response may hold.
func firstChunk(list []*snapshot.Resource, limit int) []*snapshot.Resource {
	for _, part := range chunks(list, len(list), limit) {
		return part
	}
	return nil
}

// pendingNamed says what to send for a name of a named type: nil for a removal.
func (c *Conn) pendingNamed(t snapshot.Type, name string) (want *snapshot.Resource, ok bool) {
	st := &c.types[t]
	if !st.subscribed(name) || st.grouped[name] > 0 {
		return nil, false
	}
	_, mustSend := st.mustSend[name]
	if _, flying := st.flying(name); flying && !(mustSend && t == snapshot.Endpoints) {
		return nil, false
	}
	want, pending := c.pending(t, name)
	if want == nil && st.get(name) != nil && !known(st.get(name)) {
		return nil, false // it must still be sent, until a snapshot has that version
	}
	if want == nil {
		return c.unwantedNamed(t, name)
	}
	return want, mustSend || pending
}

// unwantedNamed is pendingNamed for a name that should have nothing. For what
// Envoy lacks, a removal ends its waiting; the removal of what it has, it ignores.
// But a cluster that was modified just before it went out of the target waits for
// endpoints all the same, with all later CDS answers behind it: it gets those that
// it has.
func (c *Conn) unwantedNamed(t snapshot.Type, name string) (*snapshot.Resource, bool) {
	st := &c.types[t]
	_, mustSend := st.mustSend[name]
	have := st.get(name)
	if have == nil {
		return nil, mustSend
	}
	if t == snapshot.Endpoints && mustSend {
		return have, true
	}
	if _, refused := c.refused[name]; t != snapshot.Secret || !refused { // else it is due when it is wanted again
		st.mustSend.drop(name)
	}
	return nil, false
}
