package delta

import (
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"path"
	"slices"
	"time"

	"legation.dev/xds/snapshot"
)

// quality is what the model Envoy thinks of a version.
type quality int

const (
	good    quality = iota
	passing         // an HTTP configuration that is rejected at first, for what is not there yet
	bad
	undecodable
)

// envoy is the model of docs/delta.md, M1 to M28. Its state outlives streams.
type envoy struct {
	quality func(*snapshot.Resource) quality
	now     time.Time

	clusters  map[string]*modelCluster
	listeners map[string]*modelListener
	secrets   map[string]*modelSecret
	lingering map[string]time.Time // secrets of removed clusters, since when
	rcs       map[string]bool      // subscribed route configurations → received
	vhs       map[string]*snapshot.Resource
	vhReady   map[string]bool // route configurations whose first VHDS response came
	vhAsked   bool            // ever
	ldsAsked  bool            // ever: the first load is over
	cdsHeard  bool
	http      modelHTTP
	versions  [snapshot.NumTypes]map[string]string // reported on reconnect

	asked  [snapshot.NumTypes]bool // on this stream
	held   []Request               // CDS answers and first request that wait (M3, M4)
	toConn []Request
	inbox  []Response
}

type modelCluster struct {
	active, warming *snapshot.Resource
	since           time.Time // of the warming
	cla             *snapshot.Resource
	heard           bool      // got its CLA, a rejected one, or gave up waiting
	claNew          bool      // got one since it warms
	asked           time.Time // for its secrets, since it warms; zero: not yet
	checked         bool      // its first health check is over
}

type modelListener struct {
	active, warming *snapshot.Resource
	since           time.Time
}

type modelSecret struct {
	good       *snapshot.Resource
	remembered string // the bytes last seen, good or bad
	rejected   bool   // those were bad
	waited     bool   // its waiting is over
	stalled    bool   // its waiting was over while the wire carried it; until it comes
}

func newEnvoy(q func(*snapshot.Resource) quality) *envoy {
	e := &envoy{quality: q, clusters: map[string]*modelCluster{}, listeners: map[string]*modelListener{},
		secrets: map[string]*modelSecret{}, lingering: map[string]time.Time{}, rcs: map[string]bool{}, vhReady: map[string]bool{}, vhs: map[string]*snapshot.Resource{}}
	for t := range e.versions {
		e.versions[t] = map[string]string{}
	}
	e.http.configs = map[string]*modelConfig{}
	return e
}

// pairs implements Versions.
type pairs map[string]string

func (p pairs) Len() int                       { return len(p) }
func (p pairs) All() iter.Seq2[string, string] { return maps.All(p) }
func (p pairs) Sum() (s VersionSum) {
	for n, v := range p {
		s.Add(n, v)
	}
	return s
}

// connect opens a stream: M1, M4.
func (e *envoy) connect() {
	e.asked, e.held, e.toConn, e.inbox = [snapshot.NumTypes]bool{}, nil, nil, nil
	e.first(snapshot.Cluster, nil)
	if names := slices.Sorted(maps.Keys(e.eds())); len(names) > 0 {
		e.first(snapshot.Endpoints, names)
	}
	if e.ldsAsked {
		e.first(snapshot.Listener, nil)
	}
	if len(e.http.configs) > 0 {
		e.first(snapshot.ExtensionConfig, slices.Sorted(maps.Keys(e.http.configs)))
	}
	if e.http.scoped {
		e.first(snapshot.ScopedRoute, nil)
	}
	if len(e.rcs) > 0 {
		e.first(snapshot.RouteConfiguration, slices.Sorted(maps.Keys(e.rcs)))
	}
	if len(e.secrets) > 0 {
		e.first(snapshot.Secret, slices.Sorted(maps.Keys(e.secrets)))
	}
	if e.vhAsked {
		e.first(snapshot.VirtualHost, nil)
	}
}

// hidden are the clusters that no first request tells of: applied beside a
// rejected one (M6), and without endpoints to ask for.
func (e *envoy) hidden() map[string]bool {
	names := map[string]bool{}
	for n, c := range e.clusters {
		names[n] = !c.watches() && e.versions[snapshot.Cluster][n] == ""
	}
	return names
}

