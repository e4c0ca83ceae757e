package translator

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// compare marks what the difference between the views concerns as dirty: the pass makes
// it anew. So do all functions whose names begin with mark.
func (p *pass) compare() {
	before := p.old.view
	if p.all {
		p.markAll()
	}
	for c := range pmap.Diff(before.Fragments(), p.v.Fragments()) {
		p.markFragment(c.Old)
		p.markFragment(c.New)
	}
	for c := range pmap.Diff(before.Kept(), p.v.Kept()) {
		p.markPast(cmp.Or(c.Old.Host, c.New.Host))
	}
	for c := range pmap.Diff(before.Services(), p.v.Services()) {
		p.services.add(c.Key)
	}
	for c := range pmap.Diff(before.Slices(), p.v.Slices()) {
		p.markSlice(c.Old)
		p.markSlice(c.New)
	}
	for ref := range replaced(before, p.v) {
		p.markReplaced(ref)
	}
	if before.StandIn() != p.v.StandIn() {
		p.markTLS()
	}
	p.resolveCanaries()
}

// markAll marks everything that the fleet has or should have.
func (p *pass) markAll() {
	p.fencing = fences(p.v)
	p.markHost(route.Any)
	p.tls.add(route.DefaultCertificate)
	p.markTLS()
	for _, v := range []input.View{p.old.view, p.v} {
		for _, f := range v.Fragments().All() {
			p.markFragment(f)
		}
		for _, k := range v.Kept().All() { // nobody may have a fragment for the name
			p.markClaim(k.Host)
		}
	}
	for name := range p.old.backends.All() {
		p.clusters.add(name)
	}
}

func (p *pass) markTLS() {
	for host := range p.old.chains.hosts {
		p.markTLSHost(host)
	}
	p.tls.add(route.DefaultCertificate)
}

// markFragment marks what an object has a part in, before or after the change.
func (p *pass) markFragment(f *route.Fragment) {
	if f == nil {
		return
	}
	has := p.old.class.has(f) || p.next.class.has(f)
	if has || f.Class.Names(p.next.Name) { // it may name two
		p.objects[f.Origin.Object] = struct{}{}
	}
	if !has {
		return
	}
	for _, h := range f.Hosts {
		p.markClaim(h.Name)
		if h.Ends(true) || h.Server.Clients != nil || h.Server.Through != nil || h.Server.Ciphers != "" || p.called(h.Name) {
			p.markTLSHost(h.Name)
		}
		for _, o := range h.Others {
			p.markName(o.Name)
		}
	}
	if f.CatchAll != nil {
		p.markClaim(route.Any)
	}
	for _, r := range f.References {
		if r.Backend != nil {
			p.markMissing(r.To.Key())
		}
	}
}

// markMissing marks a Service dirty if one of its clusters has findings. A missing Service
// is reported at every object that references it, so these findings must be made again
// when a reference comes or goes.
func (p *pass) markMissing(service string) {
	for range p.old.found.Prefix(clusterUnit(service + "/")) {
		p.services.add(service)
		return
	}
}

// clusterUnit is where the findings of a cluster are kept.
func clusterUnit(name string) string { return "cluster " + name }

func (p *pass) markHost(host string) {
	if _, marked := p.hosts[host]; marked {
		return
	}
	p.hosts.add(host)
	p.others(host, p.markName)
	if host == route.Any { // what no host claims is in each wildcard's virtual host, too
		for _, routes := range p.old.class.routes {
			for name := range p.old.Snapshot.Of(snapshot.VirtualHost).Prefix(render.VirtualHostName(routes, "*.")) {
				p.markHost(render.HostOf(name))
			}
		}
		p.markKept(route.Any)
	}
}

// markClaim marks what a claim to a host has a part in. If the host changes hands, its
// certificate does, too, and perhaps the names below it.
func (p *pass) markClaim(host string) {
	p.markHost(host)
	if p.all { // everything is marked, but for TLS of hosts that have none
		if p.fencing {
			p.markTLSHost(host)
		}
		return
	}
	before, was := p.old.class.owners(p.old.view, host)
	if now, is := p.owners(host); was == is && before.Same(&now) {
		return
	}
	p.markTLSHost(host)
	p.markBelow(host)
}

// markPast marks a host that was kept for somebody, or is: it may have a fence, whoever has it.
func (p *pass) markPast(host string) {
	p.markClaim(host)
	p.markTLSHost(host)
}

// markBelow marks the hosts that fall under a wildcard: those that have rules, those that
// are names of others, and those that are kept.
func (p *pass) markBelow(wildcard string) {
	if !strings.HasPrefix(wildcard, "*.") {
		return
	}
	for _, v := range []input.View{p.old.view, p.v} {
		for below := range v.HostsBelow(wildcard) {
			p.markName(below)
		}
	}
	p.markKept(wildcard)
}

// markKept marks the hosts that are kept for an owner who is gone: all, or those that
// fall under a wildcard. Who else would take their requests has changed.
func (p *pass) markKept(above string) {
	for _, k := range p.v.Kept().All() {
		switch wildcard, ok := route.Wildcard(k.Host); {
		case ok && wildcard == above:
			p.markHost(k.Host)
			p.markTLSHost(k.Host) // it may need a fence
		case above == route.Any:
			p.markHost(k.Host)
		}
	}
}

// markName marks a name that a host has, or had, beside its own, with what falls under it:
// a certificate is for names of any number of labels below a wildcard.
func (p *pass) markName(name string) {
	p.markHost(name)
	p.markTLSHost(name)
	p.markBelow(name)
	if below, wildcard := strings.CutPrefix(name, "*"); wildcard {
		p.markDeep(below)
	}
}

