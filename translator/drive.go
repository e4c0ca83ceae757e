package translator

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/xds/snapshot"
)

// drive is one translation of one fleet: it finds out what the difference
// between two views concerns, and computes just that. A first translation is
// the difference to an empty view. A drive lives during one call of Translate.
type drive struct {
	old   *Fleet
	v     input.View
	next  *Fleet
	edge  *edge // made when it is needed
	stats Stats

	// What is to be computed.
	all       bool // everything, because the class is another one
	ingresses keys // namespace/name
	hosts     keys // as hostName gives them
	tls       keys // TLS hosts
	services  keys // namespace/service: their clusters and endpoints
	slices    keys // namespace/service: their endpoints
	clusters  keys // clusters that are named newly or no more
}

// keys is a set of keys.
type keys map[string]struct{}

func (k keys) add(key string) { k[key] = struct{}{} }

// sorted yields the keys in order: nothing is computed in the order of a map.
func (k keys) sorted() iter.Seq[string] { return slices.Values(slices.Sorted(maps.Keys(k))) }

func newDrive(old *Fleet, v input.View, object *input.IngressClass, frozen bool) *drive {
	next := *old
	next.view, next.Frozen = v, frozen
	d := &drive{old: old, v: v, next: &next, ingresses: keys{}, hosts: keys{}, tls: keys{},
		services: keys{}, slices: keys{}, clusters: keys{}}
	if d.classChanged() {
		next.class = readClass(v, object, frozen)
	}
	d.all = next.class.sum != old.class.sum
	return d
}

// classChanged says whether anything changed that the class is read from.
func (d *drive) classChanged() bool {
	before := d.old.view
	if d.old.class.name == "" || d.old.Frozen != d.next.Frozen ||
		before.Classes().Digest() != d.v.Classes().Digest() || before.ConfigMaps().Digest() != d.v.ConfigMaps().Digest() {
		return true
	}
	for c := range pmap.Diff(before.Ingresses(), d.v.Ingresses()) {
		if c.HadOld && c.Old.DefaultBackend != nil || c.HasNew && c.New.DefaultBackend != nil {
			return true
		}
	}
	return false
}

// run computes the fleet. The order matters: hosts decide which clusters there
// are, TLS hosts which chains the listener has.
func (d *drive) run() *Fleet {
	d.compare()
	d.found("class", d.next.class.found)
	for key := range d.ingresses.sorted() {
		d.ingress(key)
	}
	for name := range d.hosts.sorted() {
		d.host(name)
	}
	for name := range d.tls.sorted() {
		d.tlsHost(name)
	}
	d.backends()
	d.listeners()
	return d.next.finish()
}

// ingress checks one Ingress by itself.
func (d *drive) ingress(key string) {
	var found []finding
	if o, ok := d.v.Ingress(key); ok && d.next.class.has(o) {
		found = checkIngress(d.next.class, o)
		d.next.Members = d.next.Members.Set(key, pmap.Unit{})
	} else {
		d.next.Members = d.next.Members.Delete(key)
	}
	d.found("ingress "+key, found)
}

// host computes a virtual host and marks the clusters that it names newly or no
// more.
func (d *drive) host(name string) {
	unit := virtualHostName(name)
	before, _ := d.next.Snapshot.Of(snapshot.VirtualHost).Get(unit)
	r, backends, found := virtualHost(d.v, d.next.class, name)
	d.found("host "+name, found)
	d.put(snapshot.VirtualHost, unit, r)
	for _, b := range backends {
		d.name(b, name)
	}
	if before == nil {
		return
	}
	for _, need := range before.Needs {
		if need.Type == snapshot.Cluster && (r == nil || !slices.Contains(r.Needs, need)) {
			d.next.named = d.next.named.Delete(need.Name + separator + name)
			d.clusters.add(need.Name)
		}
	}
}

// separator stands between the parts of an index key; no name contains it.
const separator = "\x00"

// name notes that a host names a backend.
func (d *drive) name(b backend, host string) {
	cluster := b.name()
	d.next.named = d.next.named.Set(cluster+separator+host, pmap.Unit{})
	if !d.next.backends.Has(cluster) {
		d.next.backends = d.next.backends.Set(cluster, b)
		d.clusters.add(cluster)
	}
}

// tlsHost computes the certificate and the chain of a TLS host.
func (d *drive) tlsHost(name string) {
	if name == defaultCertificate {
		use, ok := d.next.class.defaultUse()
		d.secret(name, use, ok, nil)
		return
	}
	use, found, ok := tlsUse(d.v, d.next.class, name)
	d.secret(name, use, ok, found)
	switch {
	case !ok:
		d.next.chains = d.next.chains.Delete(name)
	case d.all || !d.next.chains.Has(name):
		d.chain(name)
	}
}

