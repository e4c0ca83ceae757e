package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

const (
	// ClockSkew is how far behind the other end's clock may be: certificates are valid
	// from so long ago.
	ClockSkew = time.Hour
	// serialBits of randomness in a serial number; RFC 5280 allows 20 octets.
	serialBits = 128
)

// Pair is a certificate and its private key, both PEM. It never prints its key.
type Pair struct {
	Certificate, Key []byte
}

// Format hides the key from every verb.
func (p Pair) Format(f fmt.State, _ rune) { fmt.Fprint(f, "certificate") }

// Authority is a CA that makes certificates for the wire.
type Authority struct {
	Pair
	certificate *x509.Certificate
	key         crypto.Signer
}

// NewAuthority makes a CA that is valid from now on. The error is that of the
// system's source of randomness.
func NewAuthority(now time.Time, life time.Duration) (*Authority, error) {
	t := &x509.Certificate{Subject: pkix.Name{CommonName: "Legation xDS CA " + now.UTC().Format(time.DateOnly)},
		NotBefore: now.Add(-ClockSkew), NotAfter: now.Add(life), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	p, err := SelfSign(t)
	if err != nil {
		return nil, err
	}
	return ReadAuthority(p)
}

// ReadAuthority is the CA of a pair that was made before, here or elsewhere.
func ReadAuthority(p Pair) (*Authority, error) {
	pair, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, errors.New("the certificate is not that of a CA")
	}
	return &Authority{Pair: p, certificate: pair.Leaf, key: key}, nil
}

// Issue makes a certificate, for both ends of the wire, with one of the names of
// this package; valid from now on, and no longer than the CA.
func (a *Authority) Issue(name *url.URL, now time.Time, life time.Duration) (Pair, error) {
	end := now.Add(life)
	if end.After(a.certificate.NotAfter) {
		end = a.certificate.NotAfter
	}
	var dns []string
	if name == ControlPlane {
		dns = []string{ServerName}
	}
	return newPair(&x509.Certificate{Subject: pkix.Name{CommonName: commonName(name)}, URIs: []*url.URL{name}, DNSNames: dns,
		NotBefore: now.Add(-ClockSkew), NotAfter: end, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}, a)
}

// commonName is for people; X.509 allows 64 bytes.
func commonName(name *url.URL) string {
	const most = 64
	text := "legation" + name.Path
	return text[:min(len(text), most)]
}

// SelfSign makes a key (ECDSA P-256) and its certificate, signed by itself. t is all
// of it but the serial number. The error is that of the system's source of randomness.
func SelfSign(t *x509.Certificate) (Pair, error) { return newPair(t, nil) }

// newPair makes a key (ECDSA P-256) and its certificate, signed by a, or by itself.
func newPair(t *x509.Certificate, a *Authority) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making a key: %w", err)
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits)); err != nil {
		return Pair{}, fmt.Errorf("making a serial number: %w", err)
	}
	parent, signer := t, crypto.Signer(key)
	if a != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, fmt.Errorf("signing %s: %w", t.Subject, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding a key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}