func (e *envoy) eds() map[string]bool {
	names := map[string]bool{}
	for n, c := range e.clusters {
		if c.watches() {
			names[n] = true
		}
	}
	return names
}

// watches reports whether the cluster, as it serves or as it warms, is subscribed
// to its endpoints.
func (c *modelCluster) watches() bool {
	return c.active != nil && isEDS(c.active) || c.warming != nil && isEDS(c.warming)
}

func (c *modelCluster) newest() *snapshot.Resource {
	if c.warming != nil {
		return c.warming
	}
	return c.active
}

func (e *envoy) first(t snapshot.Type, names []string) {
	e.asked[t] = true
	r := Request{URL: t.URL(), Subscribe: List(names)}
	if len(e.versions[t]) > 0 {
		r.Initial = pairs(maps.Clone(e.versions[t]))
	}
	e.request(t, r)
}

func (e *envoy) request(t snapshot.Type, r Request) {
	if t == snapshot.Cluster && (e.warms() && (e.ldsAsked || r.Nonce == "") || len(e.held) > 0) {
		e.held = append(e.held, r)
		return
	}
	e.toConn = append(e.toConn, r)
}

func (e *envoy) subscribe(t snapshot.Type, names ...string) {
	if len(names) == 0 {
		return
	}
	if !e.asked[t] {
		e.first(t, names)
		return
	}
	e.toConn = append(e.toConn, Request{URL: t.URL(), Subscribe: List(names)})
}

func (e *envoy) unsubscribe(t snapshot.Type, name string) {
	delete(e.versions[t], name)
	e.toConn = append(e.toConn, Request{URL: t.URL(), Unsubscribe: []string{name}})
}

func (e *envoy) warms() bool {
	for _, c := range e.clusters {
		if c.warming != nil {
			return true
		}
	}
	return false
}

// progress lets time and events take effect: ends of warming, held answers, the
// first LDS request. A listener that has waited long enough for secrets that the wire
// still carries, or requests of them, serves without, which nobody can help.
func (e *envoy) progress(underWay []string) {
	for _, n := range slices.Sorted(maps.Keys(e.clusters)) {
		c := e.clusters[n]
		if c.warming == nil {
			continue
		}
		timeout := !e.now.Before(c.since.Add(patience))
		switch {
		case isEDS(c.warming) && !c.claNew && !timeout: // it asks for secrets behind its endpoints
		case !e.showing(c, underWay):
		case !isEDS(c.warming): // a DNS cluster: until its name resolves
			if c.checked {
				e.finish(n)
			}
		case !c.warming.Checked || c.checked || timeout:
			e.finish(n)
		}
	}
	e.endLingering()
	if !e.warms() {
		e.toConn = append(e.toConn, e.held...)
		e.held = nil
		if e.cdsHeard && !e.ldsAsked {
			e.ldsAsked = true
			e.first(snapshot.Listener, nil)
		}
	}
	e.follow()
	for _, l := range e.listeners {
		switch {
		case l.warming == nil:
		case e.complete(l.warming):
			e.serve(l)
		case !e.now.Before(l.since.Add(patience)) && e.http.configured(l.warming):
			for _, n := range underWay {
				if s := e.secrets[n]; s != nil {
					s.stalled = true
				}
			}
			e.serve(l)
		}
	}
}

// serve makes a warming listener active.
func (e *envoy) serve(l *modelListener) {
	l.active, l.warming = l.warming, nil
	e.dropSecrets()
}

// finish makes a warming cluster active. If it is no EDS cluster any more, the
// endpoints go with the one that it replaces.
func (e *envoy) finish(name string) {
	c := e.clusters[name]
	watched := c.watches()
	c.active, c.warming, c.heard = c.warming, nil, true
	if watched && !c.watches() {
		c.cla = nil
		e.unsubscribe(snapshot.Endpoints, name)
	}
	e.dropSecrets()
}

// finishAll ends the waiting of every warming cluster for its endpoints (M8).
func (e *envoy) finishAll() {
	for _, n := range slices.Sorted(maps.Keys(e.clusters)) {
		if c := e.clusters[n]; c.warming != nil && isEDS(c.warming) {
			e.endpointsOver(n)
		}
	}
}

