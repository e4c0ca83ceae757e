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
	r, err := snapshot.StandIn(snapshot.Secret, name, m, snapshot.Meta{From: from})
	if err != nil {
		panic("render: stand-in certificate: " + err.Error()) // bytes always serialise
	}
	return r
}

// StandInOf is what takes the place of a secret that an Envoy rejected: of whatever it was,
// by its name.
func StandInOf(own *route.KeyPair, name string) *snapshot.Resource {
	switch {
	case name == sessionTickets:
		return StandInTicketKeys(own.Key)
	case strings.HasSuffix(name, clientsSuffix):
		r, err := NoClients(strings.TrimSuffix(name, clientsSuffix))
		if err != nil {
			panic("render: no client certificates: " + err.Error()) // it has no field that could be wrong
		}
		return r
	}
	return StandIn(own, name, nil)
}

func newSecret(name string, pair route.KeyPair) *tlsv3.Secret {
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: pair.Chain}},
		PrivateKey:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: pair.Key}},
	}}}
}
