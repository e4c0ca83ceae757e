package inspect

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

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
		r, ok := certificates.Get(name)
		if ok {
			return []*adminv1.Certificate{certificate(fleet, r, name)}
		}
		if _, listens := sent.Get(snapshot.Ref{Type: snapshot.Listener, Name: "https"}); listens { // with that of the bootstrap
			list = append(list, &adminv1.Certificate{Fleet: fleet.Name, State: CertificateStandIn, Hosts: []string{name}})
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
// have what clients are checked by, what endpoints are shown, and keys of session tickets.
func isHost(name string) bool {
	return !strings.Contains(name, "/") && name != "tickets"
}

// Certificate is what a client is shown, wherever it is told: here, in Why and in Ends. Of a
// stand-in nothing else is known but from which Secret it should be.
type Certificate struct {
	Secret  string    `json:"secret,omitempty"` // object that it is from; empty: nobody's
	StandIn bool      `json:"stand_in"`         // browsers refuse it
	Names   []string  `json:"names,omitempty"`
	Issuer  string    `json:"issuer,omitempty"`
	Begins  time.Time `json:"-"`
	Ends    time.Time `json:"ends,omitzero"`
	// Kept: the Secret is gone or of no use, and this is what it last had.
	Kept bool `json:"-"`
	// Wrong is why the bytes that are served say nothing.
	Wrong string `json:"-"`

	from object.Ref // the same as Secret
}

// certificateIn is what a resource has clients shown, as its Secret says if that has it still,
// else as its bytes do; false if it is no certificate of a server.
func certificateIn(view input.View, r *snapshot.Resource) (c Certificate, ok bool) {
	var leaf route.Leaf
	for _, ref := range r.From {
		if ref.Kind != object.KindSecret {
			continue
		}
		c.from, c.Secret = ref, ref.String()
		s, there := view.Secret(ref.Key())
		if !there || s.Credential().PairErr != nil {
			continue
		}
		if chain := s.Credential().Pair.Chain; len(chain) > 0 && bytes.Contains(r.Body(), chain) {
			leaf, ok = s.Credential().Leaf, true
		}
	}
	if !ok {
		m, err := r.Any().UnmarshalNew()
		served, isSecret := m.(*tlsv3.Secret)
		if err != nil || !isSecret || served.GetTlsCertificate() == nil {
			return c, false
		}
		if leaf, err = secret.Leaf(served.GetTlsCertificate().GetCertificateChain().GetInlineBytes()); err != nil {
			c.Wrong = err.Error()
		}
	}
	switch {
	case r.Placeholder:
		c.StandIn, c.Wrong = true, ""
	case c.Wrong == "":
		c.Names, c.Issuer, c.Begins, c.Ends = leaf.Names, leaf.Issuer, leaf.From, leaf.Until
	}
	return c, true
}

// keptFor reports whether what is shown for a host is the last good certificate, which the
// objects of now have not.
func keptFor(fleet *translator.Fleet, host string) bool {
	now, ok := fleet.Snapshot.Get(snapshot.Ref{Type: snapshot.Secret, Name: host})
	return !ok || now.Placeholder
}

// certificate is what Envoys have for a host, as the admin service tells it.
func certificate(fleet *translator.Fleet, r *snapshot.Resource, host string) *adminv1.Certificate {
	out := &adminv1.Certificate{Fleet: fleet.Name, State: CertificateServed, Hosts: []string{host}}
	if r.Placeholder {
		out.State = CertificateStandIn
		return out
	}
	if keptFor(fleet, host) {
		out.State = CertificateKept
	}
	c, ok := certificateIn(fleet.View(), r)
	out.Secret = c.Secret
	if !ok || c.Wrong != "" {
		return out
	}
	out.Names, out.Issuer, out.Begins, out.Ends = c.Names, c.Issuer, timestamppb.New(c.Begins), timestamppb.New(c.Ends)
	if host != route.DefaultCertificate && !(route.Leaf{Names: c.Names}).For(host) {
		out.Unnamed = []string{host}
	}
	return out
}
