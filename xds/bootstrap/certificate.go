package bootstrap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Certificate is a certificate with its private key, both PEM. It never prints
// its key.
type Certificate struct {
	Chain, Key []byte
}

// String hides the key.
func (c Certificate) String() string { return "certificate" }

// Format hides the key from every verb.
func (c Certificate) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

const (
	// selfSignedName is the subject and only name of a self-signed certificate:
	// it says to whoever looks at it what it is, and is valid for no real host.
	selfSignedName = "legation-stand-in.invalid"
	// selfSignedLife is long: nothing renews the certificate while the process
	// that presents it runs, and no client trusts it anyway.
	selfSignedLife = 10 * 365 * 24 * time.Hour
	// clockSkew is how far behind a client's clock may be.
	clockSkew = time.Hour
	// serialBits of randomness in the serial number; RFC 5280 allows 20 octets.
	serialBits = 128
)

// SelfSigned makes a new certificate (ECDSA P-256) that stands in where a real
// one is missing: a TLS handshake then ends in a warning about the certificate
// rather than in a reset. now is the time from which it is valid. The error is
// that of the system's source of randomness.
func SelfSigned(now time.Time) (Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return Certificate{}, fmt.Errorf("making a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: selfSignedName, Organization: []string{"Legation stand-in, no Secret"}},
		DNSNames:              []string{selfSignedName},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	chain, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Certificate{}, fmt.Errorf("signing the stand-in certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, fmt.Errorf("encoding the key of the stand-in certificate: %w", err)
	}
	return Certificate{
		Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain}),
		Key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}
