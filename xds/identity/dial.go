package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/credentials"
)

// Dial are the credentials of a client that shows the pair of a Folder, and accepts
// only a replica of the control plane, by its name and the Folder's CAs. By which
// address it was dialled does not matter.
func Dial(f *Folder) credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.pair(), nil },
		InsecureSkipVerify:   true, // which leaves it to the next line
		VerifyConnection: func(s tls.ConnectionState) error {
			if _, err := verify(s.PeerCertificates, f.roots(), x509.ExtKeyUsageServerAuth, time.Now()); err != nil {
				return fmt.Errorf("the control plane's certificate: %w", err)
			}
			if !NamesOf(s.PeerCertificates[0]).ControlPlane {
				return errors.New("who answers is not the control plane: its certificate lacks the URI " + ControlPlane.String())
			}
			return nil
		},
	})
}