// endpointsOver ends the waiting of a warming cluster for its endpoints.
func (e *envoy) endpointsOver(name string) {
	c := e.clusters[name]
	if c.claNew = true; len(secretsOf(c.warming)) == 0 { // else it waits for those
		e.finish(name)
	}
}

// complete reports whether a listener has its routes and secrets (M10), and its HTTP
// configurations (M25). One that was rejected asks for no routes.
func (e *envoy) complete(l *snapshot.Resource) bool {
	if !e.http.configured(l) {
		return false
	}
	for _, ref := range l.Pulls {
		switch ref.Type {
		case snapshot.RouteConfiguration:
			if scoped(l) && !e.http.routed(l) {
				continue
			}
			if !e.rcs[ref.Name] || !e.vhReady[ref.Name] {
				return false
			}
		case snapshot.Secret:
			if s := e.secrets[ref.Name]; s == nil || s.good == nil && !s.waited {
				return false
			}
		}
	}
	return true
}

// needed are the names of a type that a listener pulls.
func (e *envoy) needed(t snapshot.Type) map[string]bool {
	needed := map[string]bool{}
	for _, l := range e.listeners {
		for _, r := range []*snapshot.Resource{l.active, l.warming} {
			if r == nil {
				continue
			}
			for _, ref := range r.Pulls {
				needed[ref.Name] = needed[ref.Name] || ref.Type == t
			}
		}
	}
	for _, c := range e.clusters {
		for _, r := range []*snapshot.Resource{c.active, c.warming} {
			if r == nil {
				continue
			}
			for _, ref := range r.Pulls {
				needed[ref.Name] = needed[ref.Name] || ref.Type == t
			}
		}
	}
	return needed
}

func (e *envoy) dropSecrets() {
	needed := e.needed(snapshot.Secret)
	for _, n := range slices.Sorted(maps.Keys(e.secrets)) {
		if _, lingers := e.lingering[n]; !needed[n] && !lingers {
			delete(e.secrets, n)
			e.unsubscribe(snapshot.Secret, n)
		}
	}
	e.dropRoutes()
}

// dropRoutes forgets the route configurations that no listener names, with all that
// is under them but the versions (M11).
func (e *envoy) dropRoutes() {
	needed := e.needed(snapshot.RouteConfiguration)
	for _, n := range slices.Sorted(maps.Keys(e.rcs)) {
		if needed[n] {
			continue
		}
		delete(e.rcs, n)
		delete(e.vhReady, n)
		e.unsubscribe(snapshot.RouteConfiguration, n)
		for name := range e.vhs {
			if routesOf(name) == n {
				delete(e.vhs, name)
			}
		}
	}
}

// receive takes one response.
func (e *envoy) receive(r Response) {
	if !e.asked[r.Type] {
		return // M9
	}
	worst := good
	for _, x := range r.Resources {
		worst = max(worst, e.quality(x))
	}
	var err string
	switch {
	case r.Type == snapshot.ExtensionConfig:
		err = e.onConfigs(r)
	case worst == undecodable:
		err = "undecodable"
	case r.Type == snapshot.Cluster:
		err = e.onClusters(r)
	case r.Type == snapshot.Endpoints:
		err = e.onEndpoints(r)
	case r.Type == snapshot.Secret:
		err = e.onSecrets(r)
	case r.Type == snapshot.ScopedRoute:
		err = e.onScopes(r)
	case r.Type == snapshot.RouteConfiguration:
		err = e.onRoutes(r, worst)
	case r.Type == snapshot.Listener:
		err = e.onListeners(r)
	case r.Type == snapshot.VirtualHost:
		err = e.onVirtualHosts(r, worst)
	}
	if r.Type == snapshot.Endpoints && err != "" {
		e.finishAll()
	}
	if r.Type == snapshot.Secret && err != "" { // M16
		for _, s := range e.secrets {
			s.waited = true
		}
	}
	if r.Type == snapshot.VirtualHost { // M12
		for _, x := range r.Resources {
			e.told(x.Name)
		}
		for _, n := range r.Removed {
			e.told(n)
		}
	}
	answer := Request{URL: r.Type.URL(), Nonce: r.Nonce}
	if err != "" {
		answer.Error = &Error{Code: 13, Message: err}
	} else {
		e.record(r)
	}
	e.request(r.Type, answer)
}

