package inspect

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/route"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/redact"
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
	leaf, known := route.Leaf{}, false
	for _, ref := range r.From {
		if ref.Kind != object.KindSecret {
			continue
		}
		out.Secret = ref.String()
		if s, ok := fleet.View().Secret(ref.Key()); ok && out.GetState() == CertificateServed {
			leaf, known = s.Credential().Leaf, true
		}
	}
	if !known {
		leaf, known = leafOf(r)
	}
	if !known {
		return out
	}
	out.Names, out.Issuer, out.Begins, out.Ends = leaf.Names, leaf.Issuer, timestamppb.New(leaf.From), timestamppb.New(leaf.Until)
	if host != route.DefaultCertificate && !leaf.For(host) {
		out.Unnamed = []string{host}
	}
	return out
}

// leafOf reads a certificate whose Secret is gone from what Envoys are sent.
func leafOf(r *snapshot.Resource) (route.Leaf, bool) {
	m, err := redact.View(r).UnmarshalNew()
	if err != nil {
		return route.Leaf{}, false
	}
	secret, ok := m.(*tlsv3.Secret)
	if !ok {
		return route.Leaf{}, false
	}
	block, _ := pem.Decode(secret.GetTlsCertificate().GetCertificateChain().GetInlineBytes())
	if block == nil {
		return route.Leaf{}, false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return route.Leaf{}, false
	}
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	issuer := c.Issuer.CommonName
	if len(c.Issuer.Organization) > 0 {
		issuer = c.Issuer.Organization[0]
	}
	return route.Leaf{Names: names, Issuer: issuer, From: c.NotBefore, Until: c.NotAfter}, true
}
