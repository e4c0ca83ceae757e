package delta

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

var (
	walks    = flag.Int("walks", defaultWalks, "random walks of TestWalk")
	walkSeed = flag.Uint64("walk", 0, "run only the walk of this seed, with a trace")
)

const services, hosts = 4, 4

// world is what the walk changes; snapshot makes the target of it.
type world struct {
	rng      *rand.Rand
	badness  float64
	qualityV map[string]quality // by version

	services [services]struct {
		exists          bool
		policy, members string // versions of contents
		checked, dns    bool
	}
	hosts [hosts]struct {
		exists, tls, redirect, secretThere bool
		backends                           []int
		secret                             string
		content                            string
	}
	listener, rc string
	wildcard     bool // a TLS section names all hosts
	counter      int

	two    bool   // there may be a second listener, with routes of its own
	second string // version of that listener; empty: there is none

	http  worldHTTP
	shown worldSecrets
}

func (w *world) fresh(prefix string) string {
	w.counter++
	v := fmt.Sprintf("%s%d", prefix, w.counter)
	if w.rng.Float64() < w.badness {
		w.qualityV[v] = bad
		if w.rng.IntN(3) == 0 {
			w.qualityV[v] = undecodable
		}
	}
	return v
}

// quality finds the content words of a version in the order they were made.
func (w *world) quality(r *snapshot.Resource) quality {
	worst := good
	for word := range strings.SplitSeq(r.Version, "|") {
		worst = max(worst, w.qualityV[word])
	}
	return worst
}

func newWorld(rng *rand.Rand, badness float64) *world {
	w := &world{rng: rng, qualityV: map[string]quality{}}
	for i := range w.services {
		w.services[i].exists, w.services[i].policy, w.services[i].members = true, w.fresh("p"), w.fresh("m")
	}
	for i := range w.hosts {
		h := &w.hosts[i]
		h.exists, h.content, h.secret, h.secretThere = i < 2, w.fresh("h"), w.fresh("k"), true
		h.backends = []int{i % services}
	}
	w.listener, w.rc = w.fresh("l"), w.fresh("r")
	w.badness = badness
	return w
}

func (w *world) change() {
	if w.two && w.rng.IntN(8) == 0 {
		if w.second == "" || w.rng.IntN(3) == 0 {
			w.second = w.fresh("o")
		} else {
			w.second = ""
		}
		return
	}
	if w.changeHTTP() || w.changeSecrets() {
		return
	}
	s, h := &w.services[w.rng.IntN(services)], &w.hosts[w.rng.IntN(hosts)]
	switch w.rng.IntN(17) {
	case 0:
		s.policy = w.fresh("p")
	case 1:
		s.checked = !s.checked
		s.policy = w.fresh("p")
	case 2, 3:
		s.members = fmt.Sprintf("e%d", w.rng.IntN(3)) // old values return
	case 4:
		s.members = w.fresh("m")
	case 5:
		s.exists = !s.exists
	case 6, 7:
		h.backends = []int{w.rng.IntN(services)}
		if w.rng.IntN(2) == 0 {
			h.backends = append(h.backends, w.rng.IntN(services))
		}
	case 8:
		h.exists = !h.exists
	case 9:
		h.tls = !h.tls
	case 10:
		h.redirect = !h.redirect
	case 11:
		h.secret = w.fresh("k")
	case 12:
		h.secretThere = !h.secretThere
	case 13:
		if w.rng.IntN(4) == 0 {
			w.listener = w.fresh("l")
		}
		h.content = w.fresh("h")
	case 14:
		s.dns = !s.dns // an ExternalName Service, or not
		s.policy = w.fresh("p")
	case 15: // one certificate with many names: all its hosts at once
		for i := range w.hosts {
			w.hosts[i].tls, w.hosts[i].secret = true, w.fresh("k")
		}
	case 16:
		w.wildcard = !w.wildcard
	}
}

func cla(name, members string, placeholder bool) *snapshot.Resource {
	if placeholder {
		members = "none"
	}
	return snapshot.FromBytes(snapshot.Endpoints, name, members, []byte(members), snapshot.Meta{Placeholder: placeholder})
}

func secret(name, version string, placeholder bool) *snapshot.Resource {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{
		TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineBytes{InlineBytes: []byte(version)}}}}})
	if err != nil {
		panic(err)
	}
	return snapshot.FromBytes(snapshot.Secret, name, version, body, snapshot.Meta{Placeholder: placeholder})
}