// emptyRoutes reports whether Envoy has a route configuration without virtual hosts.
func (e *envoy) emptyRoutes() bool {
	used := map[string]bool{}
	for name := range e.vhs {
		used[routesOf(name)] = true
	}
	return len(used) < len(e.rcs)
}

// told ends the waiting of the route configuration of a virtual host, if it is there.
func (e *envoy) told(virtualHost string) {
	if routes := routesOf(virtualHost); e.rcs[routes] {
		e.vhReady[routes] = true
	}
}

func (e *envoy) record(r Response) {
	named := map[snapshot.Type]func(string) bool{
		snapshot.Endpoints: func(n string) bool { return e.eds()[n] },
		snapshot.Secret:    func(n string) bool { return e.secrets[n] != nil },

		snapshot.ExtensionConfig: func(n string) bool { return e.http.configs[n] != nil },
	}
	for _, x := range r.Resources {
		if has := named[r.Type]; has == nil || has(x.Name) {
			e.versions[r.Type][x.Name] = x.Version
		}
	}
	for _, n := range r.Removed {
		delete(e.versions[r.Type], n)
	}
}

func (e *envoy) onClusters(r Response) (err string) {
	e.cdsHeard = true
	var ask []string
	for _, n := range r.Removed {
		if c := e.clusters[n]; c != nil {
			delete(e.clusters, n)
			e.linger(c)
			if c.watches() {
				e.unsubscribe(snapshot.Endpoints, n)
			}
		}
	}
	for _, x := range r.Resources {
		if e.quality(x) != good {
			err += "Error adding/updating cluster(s) " + x.Name + " "
			continue
		}
		c := e.clusters[x.Name]
		if c != nil && string(c.newest().Body()) == string(x.Body()) {
			continue
		}
		if e.poisoned(x) {
			err += "Error adding/updating cluster(s) " + x.Name + ": secret "
			continue
		}
		if c == nil {
			c = &modelCluster{}
			e.clusters[x.Name] = c
		}
		watched := c.watches()
		c.warming, c.since, c.claNew, c.checked, c.asked = x, e.now, false, false, time.Time{}
		switch {
		case !watched && c.watches():
			ask = append(ask, x.Name)
		case watched && !c.watches(): // one that still warmed became a DNS cluster
			c.cla = nil
			e.unsubscribe(snapshot.Endpoints, x.Name)
		}
	}
	e.subscribe(snapshot.Endpoints, ask...)
	return err
}

func byHash(list []*snapshot.Resource) []*snapshot.Resource {
	hash := func(r *snapshot.Resource) uint32 {
		h := fnv.New32a()
		h.Write([]byte(r.Name))
		return h.Sum32()
	}
	return slices.SortedFunc(slices.Values(list), func(a, b *snapshot.Resource) int { return int(hash(a)>>1) - int(hash(b)>>1) })
}

func (e *envoy) onEndpoints(r Response) string {
	for _, x := range byHash(r.Resources) {
		c := e.clusters[x.Name]
		if c == nil || !c.watches() {
			continue
		}
		if e.quality(x) != good {
			return "malformed IP address"
		}
		c.cla, c.claNew = x, true
	}
	for _, n := range r.Removed {
		if c := e.clusters[n]; c != nil && c.warming != nil && isEDS(c.warming) && c.cla == nil {
			e.endpointsOver(n)
		}
	}
	return ""
}

func (e *envoy) onSecrets(r Response) string {
	for _, x := range byHash(r.Resources) {
		s := e.secrets[x.Name]
		if s == nil {
			continue
		}
		if s.stalled = false; s.remembered == string(x.Body()) {
			continue // M16: the same bytes are acknowledged and skipped
		}
		s.remembered, s.rejected = string(x.Body()), e.quality(x) != good
		if s.rejected {
			return "KEY_VALUES_MISMATCH"
		}
		s.good = x
	}
	return ""
}

