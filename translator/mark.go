package translator

import (
	"slices"
	"strings"

	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/xds/snapshot"
)

// compare marks what the difference between the views concerns.
func (d *drive) compare() {
	before := d.old.view
	if d.all {
		d.markAll()
	}
	for c := range pmap.Diff(before.Ingresses(), d.v.Ingresses()) {
		d.markIngress(c.Old)
		d.markIngress(c.New)
	}
	for c := range pmap.Diff(before.Services(), d.v.Services()) {
		d.services.add(c.Key)
	}
	for c := range pmap.Diff(before.Slices(), d.v.Slices()) {
		d.markSlice(c.Old)
		d.markSlice(c.New)
	}
	for c := range pmap.Diff(before.Secrets(), d.v.Secrets()) {
		d.markSecret(c.Key)
	}
	if before.StandIn() != d.v.StandIn() {
		d.markTLS()
	}
}

// markAll marks everything that the fleet has or should have.
func (d *drive) markAll() {
	d.hosts.add(anyHost)
	d.tls.add(defaultCertificate)
	d.markTLS()
	for _, v := range []input.View{d.old.view, d.v} {
		for _, o := range v.Ingresses().All() {
			d.markIngress(o)
		}
	}
	for name := range d.old.backends.All() {
		d.clusters.add(name)
	}
}

func (d *drive) markTLS() {
	for host := range d.old.chains.All() {
		d.tls.add(host)
	}
	d.tls.add(defaultCertificate)
}

// markIngress marks what an Ingress has a part in, before or after the change.
func (d *drive) markIngress(o *input.Ingress) {
	if o == nil || !d.old.class.has(o) && !d.next.class.has(o) {
		return
	}
	d.ingresses.add(o.Key())
	for host := range o.Hosts() {
		d.markHost(host)
		if len(o.TLS) > 0 {
			d.markTLSHost(host)
		}
	}
	for b := range o.Backends() {
		d.markMissing(o.Namespace + "/" + b.Service)
	}
}

// markMissing marks a Service if something is wrong with a cluster of it: whoever
// names one that is missing is told, so a change of who names it counts.
func (d *drive) markMissing(service string) {
	for range d.old.found.Prefix(clusterUnit(service + "/")) {
		d.services.add(service)
		return
	}
}

// clusterUnit is where the findings of a cluster are kept.
func clusterUnit(name string) string { return "cluster " + name }

func (d *drive) markHost(host string) {
	if !validHost(host) {
		return
	}
	d.hosts.add(hostName(host))
	if host == "" { // what no host claims stands in each wildcard's virtual host, too
		prefix := virtualHostName("*.")
		for name := range d.old.Snapshot.Of(snapshot.VirtualHost).Prefix(prefix) {
			d.hosts.add(strings.TrimPrefix(name, virtualHostName("")))
		}
	}
}

// markTLSHost marks a TLS host. A wildcard that comes or goes decides whether the
// hosts below it redirect.
func (d *drive) markTLSHost(host string) {
	if !validTLSHost(host) {
		return
	}
	if _, marked := d.tls[host]; marked {
		return
	}
	d.tls.add(host)
	below, wildcard := strings.CutPrefix(host, "*")
	if !wildcard || d.old.chains.Has(host) == hasChain(d.v, d.next.class, host) {
		return
	}
	for name := range d.old.Snapshot.Of(snapshot.VirtualHost).All() {
		if strings.HasSuffix(name, below) {
			d.hosts.add(strings.TrimPrefix(name, virtualHostName("")))
		}
	}
}

func (d *drive) markSlice(s *input.Slice) {
	switch {
	case s == nil:
	case s.AddressType == "FQDN": // it decides over the cluster's type
		d.services.add(s.Namespace + "/" + s.Service)
	default:
		d.slices.add(s.Namespace + "/" + s.Service)
	}
}

func (d *drive) markSecret(key string) {
	for o := range d.v.IngressesOfSecret(key) {
		if !d.next.class.has(o) {
			continue
		}
		for host, sections := range tlsHosts(o) {
			if slices.ContainsFunc(sections, func(i int) bool { return sectionUse(o, i).key == key }) {
				d.tls.add(host)
			}
		}
	}
	if d.next.class.settings.DefaultTLSSecret == key {
		d.tls.add(defaultCertificate)
	}
}