func (d *drive) secret(name string, use secretUse, ok bool, found []finding) {
	var r *snapshot.Resource
	if ok {
		var wrong []finding
		r, wrong = secret(d.v, name, use)
		found = append(found, wrong...)
	}
	d.found("secret "+name, found)
	d.put(snapshot.Secret, name, r)
}

func (d *drive) chain(name string) {
	ch, err := hostChain(d.edges(), name)
	if err != nil { // no input is known to get here: the host was validated
		d.found("chain "+name, []finding{about(object.Ref{Kind: object.KindIngress, Name: name}, "", "", "", err.Error())})
		return
	}
	d.stats.Resources++
	d.next.chains = d.next.chains.Set(name, ch)
}

func (d *drive) edges() *edge {
	if d.edge == nil {
		d.edge = newEdge(d.next.class.settings)
	}
	return d.edge
}

// backends computes the clusters that are named newly, drops those that are
// named no more, and follows what changed behind the others.
func (d *drive) backends() {
	for service := range d.services.sorted() {
		for name := range d.next.backends.Prefix(service + "/") {
			d.clusters.add(name)
		}
	}
	for name := range d.clusters.sorted() {
		d.cluster(name)
	}
	for service := range d.slices.sorted() {
		for name, b := range d.next.backends.Prefix(service + "/") {
			d.followSlices(name, b)
		}
	}
}

// followSlices computes what a change of slices concerns: the endpoints, or the
// cluster that contains them because Envoy resolves them.
func (d *drive) followSlices(name string, b backend) {
	if _, done := d.clusters[name]; done {
		return
	}
	if c, _ := d.next.Snapshot.Of(snapshot.Cluster).Get(name); len(c.Pulls) == 0 {
		d.cluster(name)
		return
	}
	d.endpoints(name, b)
}

// cluster computes one cluster and its endpoints, if a host names it.
func (d *drive) cluster(name string) {
	b, ok := d.next.backends.Get(name)
	if !ok || !d.isNamed(name) {
		d.next.backends = d.next.backends.Delete(name)
		d.found(clusterUnit(name), nil)
		d.found("endpoints "+name, nil)
		d.put(snapshot.Cluster, name, nil)
		d.put(snapshot.Endpoints, name, nil)
		return
	}
	r, found := cluster(d.v, d.next.class, b)
	d.found(clusterUnit(name), found)
	d.put(snapshot.Cluster, name, r)
	d.endpoints(name, b)
}

func (d *drive) isNamed(cluster string) bool {
	for range d.next.named.Prefix(cluster + separator) {
		return true
	}
	return false
}

// endpoints computes the endpoints of a cluster that gets them by EDS.
func (d *drive) endpoints(name string, b backend) {
	c, ok := d.next.Snapshot.Of(snapshot.Cluster).Get(name)
	if !ok || len(c.Pulls) == 0 {
		d.found("endpoints "+name, nil)
		d.put(snapshot.Endpoints, name, nil)
		return
	}
	r, found := endpointsOf(d.v, b, name)
	d.found("endpoints "+name, found)
	d.put(snapshot.Endpoints, name, r)
}

// listeners computes the listeners and the route configuration if the class is
// another one, and the https listener if its chains are.
func (d *drive) listeners() {
	if d.all {
		d.must(newResource(snapshot.RouteConfiguration, routeConfigurationName, routeConfiguration(d.next.class.settings), snapshot.Meta{}))
		d.must(httpListenerOf(d.edges()))
	}
	if d.all || d.next.chains.Digest() != d.old.chains.Digest() {
		d.must(httpsListenerOf(d.edges(), d.next.class, d.next.chains))
	}
}

// must puts a resource that no unchecked input reaches.
func (d *drive) must(r *snapshot.Resource, err error) {
	if err != nil {
		panic(fmt.Sprintf("translator: fleet %s: %v", d.next.Name, err))
	}
	r.From = []object.Ref{{Kind: object.KindIngressClass, Name: d.next.Name}}
	d.put(r.Type, r.Name, r)
}

func (d *drive) found(unit string, list []finding) { d.next.found = record(d.next.found, unit, list) }

// put sets or, with nil, deletes a resource, and counts it.
func (d *drive) put(t snapshot.Type, name string, r *snapshot.Resource) {
	m := d.next.Snapshot.Of(t)
	if r == nil {
		d.next.Snapshot = d.next.Snapshot.With(t, m.Delete(name))
		return
	}
	d.stats.Resources++
	if after := m.Set(name, r); !after.Same(m) {
		d.stats.Bytes += len(r.Wire())
		d.next.Snapshot = d.next.Snapshot.With(t, after)
	}
}