func (e *envoy) onRoutes(r Response, worst quality) string {
	if worst != good {
		return "bad route configuration"
	}
	for _, x := range r.Resources {
		if _, ok := e.rcs[x.Name]; ok {
			e.rcs[x.Name] = true
		}
	}
	if e.vhAsked = true; !e.asked[snapshot.VirtualHost] {
		e.first(snapshot.VirtualHost, nil)
	}
	return ""
}

func (e *envoy) onListeners(r Response) string {
	for _, n := range r.Removed {
		e.unheld(n)
		delete(e.listeners, n)
		e.dropSecrets()
	}
	for _, x := range r.Resources {
		if e.quality(x) != good {
			return "Error adding/updating listener(s) " + x.Name
		}
		l := e.listeners[x.Name]
		if l == nil {
			l = &modelListener{}
		}
		for _, ref := range x.Pulls { // M15
			s := e.secrets[ref.Name]
			isNew := l.active == nil || !l.active.Pulled(ref)
			if ref.Type == snapshot.Secret && s != nil && s.rejected && isNew {
				return "Error adding/updating listener(s) " + x.Name + ": secret"
			}
		}
		if err := e.spoils(x); err != "" {
			return err
		}
		e.listeners[x.Name] = l
		l.warming, l.since = x, e.now
		e.pull(x)
		e.dropSecrets()
	}
	return ""
}

func (e *envoy) pull(l *snapshot.Resource) {
	var secrets, configs []string
	for _, ref := range l.Pulls {
		switch ref.Type {
		case snapshot.RouteConfiguration:
			if _, ok := e.rcs[ref.Name]; !ok && !scoped(l) {
				e.rcs[ref.Name] = false
				e.subscribe(ref.Type, ref.Name)
			}
		case snapshot.Secret:
			secrets = append(secrets, ref.Name)
		case snapshot.ExtensionConfig:
			if e.http.configs[ref.Name] == nil {
				e.http.configs[ref.Name] = &modelConfig{}
				configs = append(configs, ref.Name)
			}
		}
	}
	e.subscribe(snapshot.ExtensionConfig, configs...)
	e.askSecrets(secrets)
}

func (e *envoy) onVirtualHosts(r Response, worst quality) string {
	if worst != good {
		return "Only a single wildcard domain is permitted"
	}
	for _, x := range r.Resources {
		if e.rcs[routesOf(x.Name)] { // M11
			e.vhs[x.Name] = x
		}
	}
	for _, n := range r.Removed {
		delete(e.vhs, n)
	}
	return ""
}

// check is invariant 1: what Envoy runs names only what serves.
func (e *envoy) check(forced bool, excused func(host *snapshot.Resource, cluster string) bool) error {
	for _, n := range slices.Sorted(maps.Keys(e.vhs)) {
		for _, ref := range e.vhs[n].Needs {
			if err := e.serves(e.vhs[n], ref, excused); err != nil && !(forced && ref.Type == snapshot.Chain) {
				return fmt.Errorf("virtual host %s: %w", n, err)
			}
		}
	}
	return nil
}

// answers reports whether there is a chain, and its certificate. Nobody can help if
// that was rejected, or if Envoy stopped waiting because another was (M10).
func (e *envoy) answers(chain string) bool {
	s := e.secrets[chain]
	for _, l := range e.listeners {
		if l.active != nil && l.active.HasChain(chain) && s != nil {
			return s.good != nil || s.rejected || s.waited || s.stalled
		}
	}
	return false
}

func (e *envoy) serves(host *snapshot.Resource, ref snapshot.Ref, excused func(*snapshot.Resource, string) bool) error {
	if ref.Type == snapshot.Chain {
		for _, chain := range []string{ref.Name, path.Base(host.Name), wildcard} { // the other two are for its names, too
			if e.answers(chain) {
				return nil
			}
		}
		return fmt.Errorf("no %v", ref)
	}
	c := e.clusters[ref.Name]
	if (c == nil || c.active == nil || !c.heard) && !excused(host, ref.Name) {
		return fmt.Errorf("%v is not active", ref)
	}
	if c != nil && c.active != nil && !e.shows(c) && !excused(host, ref.Name) {
		return fmt.Errorf("%v has no secret", ref)
	}
	return nil
}
