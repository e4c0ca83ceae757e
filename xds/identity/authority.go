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

// renewPart of the life of a certificate is left when it is to be renewed: one third.
const renewPart = 3

// renewAt is when a certificate is to be renewed.
func renewAt(c *x509.Certificate) time.Time {
	return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore.Add(ClockSkew)) / renewPart)
}

// NewAuthority makes a CA that is valid from now on. The error is that of the
// system's source of randomness.
func NewAuthority(now time.Time, life time.Duration) (*Authority, error) {
	p, err := SelfSign(ofAuthority(pkix.Name{CommonName: "Legation xDS CA " + now.UTC().Format(time.DateOnly)}, now, life))
	if err != nil {
		return nil, err
	}
	return ReadAuthority(p)
}

// ofAuthority is the certificate of a CA, not yet signed.
func ofAuthority(subject pkix.Name, now time.Time, life time.Duration) *x509.Certificate {
	return &x509.Certificate{Subject: subject, NotBefore: now.Add(-ClockSkew), NotAfter: now.Add(life), IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}

// Renew is the same CA, by name and key, with a certificate that is valid from now on. Who
// trusts the old one trusts what the new one signs, as long as that is valid, and the
// other way round. The error is that of the system's source of randomness.
func (a *Authority) Renew(now time.Time, life time.Duration) (*Authority, error) {
	t := ofAuthority(a.certificate.Subject, now, life)
	t.SubjectKeyId = a.certificate.SubjectKeyId
	certificate, err := sign(t, t, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return ReadAuthority(Pair{Certificate: certificate, Key: a.Key})
}

// RenewAt is when the CA is to be renewed.
func (a *Authority) RenewAt() time.Time { return renewAt(a.certificate) }

// Issued reports whether a pair is one that Issue could have made for a name, and when it is
// to be renewed.
func (a *Authority) Issued(p Pair, name *url.URL) (at time.Time, ok bool) {
	pair, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil || pair.Leaf.CheckSignatureFrom(a.certificate) != nil || len(pair.Leaf.URIs) != 1 || pair.Leaf.URIs[0].String() != name.String() {
		return time.Time{}, false
	}
	return renewAt(pair.Leaf), true
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
	parent, signer := t, crypto.Signer(key)
	if a != nil {
		parent, signer = a.certificate, a.key
	}
	certificate, err := sign(t, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding a key: %w", err)
	}
	return Pair{
		Certificate: certificate,
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}

// sign is t with a serial number, signed, as PEM.
func sign(t, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) (certificate []byte, err error) {
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits)); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key, signer)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", t.Subject, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