func (w *world) snapshot() snapshot.Snapshot {
	var maps [snapshot.NumTypes]resources
	put := func(r *snapshot.Resource) { maps[r.Type] = maps[r.Type].Set(r.Name, r) }
	pulls := []snapshot.Ref{{Type: snapshot.RouteConfiguration, Name: "rc"}}
	words := []string{w.listener}
	for i, h := range w.hosts {
		if !h.exists {
			continue
		}
		name := fmt.Sprintf("h%d", i)
		var needs []snapshot.Ref
		words := []string{h.content}
		for _, b := range h.backends {
			needs = append(needs, w.cluster(b, put))
			words = append(words, fmt.Sprint(b))
		}
		if h.tls {
			pulls = append(pulls, snapshot.Ref{Type: snapshot.Secret, Name: name})
			if h.secretThere {
				put(secret(name, h.secret, false))
			} else {
				put(secret(name, snapshot.StandInVersion, true))
			}
		}
		if chain := w.chain(i); chain != "" && h.redirect {
			needs = append(needs, snapshot.Ref{Type: snapshot.Chain, Name: chain})
			words = append(words, "redirect by "+chain)
		}
		v := strings.Join(words, "|")
		plain := slices.DeleteFunc(slices.Clone(needs), func(r snapshot.Ref) bool { return r.Type == snapshot.Chain })
		put(snapshot.FromBytes(snapshot.VirtualHost, "rc/"+name, v, []byte(v), snapshot.Meta{Needs: needs}))
		if w.second != "" && i > 0 { // one host is not behind the second listener
			put(snapshot.FromBytes(snapshot.VirtualHost, "rc2/"+name, v, []byte(v), snapshot.Meta{Needs: plain}))
		}
	}
	if w.wildcard {
		pulls = append(pulls, snapshot.Ref{Type: snapshot.Secret, Name: wildcard})
		put(secret(wildcard, "k", false))
	}
	needs, more := w.putHTTP(put)
	pulls = append(pulls, more...)
	var chains []string
	for _, p := range pulls {
		words = append(words, p.Name)
		if p.Type == snapshot.Secret {
			chains = append(chains, p.Name)
		}
	}
	v := strings.Join(words, "|")
	put(snapshot.FromBytes(snapshot.Listener, "https", v, []byte(v), snapshot.Meta{Needs: needs, Pulls: pulls, Chains: chains}))
	put(snapshot.FromBytes(snapshot.RouteConfiguration, "rc", w.rc, []byte(w.rc), snapshot.Meta{}))
	if w.second != "" {
		put(snapshot.FromBytes(snapshot.Listener, "other", w.second, []byte(w.second),
			snapshot.Meta{Pulls: []snapshot.Ref{{Type: snapshot.RouteConfiguration, Name: "rc2"}}}))
		put(snapshot.FromBytes(snapshot.RouteConfiguration, "rc2", w.rc, []byte(w.rc), snapshot.Meta{}))
	}
	var s snapshot.Snapshot
	for t := range snapshot.Types() {
		s = s.With(t, maps[t])
	}
	now := w.services
	return s.WithReserve(reserve{func(cluster string) *snapshot.Resource {
		for i, svc := range now {
			if cluster == fmt.Sprintf("s%d", i) && svc.exists && !svc.dns {
				return cla(cluster, svc.members, false)
			}
		}
		return nil
	}, standIn})
}

// wildcard is the chain that serves every host without one of its own.
const wildcard = "*"

// chain serves a host; "" if none does.
func (w *world) chain(host int) string {
	switch {
	case w.hosts[host].tls:
		return fmt.Sprintf("h%d", host)
	case w.wildcard:
		return wildcard
	}
	return ""
}

func (w *world) cluster(i int, put func(*snapshot.Resource)) snapshot.Ref {
	s, name := w.services[i], fmt.Sprintf("s%d", i)
	meta := snapshot.Meta{Checked: s.checked, Linger: time.Duration(i%2) * 12 * time.Second}
	if !s.dns {
		meta.Pulls = []snapshot.Ref{{Type: snapshot.Endpoints, Name: name}}
		put(cla(name, s.members, !s.exists))
	}
	v := s.policy + w.putSecret(i, &meta, put)
	put(snapshot.FromBytes(snapshot.Cluster, name, v, []byte(v), meta))
	return snapshot.Ref{Type: snapshot.Cluster, Name: name}
}

