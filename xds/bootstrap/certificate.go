package bootstrap

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	"legation.dev/xds/identity"
)

const (
	// selfSignedName is the subject and only name of a self-signed certificate:
	// its text says what it is, and is valid for no real host.
	selfSignedName = "legation-stand-in.invalid"
	// selfSignedLife is long: nothing renews the certificate while the process
	// that presents it runs, and no client trusts it anyway.
	selfSignedLife = 10 * 365 * 24 * time.Hour
)

// SelfSigned makes a new certificate (ECDSA P-256) that stands in where a real
// one is missing: a TLS handshake then ends in a warning about the certificate
// rather than in a reset. now is the time from which it is valid. The error is
// that of the system's source of randomness.
func SelfSigned(now time.Time) (identity.Pair, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: selfSignedName, Organization: []string{"Legation stand-in, no Secret"}},
		DNSNames:              []string{selfSignedName},
		NotBefore:             now.Add(-identity.ClockSkew),
		NotAfter:              now.Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	p, err := identity.SelfSign(template)
	if err != nil {
		return p, fmt.Errorf("the stand-in certificate: %w", err)
	}
	return p, nil
}
