package render

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/object"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Secret makes the certificate that Envoy asks for by name.
func Secret(name string, pair route.KeyPair, from []object.Ref) (*snapshot.Resource, error) {
	return newResource(snapshot.Secret, name, newSecret(name, pair), snapshot.Meta{From: from, Needs: comesAfter(name)})
}

// shownSuffix ends the name of the secret that has the certificate which a cluster shows to
// its endpoints. No host can end in it.
const shownSuffix = "/tls"

// ShownBy is the name of the secret with the certificate that Envoy shows to the endpoints of
// a cluster. It is the cluster's own, though a Secret may serve several: an Envoy that
// remembers one which it rejected takes no version of any cluster that names it.
func ShownBy(cluster string) string { return cluster + shownSuffix }

// Shown is the certificate that a cluster shows to its endpoints.
func Shown(cluster string, pair route.KeyPair, from []object.Ref) (*snapshot.Resource, error) {
	name := ShownBy(cluster)
	return newResource(snapshot.Secret, name, newSecret(name, pair), snapshot.Meta{From: from})
}

// StandIn is a certificate of the process's own under a name, if it has one; a placeholder,
// so that an Envoy that has a good one keeps it. An unanswered secret would hold up the
// whole listener for 15 s.
func StandIn(own *route.KeyPair, name string, from []object.Ref) *snapshot.Resource {
	m := &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{}}}
	if own != nil {
		m = newSecret(name, *own)
	}
	return standIn(m, snapshot.Meta{From: from, Needs: comesAfter(name)})
}

// comesAfter is what an Envoy must have before the certificate of a chain; that of a cluster
// needs nothing. It checks the
// secrets of a chain together, once all are there, and blames the last one.
func comesAfter(host string) []snapshot.Ref {
	if strings.HasSuffix(host, shownSuffix) {
		return nil // it is of a cluster
	}
	return []snapshot.Ref{{Type: snapshot.Secret, Name: ClientsOf(host)}, {Type: snapshot.Secret, Name: sessionTickets}}
}

// StandInOf is what takes the place of a secret that an Envoy rejected: of whatever it was,
// by its name. Its version is that of stand-ins, since the rejected one is not sent again.
func StandInOf(own *route.KeyPair, name string) *snapshot.Resource {
	if name == sessionTickets {
		return StandInTicketKeys(own.Key)
	}
	if host, ok := strings.CutSuffix(name, clientsSuffix); ok {
		return standIn(noClients(host), snapshot.Meta{})
	}
	return StandIn(own, name, nil)
}

func standIn(m *tlsv3.Secret, meta snapshot.Meta) *snapshot.Resource {
	r, err := snapshot.StandIn(snapshot.Secret, m.Name, m, meta)
	if err != nil {
		panic("render: stand-in " + m.Name + ": " + err.Error()) // bytes always serialise
	}
	return r
}

func newSecret(name string, pair route.KeyPair) *tlsv3.Secret {
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: pair.Chain}},
		PrivateKey:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: pair.Key}},
	}}}
}