// walk is one random walk.
type walk struct {
	rng     *rand.Rand
	world   *world
	envoy   *envoy
	conn    *Conn
	past    []snapshot.Snapshot // targets before that of now, newest first
	now     time.Time
	toEnvoy []Response
	recent  map[string][]string // type and name → the keys of alone, oldest first
	forced  bool
	excused map[string]bool
	hidden  map[string]bool                 // clusters that Envoy did not tell of when the stream began
	named   map[string]time.Time            // clusters that Envoy's virtual hosts name, and when they last did
	cut     map[string]bool                 // CLAs in doubt or in flight when a stream broke: an accepted gap
	alone   map[string]int                  // type/name/version rejected alone on this stream → times
	tried   map[string][]*snapshot.Resource // listeners, by the nonce of their response
	refused map[string]time.Time            // type/name/version → when it was last rejected alone
	trace   func(string, ...any)
	walkHTTP
}

// twoRoutes and more are the seeds of walks in worlds with a second listener that has
// a route configuration of its own.
const twoRoutes = 1 << 40

func newWalk(seed uint64, trace func(string, ...any)) *walk {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &walk{rng: rng, world: newWorld(rng, []float64{0, 0.1, 0.3}[seed%3]),
		now: time.Unix(1_800_000_000, 0), trace: trace, excused: map[string]bool{}, refused: map[string]time.Time{}, named: map[string]time.Time{}, cut: map[string]bool{}}
	w.world.two = seed >= twoRoutes && seed < scopedRoutes
	w.envoy = newEnvoy(w.world.quality)
	w.envoy.now = w.now
	switch {
	case seed >= clusterSecrets:
		w.world.beginSecrets(seed)
	case seed >= scopedRoutes:
		w.beginHTTP(seed)
	}
	w.stream(nil)
	return w
}

func (w *walk) stream(known Rejects) {
	w.noteCut()
	w.conn = Accept(known)
	w.conn.random = w.rng.Uint64
	w.conn.Target(w.world.snapshot(), w.others)
	w.toEnvoy, w.alone, w.recent = nil, map[string]int{}, map[string][]string{}
	w.tried = map[string][]*snapshot.Resource{}
	w.keepAlone(known)
	w.hidden = w.envoy.hidden()
	w.envoy.connect()
}

func (w *walk) noteCut() {
	if w.conn == nil {
		return
	}
	w.noteMove()
	st := &w.conn.types[snapshot.Endpoints]
	for n := range st.maybe {
		w.cut[n] = true
	}
	for _, f := range st.flight {
		for _, r := range f.Resources {
			w.cut[r.Name] = true
		}
	}
}

func (w *walk) next() error {
	out, wake := w.conn.Next(w.now)
	if t, ok := notIdle(w.conn, wake); !ok {
		return fmt.Errorf("%v is taken to rest, but its step does something", t)
	}
	for _, r := range out {
		w.trace("send %v %s +%v -%v", r.Type, r.Nonce, versions(r.Resources), r.Removed)
		if len(r.Resources) > 0 && len(r.Removed) > 0 && r.Type != snapshot.VirtualHost {
			return fmt.Errorf("%v: additions and removals in one response", r.Type)
		}
		if err := w.outlived(r); err != nil {
			return err
		}
		if r.Type == snapshot.Listener {
			w.tried[r.Nonce] = r.Resources
		}
		for _, x := range r.Resources {
			if n := w.alone[key(x)]; n > 0 && !(n == 1 && x.Type == snapshot.Cluster && isShown(x)) && (!triedAgain(x.Type) || (n > 1 || x.Type != snapshot.Listener) && w.now.Sub(w.refused[key(x)]) < firstAgain) {
				return fmt.Errorf("%v %s %s is sent again although rejected alone (invariant 2)", x.Type, x.Name, x.Version)
			}
		}
	}
	w.toEnvoy = append(w.toEnvoy, out...)
	return nil
}

// outlived holds that a cluster is removed only when its grace is over: since Envoy
// ran the last virtual host that names it.
func (w *walk) outlived(r Response) error {
	if r.Type != snapshot.Cluster {
		return nil
	}
	for _, n := range r.Removed {
		if since, ok := w.named[n]; ok && w.now.Sub(since) < grace {
			return fmt.Errorf("cluster %s is removed %v after a virtual host named it", n, w.now.Sub(since))
		}
	}
	return nil
}

// noteNamed notes which clusters Envoy's virtual hosts name now.
func (w *walk) noteNamed() {
	for _, host := range w.envoy.vhs {
		for _, ref := range host.Needs {
			w.named[ref.Name] = w.now
		}
	}
}

