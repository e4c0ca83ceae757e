package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// PeopleTLS is for a server that people ask by a browser. It shows the pair of the Folder,
// and says which CAs a certificate should come from, so that a browser offers none that is
// of no use here. It refuses nobody: AllowPerson does.
func (g *Gate) PeopleTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				NextProtos:   []string{"h2", "http/1.1"},
				Certificates: []tls.Certificate{*g.folder.pair()},
				ClientAuth:   tls.RequestClientCert,
				ClientCAs:    g.folder.roots(),
			}, nil
		},
	}
}

// AllowPerson reports whether who shows this chain may look at everything, as an operator,
// an approver and the control plane itself may. The error is for people, and says why not.
func (g *Gate) AllowPerson(chain []*x509.Certificate, from net.Addr, now time.Time) error {
	n, _, err := g.check(chain, from, now)
	if err == nil && !n.ControlPlane && !n.Operator && !n.Approver {
		err = g.refuse(NotAllowed, from.String(), codes.PermissionDenied, fmt.Errorf("the page is for %s, which the names in the certificate do not say", Operators))
	}
	if err != nil {
		return errors.New(status.Convert(err).Message())
	}
	return nil
}

// HostNames are the names and addresses in the certificate of the Folder.
func (f *Folder) HostNames() (names []string) {
	leaf := f.pair().Leaf
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return append(names, leaf.DNSNames...)
}
