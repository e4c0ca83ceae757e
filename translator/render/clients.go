package render

import (
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/xds/snapshot"
)

// clientsSuffix ends the name of the secret that says which client certificates a filter
// chain asks for. No host can end in it.
const clientsSuffix = "/ca"

// ClientsOf is the name of the secret that says which client certificates the filter
// chain of a host asks for. Each chain has one from the first day, so that to ask, or to
// ask no more, is another secret and no other chain.
func ClientsOf(host string) string { return host + clientsSuffix }

// NoClients is such a secret, of a chain that asks for none.
func NoClients(host string) (*snapshot.Resource, error) {
	m := noClients(host)
	return newResource(snapshot.Secret, m.Name, m, snapshot.Meta{})
}

func noClients(host string) *tlsv3.Secret {
	return &tlsv3.Secret{Name: ClientsOf(host), Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{}}}
}
