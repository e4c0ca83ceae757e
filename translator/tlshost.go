package translator

import (
	"cmp"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// ending is how the TLS of connections to a name ends.
type ending struct {
	through *route.Backend // gets the connections as they are
	section route.Section  // has the certificate
	has     bool           // there is a section
	asks    *route.Clients // which client certificates
	ciphers string
	lender  string // the wildcard that it is as if the name had none of its own; empty for none
	fenced  bool   // the default certificate is presented
	found   []finding.Finding
}

// endingOf is that of a name by what a tenure says of it.
func (p *pass) endingOf(name string, of route.Tenure) (e ending) {
	e.through, e.ciphers = route.Through(name, of), route.CiphersOf(name, of)
	if e.through == nil {
		e.section, e.found, e.has = p.next.class.Certificate(name, of)
		e.asks, _ = route.ClientsOf(name, of)
	}
	return e
}

// ending decides how the TLS of connections to a name ends. One without a certificate of its
// own may need a chain because another namespace has a wildcard above it.
func (p *pass) ending(name string) ending {
	tenure, of := p.owners(name)
	e := p.endingOf(name, tenure)
	if e.through == nil && !e.has {
		e = p.above(name, &tenure)
	}
	if of != "" {
		e.found = nil
	}
	return e
}

// above decides how the TLS of connections to a name ends that has no certificate, and tells
// the owner.
func (p *pass) above(name string, of *route.Tenure) (e ending) {
	if !p.needs(name, of) {
		return e
	}
	h := p.next.class.Handshakes(name, *of, wildcards{p})
	if h.Wildcard != "" {
		e = p.endingOf(h.Wildcard, h.Lends)
		e.lender, e.found, e.asks = h.Wildcard, nil, nil // the name asks nobody, and who lends is told
		return e
	}
	if e.fenced = h.Fence != ""; e.fenced && of.At != (object.Origin{}) {
		e.found = []finding.Finding{finding.HostFenced.At(of.At, "", name, h.Fence)}
	}
	return e
}

// needs reports whether a name may need a chain although it has no certificate. Else it is
// nobody's, or below a wildcard that has a chain or a fence.
func (p *pass) needs(name string, of *route.Tenure) bool {
	return len(of.Served) > 0 || of.Claim.Lapsed && p.isKept(name)
}

// wildcards are route.Wildcards of a pass.
type wildcards struct{ p *pass }

func (w wildcards) Has(name string) (route.Tenure, bool) {
	t, _ := w.p.owners(name)
	return t, w.p.needs(name, &t)
}

func (w wildcards) Given(namespace, name string) route.Tenure { return w.p.given(namespace, name) }

// tlsHost computes the certificate and the chain of a TLS host.
func (p *pass) tlsHost(name string) {
	if name == route.DefaultCertificate {
		section, ok := p.next.class.defaultCertificate()
		p.secret(name, ending{section: section, has: ok})
		p.clients(name, true, nil)
		return
	}
	e, bare, lent := p.ending(name), p.old.bare(name), p.next.lent.Has(name) || p.old.lent.Has(name)
	p.next.lent = with(p.next.lent, name, e.lender != "")
	p.secret(name, e)
	p.clients(name, e.has, e.asks)
	switch {
	case e.fenced:
		p.chains(name, func(l route.Listener) (render.Chain, error) { return p.listenerFront().Fence(l, name) })
	case e.through == nil && !e.has:
		p.next.chains = p.next.chains.without(name)
	case e.through != nil || p.all || bare || lent || !p.next.chains.has(name) || p.ciphersBefore(name) != e.ciphers:
		p.chains(name, func(l route.Listener) (render.Chain, error) {
			return p.listenerFront().Chain(l, name, e.through, e.ciphers)
		})
	}
}

// ciphersBefore are those that the chain of a host has.
func (p *pass) ciphersBefore(host string) string {
	tenure, _ := p.old.class.owners(p.old.view, host)
	return route.CiphersOf(host, tenure)
}

// isKept reports whether a name is kept for somebody.
func (p *pass) isKept(name string) bool {
	for range p.v.KeptOf(name, &p.next.class.Class) {
		return true
	}
	return false
}

// secret makes the secret of a host's certificate.
func (p *pass) secret(name string, e ending) {
	var r *snapshot.Resource
	if e.has {
		var wrong []finding.Finding
		if len(e.section.Lent) > 0 {
			r, wrong = p.covering(name, cmp.Or(e.lender, name), e.section)
		} else {
			r, wrong = certificate(p.v, own(p.v), name, e.section)
		}
		if e.lender == "" {
			e.found = append(e.found, wrong...)
		}
	}
	p.found(secretUnit+name, e.found)
	p.put(snapshot.Secret, name, r)
}

// clients says which client certificates the chain of a host asks for.
func (p *pass) clients(host string, has bool, asks *route.Clients) {
	name := render.ClientsOf(host)
	if !has {
		p.put(snapshot.Secret, name, nil)
		return
	}
	r, err := render.NoClients(host)
	if asks != nil && asks.Wrong == nil {
		if c := credentials(p.v)(asks.Secret); c.NoAuthorities() == nil {
			r, err = render.Clients(host, asks, c.Authorities)
		}
	}
	if err != nil {
		p.must(nil, err)
	}
	if have, ok := p.next.Snapshot.Of(snapshot.Secret).Get(name); ok && have.Version == r.Version {
		return // a certificate changed, and these did not
	}
	p.put(snapshot.Secret, name, r)
}

// bare reports whether the chain of a host passes connections on as they are, or is a fence.
func (f *Fleet) bare(host string) bool {
	return f.chains.has(host) && !f.Snapshot.Of(snapshot.Secret).Has(host)
}

// chains makes what is made for a host for each listener that ends TLS.
func (p *pass) chains(host string, of func(route.Listener) (render.Chain, error)) {
	for _, l := range p.next.class.Listeners {
		if !l.TLS {
			continue
		}
		ch, err := of(l)
		if err != nil { // no input is known to get here: the host was validated
			p.found("chain "+host, []finding.Finding{finding.ChainNotServed.At(hostOrigin(host), "", err)})
			return
		}
		p.stats.Resources++
		p.next.chains = p.next.chains.with(l.Name, host, ch)
	}
}

// listenerFront is made when it is first needed.
func (p *pass) listenerFront() *render.Front {
	if p.front == nil {
		p.front = render.NewFront(&p.next.class.Settings.Listener)
	}
	return p.front
}
