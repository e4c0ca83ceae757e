package translator

import (
	"slices"
	"strings"
	"sync"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// certificate computes the certificate that Envoy asks for by name. Without a usable
// Secret it is the stand-in of this process, a placeholder, so that whoever has a good one
// keeps it. An unanswered secret would hold up the whole listener for 15 s.
func certificate(v input.View, own *route.KeyPair, name string, use route.Section) (*snapshot.Resource, []finding.Finding) {
	from := []object.Ref{use.At.Object}
	standIn := func(found ...finding.Finding) (*snapshot.Resource, []finding.Finding) {
		return render.StandIn(own, name, from), found
	}
	if use.Secret == (object.Ref{}) {
		return standIn(finding.NoSecretNamed.At(use.At, ""))
	}
	s, ok := v.Secret(use.Secret.Key())
	var old []finding.Finding
	switch why := v.WhyUnread(use.Secret); {
	case !ok && why == "":
		return standIn(finding.NoSecret.At(use.At, use.Secret.Key()))
	case !ok:
		return standIn(finding.SecretNotRead.At(use.At, use.Secret.Key(), why))
	case why != "":
		old = []finding.Finding{finding.SecretNotRead.At(use.At, use.Secret.Key(), why)}
	}
	c := s.Credential()
	if err := c.PairErr; err != nil {
		return standIn(finding.BadSecret.At(input.Origin(s).In("data"), "", err),
			finding.BadSecretNamed.At(use.At, use.Secret.Key(), err))
	}
	r, err := render.Secret(name, c.Pair, append(from, s.Ref()))
	if err != nil {
		return standIn(finding.SecretNotSent.At(input.Origin(s).In("data"), ""))
	}
	return r, slices.Concat(old, c.Told, notFor(name, use, c.Leaf))
}

// notFor tells of a certificate that clients do not take for that of a host. The default
// certificate is for whoever names no host.
func notFor(host string, use route.Section, leaf route.Leaf) []finding.Finding {
	switch {
	case host == route.DefaultCertificate || leaf.For(host):
		return nil
	case len(leaf.Names) == 0:
		return []finding.Finding{finding.CertificateNamesNobody.At(use.At, use.Secret.Key(), host)}
	}
	return []finding.Finding{finding.CertificateOfOthers.At(use.At, use.Secret.Key(), leaf.Named(), host)}
}

// covering is the certificate, under a name, of a host that no section names: the first that
// covers it of those lent to it, else that of the class, or of this process.
func (p *pass) covering(name, host string, lent route.Section) (*snapshot.Resource, []finding.Finding) {
	for _, t := range lent.Lent {
		if s, ok := p.v.Secret(t.Secret.Key()); ok && s.Credential().PairErr == nil && s.Credential().Leaf.For(host) {
			use := route.Section{TLS: t, At: lent.At}
			use.At.Field = t.Field
			return certificate(p.v, own(p.v), name, use)
		}
	}
	told := finding.TLSNotNamed.At(lent.At, "", host)
	use, ok := p.next.class.defaultCertificate()
	if !ok {
		return render.StandIn(own(p.v), name, []object.Ref{lent.At.Object}), []finding.Finding{told}
	}
	r, found := certificate(p.v, own(p.v), name, use)
	return r, append(found, told)
}

// CertificateEnd is when the first of the hosts' certificates ends that have not
// yet; zero if there is none.
func (f *Fleet) CertificateEnd(now time.Time) (first time.Time) {
	for _, e := range f.Ends {
		if e.Until.After(now) && (first.IsZero() || e.Until.Before(first)) {
			first = e.Until
		}
	}
	return first
}

// Ends yields for each TLS host with a certificate of a Secret the finding that tells of its
// end: After it should have been renewed, Until it ends, and Object is the Secret.
func (f *Fleet) Ends(yield func(host string, end finding.Finding) bool) {
	for unit, found := range f.found.All() {
		host, ok := strings.CutPrefix(unit, secretUnit)
		if !ok {
			continue
		}
		for _, one := range found.All() {
			if one.Code == finding.CertificateEnds && !yield(host, one) {
				return
			}
		}
	}
}

// secretUnit begins the name under which is recorded what is found about the certificate
// of a host.
const secretUnit = "secret "

// own is the certificate of this process; nil if it made none.
func own(v input.View) *route.KeyPair {
	s := v.StandIn()
	if s == nil {
		return nil
	}
	return &route.KeyPair{Chain: s.Certificate, Key: s.Key}
}

// standIns are the stand-ins that took the place of Secrets which an Envoy
// rejected, each made once. They are asked for by the streams of all Envoys.
type standIns struct {
	of   *input.Secret  // the certificate of this process; nil if it made none
	pair *route.KeyPair // the same
	made sync.Map       // of *snapshot.Resource, by name
}

// get is the stand-in under a name; nil if the process has no certificate.
func (s *standIns) get(name string) *snapshot.Resource {
	if s.of == nil {
		return nil
	}
	if r, ok := s.made.Load(name); ok {
		return r.(*snapshot.Resource)
	}
	r, _ := s.made.LoadOrStore(name, render.StandInOf(s.pair, name))
	return r.(*snapshot.Resource)
}
