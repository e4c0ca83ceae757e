package delta

import (
	"cmp"
	"slices"
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// Bounds of the protocol; docs/delta.md gives their reasons.
const (
	maxFlight     = 8                        // responses of one type without an answer
	maxBytes      = 4 << 20                  // of resources in one response
	maxFirstBytes = 16 << 20                 // of the first response of a route configuration
	maxAdds       = 500                      // new clusters in one response
	maxRejects    = 4                        // rejected versions remembered for a name
	maxMemory     = 1024                     // names with rejected versions remembered for an Envoy
	grace         = 5 * time.Second          // from the last route that names a cluster to its removal, if it lingers no longer
	patience      = 15 * time.Second         // Envoy's own fetch timeout: how long a first listener, first routes and a listener that drops chains wait
	removalDelay  = 2 * time.Second          // from a reconnect to the first removal of a route
	maxGap        = time.Second              // between two route pushes
	gapFactor     = 7                        // gap ÷ time that Envoy took for the last route push
	forever       = time.Duration(1<<63 - 1) // no timer
)

// resources is the map type that snapshots and a Conn share.
type resources = pmap.Map[*snapshot.Resource]

// Rejects are the versions that an Envoy rejected when each was sent alone:
// name → versions, the newest last. It is a value to hand to Accept when the
// same Envoy opens its next stream; it is never changed.
type Rejects map[snapshot.Ref][]string

// Fleet is what the other Envoys of the fleet made of versions. It may change at any
// time. nil is a fleet of one.
type Fleet interface {
	// Suspect reports whether one of them rejected a version. A virtual host is then sent
	// last and alone, and an HTTP configuration after one that is Proven, if Envoy has none.
	// All other types are sent as always.
	Suspect(ref snapshot.Ref, version string) bool
	// Proven are versions of a listener or an HTTP configuration that they run, the newest
	// first.
	Proven(ref snapshot.Ref) []*snapshot.Resource
}

// Conn is the protocol state of one Envoy on one stream. It has no lock: its owner lets
// one goroutine use it at a time (see stream in xds/server). Make it with Accept.
type Conn struct {
	target   snapshot.Snapshot
	fleet    Fleet
	types    [snapshot.NumTypes]state
	rejected Rejects
	seq      uint64 // counts requests and responses, so that "after" is a comparison
	nonce    uint64
	returned bool // Envoy is not fresh: it reported versions, or rejected a listener that may name a bad secret (rule 6.5)
	now      time.Time
	wake     time.Time // the earliest timer found in this Next

	// Clusters.
	added    table[addition]     // sent when Envoy had none of that name; until acknowledged
	early    table[struct{}]     // usable although not acknowledged (early(c) of docs/delta.md)
	sent     map[string]struct{} // sent before the first EDS request of this stream; nil after it
	unneeded table[time.Time]    // since when nothing names a cluster that is not in want

	// Secrets and listeners.
	variedSecrets map[string]struct{} // secrets that were pushed as a variant since Envoy has returned: the next push of each is none
	rejectedOnce  map[once]struct{}   // versions of listeners and clusters whose first rejection did not count (rules 6.5, 6.9); emptied when a secret or HTTP configuration is rejected (rule 6.6)
	refused       table[struct{}]     // secrets of which Envoy rejected the last version that it saw, or perhaps did
	complete      chains

	// HTTP configurations.
	spoiled       table[struct{}] // Envoy perhaps rejected the bytes that it saw last
	variedConfigs table[struct{}] // their first push on this stream is done

	// Listeners that wait.
	// modifySince is since when a change of each listener waits for virtual hosts.
	modifySince table[time.Time]

	// Listeners and HTTP configurations that were rejected.
	retries map[snapshot.Ref]again

	// Routes.
	newcomers   table[struct{}] // route configurations that Envoy asked for anew before its first VHDS request
	stale       table[struct{}] // virtual hosts that Envoy does not have, and perhaps reports
	firstRoutes bool            // the next response of virtual hosts is the first of its route configuration
	routesSince time.Time       // since when virtual hosts were asked for
	routesDone  time.Time       // when the last one was answered
	routesTook  time.Duration
	warmUpTo    string // clusters of want below this name were live once; for a fresh Envoy's listener

	counters Counters
	holdup   string        // a virtual host that held up the first routes
	random   func() uint64 // for variants
}

// state is what a Conn knows of one type. Names as in docs/delta.md.
type state struct {
	first    bool // was this type requested on this stream?
	firstAt  time.Time
	have     resources                   // what Envoy certainly runs; an entry without bytes is "unknown(version)"
	unknown  table[struct{}]             // those entries
	adopted  adoption                    // what the first request said of have
	flight   []*flight                   // not yet answered, oldest first
	maybe    table[[]*snapshot.Resource] // what a partly applied rejection may have left; nil is absent
	subs     table[uint64]               // named types: subscribed without being in have → when
	groups   [][]suspect                 // out of rejected responses, still to be isolated
	grouped  table[int]                  // name → in how many groups
	mustSend table[struct{}]             // to be sent although nothing differs
	turn     string                      // the name that was last sent alone, where many are
	errors   table[Rejection]            // last rejection of a name that was sent alone
	took     time.Duration               // from the last response to its answer
}

// addition is when a new cluster was sent, first and last, and when Envoy subscribed to the
// CLA that it has acknowledged; 0 if it has not, or has unsubscribed.
type addition struct{ first, newest, subscribed uint64 }

// suspect is one resource of a rejected response: a version, "" for a removal.
type suspect struct{ name, version string }

// once is a version of a listener or cluster that was rejected.
type once struct {
	ref     snapshot.Ref
	version string
}

func onceOf(r *snapshot.Resource) once {
	return once{snapshot.Ref{Type: r.Type, Name: r.Name}, r.Version}
}

type flight struct {
	Response
	seq        uint64
	at         time.Time
	superseded map[string]struct{} // names subscribed anew since
	// base and end let an acknowledgement of all that differed cost nothing:
	// have, if it is still base, becomes end.
	base, end resources
	whole     bool
}

// Accept is the state of an Envoy that has just opened a stream. known is what
// Conn.Rejects of its last stream said; nil if there was none.
func Accept(known Rejects) *Conn {
	c := &Conn{random: random, sent: map[string]struct{}{}, variedSecrets: map[string]struct{}{}, rejectedOnce: map[once]struct{}{}}
	for ref, versions := range known {
		c.keep(ref, versions)
	}
	return c
}

// Target sets what Envoy should run, and what the other Envoys of its fleet made of the
// versions (nil: there are no others). It sends nothing: call Next afterwards.
func (c *Conn) Target(s snapshot.Snapshot, fleet Fleet) {
	before := c.target
	c.target, c.fleet = s, fleet
	c.warmUpTo = ""
	for t := range snapshot.Types() {
		if t != snapshot.Secret && s.Of(t).Same(before.Of(t)) {
			continue // there is nothing to learn; of a secret there may be a stand-in
		}
		for name := range c.types[t].unknown {
			c.learn(t, name)
		}
	}
}

// learn turns unknown(version) into the resource, if the target has that version
// or it is the stand-in, which every process can make.
func (c *Conn) learn(t snapshot.Type, name string) {
	st := &c.types[t]
	have, ok := st.have.Get(name)
	if !ok || known(have) {
		st.unknown.drop(name)
		return
	}
	r, _ := c.want(t).Get(name)
	if t == snapshot.Secret && have.Version == snapshot.StandInVersion {
		r = c.target.StandIn(name)
	}
	if r != nil && r.Version == have.Version && ruleLearn {
		st.have = st.have.Replace(name, r)
		st.unknown.drop(name)
	}
}

// Rejects is what this Envoy rejected, for its next stream.
func (c *Conn) Rejects() Rejects {
	out := make(Rejects, len(c.rejected))
	for ref, versions := range c.rejected {
		out[ref] = versions
	}
	return out
}

func (c *Conn) want(t snapshot.Type) resources { return c.target.Of(t) }

// known reports whether r is a resource and not just a version that Envoy reported.
func known(r *snapshot.Resource) bool { return len(r.Wire()) > 0 }

func unknown(t snapshot.Type, name, version string) *snapshot.Resource {
	return &snapshot.Resource{Type: t, Name: name, Version: version}
}

// version of r; absent has none.
func version(r *snapshot.Resource) string {
	if r == nil {
		return ""
	}
	return r.Version
}

// get is have(n); nil if absent.
func (st *state) get(name string) *snapshot.Resource {
	r, _ := st.have.Get(name)
	return r
}

func (st *state) set(name string, r *snapshot.Resource) {
	st.unknown.drop(name)
	if r == nil {
		st.have = st.have.Delete(name)
		return
	}
	st.have = st.have.Replace(name, r)
	if !known(r) {
		st.unknown.put(name, struct{}{})
	}
}

// lookUp finds name in a flight that is not superseded; r is nil for a removal.
func (f *flight) lookUp(name string) (r *snapshot.Resource, ok bool) {
	if _, superseded := f.superseded[name]; superseded {
		return nil, false
	}
	if i, ok := slices.BinarySearchFunc(f.Resources, name, func(r *snapshot.Resource, n string) int { return cmp.Compare(r.Name, n) }); ok {
		return f.Resources[i], true
	}
	_, ok = slices.BinarySearch(f.Removed, name)
	return nil, ok
}

// flying reports whether a response that names n waits for its answer, and what
// the newest such says.
func (st *state) flying(name string) (r *snapshot.Resource, ok bool) {
	for i := len(st.flight) - 1; i >= 0; i-- {
		if r, ok := st.flight[i].lookUp(name); ok {
			return r, true
		}
	}
	return nil, false
}

// last is last(n), nil if absent, and whether it is certain.
func (st *state) last(name string) (r *snapshot.Resource, certain bool) {
	if r, ok := st.flying(name); ok {
		return r, true
	}
	return st.get(name), len(st.maybe[name]) == 0
}

// possible calls yield for each version of name that Envoy may have; nil is
// absent. It stops when yield returns false.
func (st *state) possible(name string, yield func(*snapshot.Resource) bool) {
	if !yield(st.get(name)) {
		return
	}
	for _, r := range st.maybe[name] {
		if !yield(r) {
			return
		}
	}
	for _, f := range st.flight {
		if r, ok := f.lookUp(name); ok && !yield(r) {
			return
		}
	}
}

// absent reports whether possible(n) is {absent}; perhaps, whether it contains it.
func (st *state) absent(name string) (surely, perhaps bool) {
	surely = true
	st.possible(name, func(r *snapshot.Resource) bool {
		surely = surely && r == nil
		perhaps = perhaps || r == nil
		return true
	})
	return surely, perhaps
}

// subscribed reports whether Envoy wants to hear of name. What it certainly has,
// it is subscribed to, so only the rest needs memory.
func (st *state) subscribed(name string) bool {
	_, ok := st.subs[name]
	return ok || st.have.Has(name)
}

// subscriptions are all names for which subscribed holds.
func (st *state) subscriptions() (names []string) {
	for n := range st.have.All() {
		names = append(names, n)
	}
	for n := range st.subs {
		if !st.have.Has(n) {
			names = append(names, n)
		}
	}
	return names
}

// desired is desired(n): what Envoy should have for name, nil for nothing.
func (c *Conn) desired(t snapshot.Type, name string) *snapshot.Resource {
	last, certain := c.types[t].last(name)
	return c.desiredAfter(t, name, last, certain)
}

// desiredAfter is desired for one who knows last(n).
func (c *Conn) desiredAfter(t snapshot.Type, name string, last *snapshot.Resource, certain bool) *snapshot.Resource {
	want, ok := c.want(t).Get(name)
	switch {
	case ok:
	case t == snapshot.Endpoints:
		want = c.unwantedEndpoints(name)
	case t == snapshot.Secret:
		return c.unwantedSecret(name, last)
	}
	if want == nil {
		return nil
	}
	if c.isRejected(t, name, want.Version) {
		return c.instead(t, name, last, certain)
	}
	if want.Placeholder && last != nil {
		return c.instead(t, name, last, certain)
	}
	return want
}

// instead is what Envoy should have for a name whose wanted version it rejects,
// or for which there is only a stand-in.
func (c *Conn) instead(t snapshot.Type, name string, last *snapshot.Resource, certain bool) *snapshot.Resource {
	if t == snapshot.ExtensionConfig {
		return c.lastGood(name, last)
	}
	if last != nil && certain && !c.isRejected(t, name, last.Version) {
		return last
	}
	if have := c.types[t].get(name); have != nil {
		return have
	}
	switch t {
	case snapshot.Secret:
		return c.target.StandIn(name)
	case snapshot.Listener: // a fresh Envoy is to open its ports
		return c.proven(t, name)
	}
	return nil
}

func (c *Conn) isRejected(t snapshot.Type, name, version string) bool {
	return slices.Contains(c.rejected[snapshot.Ref{Type: t, Name: name}], version)
}

func (c *Conn) suspect(r *snapshot.Resource) bool {
	return c.fleet != nil && c.fleet.Suspect(snapshot.Ref{Type: r.Type, Name: r.Name}, r.Version)
}

// after notes a timer that starts at since: false before it is over, when it
// asks to be woken at its end.
func (c *Conn) after(since time.Time, d time.Duration) bool {
	end := since.Add(d)
	if !c.now.Before(end) {
		return true
	}
	if c.wake.IsZero() || end.Before(c.wake) {
		c.wake = end
	}
	return false
}