// markDeep marks the hosts with any number of labels below a wildcard, of which below is all
// but the star.
func (p *pass) markDeep(below string) {
	for name := range p.old.Snapshot.Of(snapshot.VirtualHost).All() {
		if strings.HasSuffix(name, below) {
			p.markHost(render.HostOf(name))
			p.markTLSHost(render.HostOf(name))
		}
	}
	for _, v := range []input.View{p.old.view, p.v} { // those that are kept have a fence, too
		for _, k := range v.Kept().All() {
			if strings.HasSuffix(k.Host, below) {
				p.markTLSHost(k.Host)
			}
		}
	}
}

// replaced yields the objects that are others to whoever names them, once a View has taken the
// place of another: Services only if they came or went.
func replaced(before, after input.View) iter.Seq[object.Ref] {
	return func(yield func(object.Ref) bool) {
		for c := range pmap.Diff(before.Services(), after.Services()) {
			if (c.Old == nil || c.New == nil) && !yield(named(object.KindService, c.Key)) {
				return
			}
		}
		for c := range pmap.Diff(before.Secrets(), after.Secrets()) {
			if !yield(named(object.KindSecret, c.Key)) {
				return
			}
		}
		for c := range pmap.Diff(before.ConfigMaps(), after.ConfigMaps()) {
			if !yield(named(object.KindConfigMap, c.Key)) {
				return
			}
		}
		for c := range pmap.Diff(before.Left(), after.Left()) { // gone, but held
			if !yield(cmp.Or(refOf(c.Old), refOf(c.New))) {
				return
			}
		}
		for c := range pmap.Diff(before.Unread(), after.Unread()) {
			if !yield(cmp.Or(c.New.Ref, c.Old.Ref)) {
				return
			}
		}
	}
}

// markReplaced marks what is made of an object.
func (p *pass) markReplaced(ref object.Ref) {
	switch ref.Kind {
	case object.KindService:
		p.services.add(ref.Key())
		p.markOptional(ref)
	case object.KindSecret:
		p.secrets.add(ref.Key())
		p.markReferrers(ref)
	default:
		p.markReferrers(ref)
	}
}

func refOf(o input.Object) (ref object.Ref) {
	if o != nil {
		ref = o.Ref()
	}
	return ref
}

// fences reports whether a wildcard may have TLS, so that a name below it may need a fence.
func fences(v input.View) bool {
	for f := range v.Wildcards() {
		if slices.ContainsFunc(f.Hosts, mayTake) {
			return true
		}
	}
	return false
}

// mayTake reports whether an object may have a host take handshakes of names below a wildcard:
// other objects may say that a host has TLS, and an alias has it then, too.
func mayTake(h route.Host) bool {
	return strings.HasPrefix(h.Name, "*.") && (h.Ends(true) || h.Server.Through != nil) ||
		slices.ContainsFunc(h.Others, func(o route.Other) bool { return strings.HasPrefix(o.Name, "*.") })
}

// markTLSHost marks a TLS host. A wildcard that comes or goes decides whether the
// hosts below it redirect, and which of them need a fence.
func (p *pass) markTLSHost(host string) {
	if _, marked := p.tls[host]; marked {
		return
	}
	p.tls.add(host)
	p.others(host, p.markTLSHost)
	below, wildcard := strings.CutPrefix(host, "*")
	if !wildcard {
		return
	}
	for name := range p.old.lent.All() { // perhaps by this one
		if strings.HasSuffix(name, below) {
			p.markTLSHost(name)
		}
	}
	now, _ := p.owners(host)
	before, _ := p.old.class.owners(p.old.view, host)
	if now.Owner == before.Owner && (len(now.Served) > 0) == (len(before.Served) > 0) && p.next.class.Secure(host, now) == p.old.class.Secure(host, before) {
		return
	}
	p.markDeep(below)
}

func (p *pass) markSlice(s *input.Slice) {
	switch {
	case s == nil:
	case s.AddressType == "FQDN": // it decides over the cluster's type
		p.services.add(s.Namespace + "/" + s.Service)
	default:
		p.slices.add(s.Namespace + "/" + s.Service)
	}
}

// named is the object of a kind and a key of the View.
func named(kind object.Kind, key string) object.Ref {
	namespace, name, _ := strings.Cut(key, "/")
	return object.Ref{Kind: kind, Namespace: namespace, Name: name}
}

// markOptional marks who does without a Service that comes or goes.
func (p *pass) markOptional(service object.Ref) {
	for f := range p.v.Naming(service) {
		if slices.ContainsFunc(f.References, func(r route.Reference) bool { return r.To == service && r.Optional }) {
			p.markFragment(f)
		}
	}
}

// markReferrers marks what names an object that is fetched by name: the TLS hosts that
// have it as their certificate; of whoever names it for something else, everything.
func (p *pass) markReferrers(ref object.Ref) {
	for f := range p.v.Naming(ref) {
		if !p.next.class.has(f) {
			continue
		}
		if slices.ContainsFunc(f.References, func(r route.Reference) bool { return r.To == ref && !r.Certificate }) {
			p.markFragment(f)
			if f.CatchAll != nil {
				p.markHost(route.Any)
			}
			continue
		}
		for _, h := range f.Hosts {
			if slices.ContainsFunc(slices.Concat(h.TLS, h.Lent), func(t route.TLS) bool { return t.Secret == ref }) {
				p.markTLSHost(h.Name)
			}
		}
	}
	if p.next.class.Settings.DefaultTLSSecret == ref {
		p.tls.add(route.DefaultCertificate)
		if p.next.class.Settings.Compatible() { // hosts that no certificate of theirs covers have it
			p.markTLS()
		}
	}
}
