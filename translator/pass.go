package translator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/service"
	"legation.dev/translator/policy"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// pass is one translation of one fleet: it finds out what the difference
// between two views concerns, and computes just that. A first translation is
// the difference to an empty view. A pass lives during one call of Translate.
type pass struct {
	old   *Fleet
	v     input.View
	of    *input.IngressClass
	next  *Fleet
	front *render.Front // made when it is needed
	stats Stats

	// What is to be computed.
	all      bool                    // everything, because the class is another one
	fencing  bool                    // beside all: also whether each host without TLS needs a fence
	objects  map[object.Ref]struct{} // that make routes
	hosts    keys                    // as fragments name them
	tls      keys                    // TLS hosts
	services keys                    // namespace/service: their clusters and endpoints
	slices   keys                    // namespace/service: their endpoints
	clusters keys                    // clusters that are named newly or no more
	secrets  keys                    // namespace/name: Secrets that have changed

	counted map[string]map[string]uint32 // clusters, by Service and port: see variants
	owned   owned
}

// keys is a set of keys.
type keys map[string]struct{}

func (k keys) add(key string) { k[key] = struct{}{} }

// sorted are the keys in order: nothing is computed in the order of a map.
func (k keys) sorted() []string {
	list := make([]string, 0, len(k))
	for key := range k {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}

func newPass(old *Fleet, v input.View, of *input.IngressClass, frozen bool) *pass {
	next := *old
	next.view, next.Frozen = v, frozen
	p := &pass{old: old, v: v, next: &next, objects: map[object.Ref]struct{}{}, hosts: keys{}, tls: keys{},
		services: keys{}, slices: keys{}, clusters: keys{}, secrets: keys{}}
	if p.classChanged() {
		next.class = readClass(v, of, frozen, old.class.Over)
	}
	p.of = of
	p.all = next.class.sum != old.class.sum
	return p
}

// classChanged reports whether anything changed that the class is read from.
func (p *pass) classChanged() bool {
	before := p.old.view
	if p.old.class.Name == "" || p.old.Frozen != p.next.Frozen ||
		before.Classes().Digest() != p.v.Classes().Digest() || before.ConfigMaps().Digest() != p.v.ConfigMaps().Digest() {
		return true
	}
	for c := range pmap.Diff(before.Fragments(), p.v.Fragments()) {
		if catches(c.Old) || catches(c.New) {
			return true
		}
	}
	for c := range pmap.Diff(before.Kept(), p.v.Kept()) {
		if cmp.Or(c.Old.Host, c.New.Host) == route.Any {
			return true
		}
	}
	for ref := range replaced(before, p.v) {
		for f := range p.v.Naming(ref) {
			if f.CatchAll != nil {
				return true
			}
		}
	}
	return false
}

// catches reports whether an object takes requests to no host: it decides, with others,
// who has the catch-all.
func catches(f *route.Fragment) bool {
	return f != nil && (f.CatchAll != nil || f.Host(route.Any) != nil)
}

// run computes the fleet. The order matters: hosts decide which clusters there
// are, TLS hosts which chains the listener has.
func (p *pass) run() *Fleet {
	p.budget()
	p.compare()
	p.found("class", p.next.class.found)
	p.found("deletion", p.deletion())
	for _, of := range slices.SortedFunc(maps.Keys(p.objects), object.Ref.Compare) {
		p.object(of)
	}
	for _, name := range p.hosts.sorted() {
		p.host(name)
	}
	for _, name := range p.tls.sorted() {
		p.tlsHost(name)
	}
	p.tickets()
	p.routeConfigurations()
	p.collector()
	p.backends()
	p.listeners()
	return p.next.finish()
}

// deletion tells of a deletion that is held.
func (p *pass) deletion() []finding.Finding {
	d, ok := p.v.Deletion(p.next.Name)
	if !ok {
		return nil
	}
	until := "until `legation approve`"
	if !d.Until.IsZero() {
		until = "until " + d.Until.UTC().Format(time.RFC3339) + ", or `legation approve`"
	}
	return []finding.Finding{finding.DeletionHeld.At(input.Origin(p.of), "", d.Share, until)}
}

// paused tells of a pause of the fleet, and of the objects that it keeps back; v is what
// they are now.
func (p *pass) paused(v input.View) {
	name := p.next.Name
	pause, paused := v.Paused(name)
	var found []finding.Finding
	if paused {
		found = append(found, finding.FleetPaused.At(input.Origin(p.of), "", pause.By, pause.Reason))
		for _, key := range v.KeptBack(name) {
			if f, ok := v.Fragments().Get(key); ok {
				found = append(found, finding.KeptBack.At(f.Origin, "", name))
			}
		}
	}
	p.found("pause", found)
}

// held tells of settings that are held; v has what they are now.
func (p *pass) held(v input.View) {
	h, held := v.HeldSettings(p.next.Name)
	if !held {
		p.found("settings", nil)
		return
	}
	of, mistakes := v.HeldMistakes(p.next.Name)
	var found []finding.Finding
	for _, e := range mistakes {
		found = append(found, finding.SettingsKept.At(of.At(e.Field), e.Value, e.Err))
	}
	if at, fields := v.ChangedSettings(p.next.Name); !h.Wrong() {
		for _, f := range fields {
			found = append(found, finding.SettingsHeld.At(at.In(f.Field), f.Value, h.Why, p.next.Name))
		}
	}
	p.found("settings", found)
}

// unusable tells of what is wrong with the settings that keeps a fleet frozen; v is what they
// are now.
func (p *pass) unusable(v input.View) {
	var found []finding.Finding
	if of, ok := v.Class(p.next.Name); ok && v.IsFrozen(p.next.Name) {
		if config, ok := v.ConfigMaps().Get(of.Parameters.Key()); ok {
			found = wrongFixed(config)
		}
	}
	p.found("unusable", found)
}

// pressed tells a namespace with Ingresses of the class that it makes too many changes, at
// the first of them by name.
func (p *pass) pressed(v input.View) {
	var found []finding.Finding
	for namespace, press := range v.Press().All() {
		code := finding.NearChanges
		if press.Over {
			code = finding.OverChanges
		}
		if f := p.first(namespace); f != nil {
			found = append(found, code.At(f.Origin, "", press.Most))
		}
	}
	p.found("changes", found)
}

// object tells what is wrong with one object by itself.
func (p *pass) object(of object.Ref) {
	var found []finding.Finding
	unit := of.String()
	f, ok := p.v.Fragments().Get(unit)
	if ok {
		found = p.next.class.contradicted(f)
	}
	if ok = ok && p.next.class.has(f); ok {
		found = slices.Concat(found, f.Findings, service.BeyondShare(f, &p.next.class.Settings), p.next.class.guarded(f))
	}
	if ok && f.Withheld { // it has no paths of its own
		found = finding.Where(found, "the canary gets no requests")
	}
	p.found("object "+unit, found)
	if of.Kind == object.KindIngress {
		p.next.Members = with(p.next.Members, of.Key(), ok)
	}
}

// host computes the virtual hosts of a name, one for each route configuration, and
// marks the clusters that they name newly or no more.
func (p *pass) host(name string) {
	v, found := p.merge(name)
	for _, routes := range p.next.class.routes {
		unit := render.VirtualHostName(routes, name)
		before, _ := p.next.Snapshot.Of(snapshot.VirtualHost).Get(unit)
		r, closed := p.virtualHost(routes, v)
		for _, c := range closed {
			found = append(found, finding.HostNotServed.At(p.origin(c.From, name), "", c.Err))
		}
		p.put(snapshot.VirtualHost, unit, r)
		p.unname(before, r, name)
	}
	p.found("host "+name, found)
}

// origin is where an object is; without one, that of a host.
func (p *pass) origin(of object.Ref, host string) object.Origin {
	if f, ok := p.v.Fragments().Get(of.String()); ok {
		return f.Origin
	}
	return hostOrigin(host)
}

func (p *pass) virtualHost(routes string, v *route.VirtualHost) (*snapshot.Resource, []render.Closed) {
	if v == nil {
		return nil, nil
	}
	r, closed := render.VirtualHost(routes, v)
	if r == nil {
		return nil, closed
	}
	for _, b := range v.Backends {
		p.name(b, v.Host)
	}
	return r, closed
}

// madeAnew reports whether a cluster is made with a Secret that has changed.
func (p *pass) madeAnew(b route.Backend) bool {
	secret := policy.Values{}.With(b.Policy).TLSSecret
	if !strings.Contains(secret, "/") {
		secret = b.Namespace + "/" + secret
	}
	_, changed := p.secrets[secret]
	return changed
}

// unname notes which clusters a host names no more.
func (p *pass) unname(before, now *snapshot.Resource, host string) {
	if before == nil {
		return
	}
	for _, need := range before.Needs {
		if need.Type == snapshot.Cluster && (now == nil || !slices.Contains(now.Needs, need)) {
			p.next.named = p.next.named.Delete(need.Name + separator + host)
			p.clusters.add(need.Name)
		}
	}
}

// merge builds the virtual host of a name from the fragments that have a rule for it. It
// also looks at the parent wildcard, for the owner and the TLS chain, and at those of Any,
// for deeper names. It returns nil if no fragment has a rule for the name that is served,
// except for Any, which always exists. It never reads Services: a route names its cluster
// whether or not the Service exists.
func (p *pass) merge(name string) (*route.VirtualHost, []finding.Finding) {
	c := p.next.class
	in := inputOf(p.v)
	in.Class, in.Any = &c.Class, c.any
	var of string
	in.Own, of = p.owners(name)
	if wildcard, ok := route.Wildcard(name); ok {
		if in.Wildcard, _ = p.owners(wildcard); in.Wildcard.Owner != in.Own.Owner {
			in.Given = p.given(in.Own.Owner, wildcard)
		}
	}
	leading := in.Own.Served
	if strings.HasPrefix(name, "*.") {
		leading = slices.Concat(leading, in.Any.Served)
	}
	in.Canaries = p.canaries(leading)
	v, found := route.Merge(name, in)
	if of != "" { // what is wrong with rules is told where they are, but for those that are refused
		found = in.Own.Found
	}
	return v, append(found, p.nameTaken(name, of)...)
}

// with is m with a key, or without it.
func with(m pmap.Map[pmap.Unit], key string, has bool) pmap.Map[pmap.Unit] {
	if has {
		return m.Set(key, pmap.Unit{})
	}
	return m.Delete(key)
}

// hostOrigin is where there is no object to blame.
func hostOrigin(name string) object.Origin {
	return object.Origin{Object: object.Ref{Kind: object.KindIngress, Name: name}}
}

// separator is between the parts of an index key; no name contains it.
const separator = "\x00"

// name notes that a host names a backend.
func (p *pass) name(b route.Backend, host string) {
	cluster := b.Cluster()
	p.next.named = p.next.named.Set(cluster+separator+host, pmap.Unit{})
	if len(p.secrets) > 0 && len(b.Policy) > 0 && p.madeAnew(b) {
		p.clusters.add(cluster)
	}
	if !p.next.backends.Has(cluster) {
		p.next.take(b)
		p.clusters.add(cluster)
	}
}

// backends computes the clusters that are named newly, drops those that are
// named no more, and follows what changed behind the others.
func (p *pass) backends() {
	p.unmeasured()
	for _, service := range p.services.sorted() {
		for name := range p.next.clustersOf(service) {
			p.clusters.add(name)
		}
	}
	p.shares()
	for _, name := range p.clusters.sorted() {
		p.cluster(name)
	}
	for _, service := range p.slices.sorted() {
		for name, b := range p.next.clustersOf(service) {
			p.followSlices(name, b)
		}
	}
}

// followSlices computes what a change of slices concerns: the endpoints, or the
// cluster that contains them because Envoy resolves them, or would if the class let it. Of
// copies of requests the cluster has to tell whether there are endpoints.
func (p *pass) followSlices(name string, b route.Backend) {
	if _, done := p.clusters[name]; done {
		return
	}
	if c, _ := p.next.Snapshot.Of(snapshot.Cluster).Get(name); !byEDS(c) || b.Outside() || service.HasNames(slices.Collect(p.v.SlicesOf(b.Key()))) {
		p.cluster(name)
		return
	}
	p.endpoints(name, b)
}

// cluster computes one cluster, what it shows to its endpoints, and these, if it is named.
func (p *pass) cluster(name string) {
	b, ok := p.next.backends.Get(name)
	if !ok || !p.isNamed(name) {
		p.next.leave(name)
		p.next.measured = p.next.measured.Delete(name)
		p.found(clusterUnit(name), nil)
		p.found("endpoints "+name, nil)
		p.put(snapshot.Cluster, name, nil)
		p.put(snapshot.Endpoints, name, nil)
		p.put(snapshot.Secret, render.ShownBy(name), nil)
		return
	}
	r, found := cluster(p.v, p.next.class, b, p.sharers(b))
	p.measure(name, r.measured)
	p.found(clusterUnit(name), found)
	p.put(snapshot.Cluster, name, r.cluster)
	p.put(snapshot.Secret, render.ShownBy(name), r.shown)
	p.endpoints(name, b)
}

// byEDS reports whether a cluster gets its endpoints by EDS; they are not in it then.
func byEDS(cluster *snapshot.Resource) bool {
	return cluster.Pulled(snapshot.Ref{Type: snapshot.Endpoints, Name: cluster.Name})
}

// collector marks the cluster that spans are sent to, before and after a change of the class.
func (p *pass) collector() {
	if !p.all {
		return
	}
	if before, ok := route.Collector(&p.old.class.Settings.Tracing); ok {
		p.clusters.add(before.Cluster())
	}
	if now, ok := route.Collector(&p.next.class.Settings.Tracing); ok {
		p.next.take(now)
		p.clusters.add(now.Cluster())
	}
}

// isNamed reports whether a host names a cluster, or the class.
func (p *pass) isNamed(cluster string) bool {
	if b, ok := route.Collector(&p.next.class.Settings.Tracing); ok && b.Cluster() == cluster {
		return true
	}
	for range p.next.named.Prefix(cluster + separator) {
		return true
	}
	return false
}

// endpoints computes the endpoints of a cluster that gets them by EDS.
func (p *pass) endpoints(name string, b route.Backend) {
	c, ok := p.next.Snapshot.Of(snapshot.Cluster).Get(name)
	if !ok || !byEDS(c) {
		p.found("endpoints "+name, nil)
		p.put(snapshot.Endpoints, name, nil)
		return
	}
	s, list := p.next.class.behind(p.v, b)
	r, found := endpoints(b, s, list, p.variants(b))
	p.found("endpoints "+name, found)
	p.put(snapshot.Endpoints, name, r)
}

// listeners computes the listeners and what they ask for if the class is another one,
// and a listener with TLS if its chains are.
func (p *pass) listeners() {
	c := p.next.class
	if p.all {
		p.must(p.listenerFront().Holder(c.Listeners))
		for _, routes := range c.routes {
			p.must(render.Scope(routes))
		}
		p.managers()
	}
	for _, l := range c.Listeners {
		chains := p.next.chains[l.Name]
		if p.all || chains.Digest() != p.old.chains[l.Name].Digest() {
			p.must(p.listenerFront().Listener(l, chains))
		}
	}
}

// managers computes the HTTP configurations of the listeners, and drops those that are
// needed no more.
func (p *pass) managers() {
	list, err := render.Managers(&p.next.class.Settings, p.next.class.Listeners)
	if err != nil {
		p.must(nil, err)
	}
	for name := range p.old.Snapshot.Of(snapshot.ExtensionConfig).All() {
		if !slices.ContainsFunc(list, func(r *snapshot.Resource) bool { return r.Name == name }) {
			p.put(snapshot.ExtensionConfig, name, nil)
		}
	}
	for _, r := range list {
		p.must(r, nil)
	}
}

// must puts a resource of which no part is unchecked input: an error is ours, and panics.
func (p *pass) must(r *snapshot.Resource, err error) {
	if err != nil {
		panic(fmt.Sprintf("translator: fleet %s: %v", p.next.Name, err))
	}
	r.From = []object.Ref{{Kind: object.KindIngressClass, Name: p.next.Name}}
	p.put(r.Type, r.Name, r)
}

func (p *pass) found(unit string, list []finding.Finding) {
	p.next.found = finding.Record(p.next.found, unit, list)
}

// put sets or, with nil, deletes a resource, and counts it.
func (p *pass) put(t snapshot.Type, name string, r *snapshot.Resource) {
	m := p.next.Snapshot.Of(t)
	if r == nil {
		p.next.Snapshot = p.next.Snapshot.With(t, m.Delete(name))
		return
	}
	p.stats.Resources++
	if after := m.Set(name, r); !after.Same(m) {
		p.stats.Bytes += len(r.Wire())
		p.next.Snapshot = p.next.Snapshot.With(t, after)
	}
}

// inputOf is what a View has of what fragments name.
func inputOf(v input.View) route.Input {
	return route.Input{Secret: credentials(v), ConfigMap: configMaps(v), Lacks: func(service object.Ref) bool {
		_, ok := v.Service(service.Key())
		return !ok
	}}
}

// credentials finds what a Secret says; nil if there is none of that name.
func credentials(v input.View) func(object.Ref) *route.Credential {
	return func(ref object.Ref) *route.Credential {
		s, ok := v.Secret(ref.Key())
		switch {
		case !ok && v.WhyUnread(ref) != "":
			return route.UnreadCredential(errUnread(v, ref))
		case !ok:
			return nil
		}
		return s.Credential()
	}
}

// errUnread is why an object is as if it were not there.
func errUnread(v input.View, ref object.Ref) error {
	return fmt.Errorf("the %s may not be read: %s", ref.Kind, v.WhyUnread(ref))
}

// configMaps finds what a ConfigMap has, or why nobody knows.
func configMaps(v input.View) func(object.Ref) (map[string]string, error) {
	return func(ref object.Ref) (map[string]string, error) {
		c, ok := v.ConfigMap(ref.Key())
		switch {
		case !ok && v.WhyUnread(ref) != "":
			return nil, errUnread(v, ref)
		case !ok:
			return nil, errors.New("there is no such ConfigMap")
		}
		return c.Data, nil
	}
}
