package inspect

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/secret"
	"legation.dev/translator/route"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// States of a certificate.
const (
	CertificateServed  = "served"
	CertificateKept    = "kept"     // the last good one
	CertificateStandIn = "stand-in" // of nobody
)

// Certificates are those that the clients of fleets are shown, by their ends, each once with
// all its hosts. served is what Envoys are sent, where the last good certificate is kept for
// a Secret that is missing. Only of a fleet, and only what a client is shown that asks for a
// host, if those are not empty.
func Certificates(r translator.Result, served func(fleet string) snapshot.Snapshot, fleetName, host string) (list []*adminv1.Certificate) {
	for fleet := range r.Fleets() {
		if fleetName == "" || fleetName == fleet.Name {
			list = append(list, certificatesOf(fleet, served(fleet.Name), host)...)
		}
	}
	slices.SortStableFunc(list, func(a, b *adminv1.Certificate) int {
		switch {
		case a.GetEnds() == nil || b.GetEnds() == nil:
			return cmp.Compare(endless(a), endless(b))
		}
		return a.GetEnds().AsTime().Compare(b.GetEnds().AsTime())
	})
	return list
}

// endless orders what has no end behind what has one.
func endless(c *adminv1.Certificate) int {
	if c.GetEnds() == nil {
		return 1
	}
	return 0
}

func certificatesOf(fleet *translator.Fleet, sent snapshot.Snapshot, host string) (list []*adminv1.Certificate) {
	certificates := sent.Of(snapshot.Secret)
	if host != "" {
		name, ok := route.FindHost(host, func(name string) bool { _, ok := certificates.Get(name); return ok && isHost(name) })
		if !ok {
			name = route.DefaultCertificate
		}
		if r, ok := certificates.Get(name); ok {
			list = append(list, certificate(fleet, r, name))
		}
		return list
	}
	type identity struct{ secret, state, issuer string }
	at := map[identity]int{}
	for name, r := range certificates.All() {
		if !isHost(name) {
			continue
		}
		c := certificate(fleet, r, name)
		id := identity{c.GetSecret(), c.GetState(), c.GetIssuer() + c.GetEnds().String()}
		if i, known := at[id]; known {
			list[i].Hosts = append(list[i].Hosts, c.GetHosts()...)
			list[i].Unnamed = append(list[i].Unnamed, c.GetUnnamed()...)
			continue
		}
		at[id] = len(list)
		list = append(list, c)
	}
	return list
}

// isHost reports whether a secret is the certificate of a host, or the default one: others
// have what clients are checked by, and keys of session tickets.
func isHost(name string) bool {
	return !strings.Contains(name, "/") && name != "tickets"
}

// certificate is what Envoys have for a host.
func certificate(fleet *translator.Fleet, r *snapshot.Resource, host string) *adminv1.Certificate {
	out := &adminv1.Certificate{Fleet: fleet.Name, State: CertificateServed, Hosts: []string{host}}
	if r.Placeholder {
		out.State = CertificateStandIn
		return out
	}
	if now, ok := fleet.Snapshot.Get(snapshot.Ref{Type: snapshot.Secret, Name: host}); !ok || now.Placeholder {
		out.State = CertificateKept
	}
	p, ok := presented(fleet.View(), r)
	if p.from != (object.Ref{}) {
		out.Secret = p.from.String()
	}
	if !ok || p.err != nil {
		return out
	}
	leaf := p.leaf
	out.Names, out.Issuer, out.Begins, out.Ends = leaf.Names, leaf.Issuer, timestamppb.New(leaf.From), timestamppb.New(leaf.Until)
	if host != route.DefaultCertificate && !leaf.For(host) {
		out.Unnamed = []string{host}
	}
	return out
}

// presentation is what a resource presents to clients.
type presentation struct {
	from object.Ref // the Secret; the zero one if it is of none
	leaf route.Leaf
	err  error // why the bytes say nothing
}

// presented is what a resource presents, as its Secret says if that has it still, else as its
// bytes do; false if it is no certificate of a server.
func presented(view input.View, r *snapshot.Resource) (p presentation, ok bool) {
	for _, ref := range r.From {
		if ref.Kind != object.KindSecret {
			continue
		}
		p.from = ref
		s, there := view.Secret(ref.Key())
		if !there || s.Credential().PairErr != nil {
			continue
		}
		if chain := s.Credential().Pair.Chain; len(chain) > 0 && bytes.Contains(r.Body(), chain) {
			p.leaf, ok = s.Credential().Leaf, true
		}
	}
	if ok {
		return p, true
	}
	m, err := r.Any().UnmarshalNew()
	if err != nil {
		return p, false
	}
	served, isSecret := m.(*tlsv3.Secret)
	if !isSecret || served.GetTlsCertificate() == nil {
		return p, false
	}
	p.leaf, p.err = secret.Leaf(served.GetTlsCertificate().GetCertificateChain().GetInlineBytes())
	return p, true
}