// triedAgain reports whether rejected versions of a type are sent again after a while. The
// first rejection of a listener does not count.
func triedAgain(t snapshot.Type) bool {
	return t == snapshot.Listener || t == snapshot.ExtensionConfig
}

func key(r *snapshot.Resource) string { return fmt.Sprintf("%v/%s/%s", r.Type, r.Name, r.Version) }

func versions(list []*snapshot.Resource) (out []string) {
	for _, r := range list {
		out = append(out, r.Name+"="+r.Version)
	}
	return out
}

// deliver moves one message; false if there is none.
func (w *walk) deliver(toEnvoy bool) (bool, error) {
	if toEnvoy {
		if len(w.toEnvoy) == 0 {
			return false, nil
		}
		r := w.toEnvoy[0]
		w.toEnvoy = w.toEnvoy[1:]
		w.envoy.receive(r)
		return true, nil
	}
	if len(w.envoy.toConn) == 0 {
		return false, nil
	}
	r := w.envoy.toConn[0]
	w.envoy.toConn = w.envoy.toConn[1:]
	t, _ := snapshot.TypeOf(r.URL)
	w.trace("recv %v nonce=%s +%v -%v initial=%v error=%v", t, r.Nonce, r.Subscribe, r.Unsubscribe, r.Initial, r.Error)
	r.Past = w.past
	if t == snapshot.Listener && r.Error == nil {
		for _, x := range w.tried[r.Nonce] {
			delete(w.alone, key(x)) // what was in its way is gone
		}
	}
	ev := w.conn.Receive(r, w.now)
	if ev.Alone && len(ev.Rejected) == 1 {
		x := ev.Rejected[0]
		w.alone[key(x)]++
		w.refused[key(x)] = w.now
		if skips(x.Type) { // a listener or cluster may have been rejected for it
			maps.DeleteFunc(w.alone, func(k string, _ int) bool {
				return strings.HasPrefix(k, snapshot.Listener.String()) || w.world.shown.there && strings.HasPrefix(k, snapshot.Cluster.String())
			})
		}
		w.forget(x)
		again := x.Type == snapshot.Listener && w.alone[key(x)] > 2 // counted before, and is tried on
		if !again && w.world.quality(x) == good && w.conn.isRejected(x.Type, x.Name, x.Version) && !w.beyondHelp(x) {
			return true, fmt.Errorf("fit %v %s %s counts as rejected (invariant 2)", x.Type, x.Name, x.Version)
		}
	}
	return true, nil
}

// forget drops rejections that a Conn is allowed to forget: all but the last
// four versions of a name.
func (w *walk) forget(r *snapshot.Resource) {
	name := r.Type.String() + r.Name
	if slices.Contains(w.recent[name], key(r)) {
		return
	}
	w.recent[name] = append(w.recent[name], key(r))
	if old := w.recent[name]; len(old) > maxRejects {
		delete(w.alone, old[0])
		w.recent[name] = old[1:]
	}
}

// remember keeps the target of now as one that Envoy may come from.
func (w *walk) remember() {
	const kept = 5
	w.past = append([]snapshot.Snapshot{w.world.snapshot()}, w.past[:min(len(w.past), kept-1)]...)
}

func (w *walk) step() error {
	var err error
	switch n := w.rng.IntN(100); {
	case n < 12:
		w.remember()
		w.world.change()
		w.trace("change")
		w.conn.Target(w.world.snapshot(), w.others)
	case n < 52:
		_, err = w.deliver(true)
	case n < 92:
		_, err = w.deliver(false)
	case n < 95:
		w.pass(time.Duration(w.rng.IntN(1500)) * time.Millisecond)
	case n < 96:
		w.pass(6 * time.Second)
	case n < 97 && w.rng.IntN(4) == 0:
		w.pass(16 * time.Second)
	case n < 98:
		w.endCheck()
	case n == 98 && w.rng.IntN(3) == 0:
		var known Rejects
		if w.rng.IntN(2) == 0 {
			known = w.conn.Rejects()
		}
		w.trace("break, known=%v", known)
		w.stream(known)
	}
	return w.after(err)
}

func (w *walk) after(err error) error {
	if err != nil {
		return err
	}
	w.envoy.progress(w.secretsUnderWay())
	w.noteNamed()
	if err := w.next(); err != nil {
		return err
	}
	if w.conn.counters.Forced > 0 {
		w.forced = true // from now on a redirect may point to a chain that is gone
	}
	if err := w.envoy.check(w.forced, w.excuse); err != nil {
		return err
	}
	if err := w.checkHTTP(); err != nil {
		return err
	}
	return w.nobodyWaits()
}

// nobodyWaits is invariant 7: when no message is on its way, no cluster waits
// for its endpoints. (Accepted: its Service is gone, and nobody here knows what
// Envoy has for it.)
func (w *walk) nobodyWaits() error {
	if len(w.toEnvoy)+len(w.envoy.toConn) > 0 {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(w.envoy.clusters)) {
		c := w.envoy.clusters[n]
		d := w.conn.desired(snapshot.Endpoints, n)
		if c.warming != nil && isEDS(c.warming) && !c.claNew && d != nil && known(d) {
			return fmt.Errorf("cluster %s waits for endpoints that nobody sends (invariant 7)", n)
		}
		if c.warming != nil {
			if err := w.nobodyWaitsForSecrets(n, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.envoy.now = w.now
	w.trace("pass %v", d)
}

func (w *walk) endCheck() {
	for _, n := range slices.Sorted(maps.Keys(w.envoy.clusters)) {
		w.envoy.clusters[n].checked = true
	}
}

// drain delivers everything and lets every timer end.
func (w *walk) drain() error {
	quiet := 0
	for i := 0; quiet < 8 || len(w.toEnvoy) > 0; i++ { // what was rejected is tried again, at last in the last step
		if i > 5000 {
			return fmt.Errorf("no rest after %d deliveries", i)
		}
		a, err := w.deliver(true)
		if err == nil {
			var b bool
			b, err = w.deliver(false)
			a = a || b
		}
		w.endCheck()
		if err := w.after(err); err != nil {
			return err
		}
		if a {
			quiet = 0
			continue
		}
		quiet++
		w.pass(3 * time.Second)
		if err := w.after(nil); err != nil {
			return err
		}
	}
	return nil
}

// final is invariants 3 and 4.
func (w *walk) final() error {
	c, e := w.conn, w.envoy
	for t := range snapshot.Types() {
		if len(c.types[t].flight) > 0 {
			return fmt.Errorf("%v: %d responses without an answer", t, len(c.types[t].flight))
		}
		for n := range c.types[t].maybe {
			if !c.lost(t, n) && !w.held(t, n) {
				return fmt.Errorf("%v %s: doubt is left", t, n)
			}
		}
	}
	if e.warms() {
		return fmt.Errorf("a cluster warms")
	}
	runs := map[snapshot.Type]map[string]string{snapshot.Cluster: {}, snapshot.Listener: {}, snapshot.VirtualHost: {}}
	for n, x := range e.clusters {
		runs[snapshot.Cluster][n] = x.active.Version
	}
	for n, x := range e.listeners {
		if x.active != nil {
			runs[snapshot.Listener][n] = x.active.Version
		}
	}
	for n, x := range e.vhs {
		runs[snapshot.VirtualHost][n] = x.Version
	}
	for t, got := range runs {
		if !c.types[snapshot.VirtualHost].first && t != snapshot.Listener {
			continue // no listener was ever accepted: there are no routes, and clusters stay
		}
		want := map[string]string{}
		for change := range pmap.Diff(resources{}, c.want(t)) {
			if c.lost(t, change.Key) || t == snapshot.Listener && w.blocked(change.Key) || w.held(t, change.Key) {
				delete(got, change.Key)
				continue
			}
			if t == snapshot.VirtualHost && !e.rcs[routesOf(change.Key)] {
				continue // Envoy rejected the listener that would have asked for these routes
			}
			d := c.desired(t, change.Key)
			if t == snapshot.VirtualHost && d != nil && !w.servable(d) {
				d = c.types[t].get(change.Key) // a cluster of it was rejected
			}
			if d != nil {
				want[change.Key] = d.Version
			}
		}
		if t == snapshot.Cluster {
			maps.DeleteFunc(got, func(n, _ string) bool { return !c.want(t).Has(n) && c.pinned()(n) })
			maps.DeleteFunc(got, func(n, _ string) bool { return w.hidden[n] && c.types[t].get(n) == nil })
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("%v: Envoy runs %v, desired %v (invariant 3)", t, got, want)
		}
	}
	if err := w.finalHTTP(); err != nil {
		return err
	}
	return w.finalNamed()
}

// servable reports whether Envoy has all that a virtual host needs, or what it
// lacks was rejected and the host is new. Of a chain, and of a cluster known by
// its version only or not at all, a Conn may be more careful than the truth.
func (w *walk) servable(host *snapshot.Resource) bool {
	c := w.conn
	isNew := c.types[snapshot.VirtualHost].get(host.Name) == nil
	for _, ref := range host.Needs {
		have := c.types[snapshot.Cluster].get(ref.Name)
		switch {
		case ref.Type == snapshot.Chain:
			if !c.liveChain(ref.Name) {
				return false
			}
		case have != nil && !known(have), have == nil && w.hidden[ref.Name], c.lost(snapshot.Cluster, ref.Name):
			if !c.live(ref.Name) && !isNew {
				return false
			}
		case w.envoy.serves(host, ref, func(*snapshot.Resource, string) bool { return isNew }) != nil:
			return false
		}
	}
	return true
}

func (w *walk) finalNamed() error {
	c, e := w.conn, w.envoy
	for n, x := range e.clusters {
		d := c.desired(snapshot.Endpoints, n)
		if d == nil || w.world.quality(d) != good || !x.watches() {
			continue
		}
		if w.cut[n] && e.versions[snapshot.Endpoints][n] == d.Version {
			continue // Envoy reports that it has them
		}
		if x.cla == nil || x.cla.Version != d.Version {
			return fmt.Errorf("cluster %s has endpoints %q, desired %s (invariant 4)", n, version(x.cla), d.Version)
		}
	}
	for n, s := range e.secrets {
		d := c.desired(snapshot.Secret, n)
		if d != nil && (s.good == nil || s.good.Version != d.Version) {
			return fmt.Errorf("secret %s: Envoy has %q, desired %s (invariant 3)", n, version(s.good), d.Version)
		}
	}
	return nil
}

// reconnect is invariant 5: a replica with an equal snapshot sends nothing.
func (w *walk) reconnect() error {
	w.stream(w.conn.Rejects())
	if err := w.drain(); err != nil {
		return err
	}
	var sent uint64
	for t := range snapshot.Types() {
		sent += w.conn.counters.Resources[t]
		if t != snapshot.VirtualHost || !w.envoy.emptyRoutes() { // an empty table is told to be complete
			sent += w.conn.counters.Removed[t]
		}
	}
	if sent > 0 {
		return fmt.Errorf("%d resources sent to an Envoy that has all (invariant 5): %+v", sent, w.conn.counters)
	}
	return w.final()
}

func (w *walk) clean() bool {
	for t := range w.envoy.versions { // Envoy's report lies only after a partly applied rejection
		if len(w.conn.types[t].errors) > 0 || len(w.conn.rejected) > 0 {
			return false
		}
	}
	return w.world.badness == 0
}

func run(seed uint64, trace func(string, ...any)) error {
	w := newWalk(seed, trace)
	for range 400 + seed%5*100 {
		if err := w.step(); err != nil {
			return err
		}
	}
	if err := w.drain(); err != nil {
		return err
	}
	if err := w.final(); err != nil {
		return err
	}
	if !w.clean() {
		return nil
	}
	return w.reconnect()
}

func silent(string, ...any) {}

// found are walks that showed a fault once.
var found = []uint64{302, 581, 2654, 4598, 7070, 7388, 7537, 7694, 8426, 10043, 11845, 19859, 21248, 22370, 22490, 26120, 26669, 27514, 28484, 32228, 35390, 35857,
	scopedRoutes + 450, scopedRoutes + 3852, scopedRoutes + 4002}

// TestWalk holds the invariants of docs/delta.md on random walks against the
// model Envoy. -walks=100000 for a long one; -walk=SEED shows one with a trace.
func TestWalk(t *testing.T) {
	if *walkSeed != 0 {
		if err := run(*walkSeed, t.Logf); err != nil {
			t.Fatal(err)
		}
		return
	}
	failed := 0
	all := *walks + 3*(*walks/3)
	for i := range all + len(found) {
		seed := uint64(i)
		switch {
		case i >= all:
			seed = found[i-all]
		case i >= *walks+2*(*walks/3):
			seed = clusterSecrets + uint64(i-*walks-2*(*walks/3))
		case i >= *walks+*walks/3:
			seed = scopedRoutes + uint64(i-*walks-*walks/3)
		case i >= *walks:
			seed = twoRoutes + uint64(i-*walks)
		}
		if err := run(seed, silent); err != nil {
			t.Errorf("walk %d: %v", seed, err)
			if failed++; failed >= 5 {
				t.FailNow()
			}
		}
	}
}
