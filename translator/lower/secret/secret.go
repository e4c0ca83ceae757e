// Package secret lowers a Secret into a certificate that Envoy takes, and a seed of other
// keys.
//
// The package is pure. Its errors never repeat bytes of a Secret.
package secret

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"legation.dev/authz/rule"
	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// minRSA is the shortest RSA key, in bits, that Envoy takes; it refuses a whole
// response for a shorter one.
const minRSA = 2048

// Lower reads a Secret.
func Lower(s *input.Secret) *route.Credential {
	c := &route.Credential{}
	c.Seed, c.SeedErr = parseKey(s.Key)
	c.Pair, c.Ends, c.PairErr = keyPair(s, c)
	c.Authorities, c.AuthorityErr = authorities(s)
	c.Users, c.BadUsers = rule.Lines(string(s.Passwords))
	c.Named, _ = rule.Lines(string(s.Named))
	return c
}

// keyPair reads a certificate, whose key is c.Seed, with the findings that time will bring.
func keyPair(s *input.Secret, c *route.Credential) (route.KeyPair, []finding.Finding, error) {
	certificate, chain, err := parseChain(s.Certificate)
	if err != nil {
		return route.KeyPair{}, nil, err
	}
	if c.SeedErr != nil {
		return route.KeyPair{}, nil, c.SeedErr
	}
	if _, err := tls.X509KeyPair(certificate, c.Seed); err != nil {
		return route.KeyPair{}, nil, errors.New("tls.key is not the key of the first certificate in tls.crt")
	}
	if err := checkStrength(chain[0]); err != nil {
		return route.KeyPair{}, nil, err
	}
	return route.KeyPair{Chain: certificate, Key: c.Seed}, ends(chain[0], input.Origin(s).In("data[tls.crt]")), nil
}

// renewalDue is what is left of a certificate when it seems that it is not renewed: a
// tenth of its time, at most 14 days. cert-manager renews when a third is left
// (its default of renewBefore), so who is told has missed that.
func renewalDue(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-min(14*24*time.Hour, leaf.NotAfter.Sub(leaf.NotBefore)/10))
}

// ends are the findings that time brings.
func ends(leaf *x509.Certificate, at object.Origin) []finding.Finding {
	end := leaf.NotAfter.UTC().Format(time.RFC3339)
	ending, over := finding.CertificateEnds.At(at, "", end), finding.CertificateIsOver.At(at, "", end)
	ending.After, ending.Until = renewalDue(leaf), leaf.NotAfter
	over.After = leaf.NotAfter
	return []finding.Finding{ending, over}
}

// parseChain re-encodes the certificates alone, so that comments, headers and
// line lengths do not count.
func parseChain(text []byte) ([]byte, []*x509.Certificate, error) {
	var (
		out   bytes.Buffer
		chain []*x509.Certificate
	)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("tls.crt: certificate %d does not parse", len(chain)+1)
		}
		chain = append(chain, c)
		out.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	if len(chain) == 0 {
		return nil, nil, errors.New("tls.crt holds no certificate in PEM")
	}
	return kept(out.Bytes(), text), chain, nil
}

// parseKey re-encodes the first private key.
func parseKey(text []byte) ([]byte, error) {
	types := []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if slices.Contains(types, block.Type) && len(block.Headers) == 0 {
			return kept(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}), text), nil
		}
	}
	return nil, errors.New("tls.key holds no unencrypted private key in PEM")
}

// kept is canonical, in the memory of the Secret if that is canonical, as it mostly is.
func kept(canonical, text []byte) []byte {
	if bytes.Equal(canonical, text) {
		return text
	}
	return canonical
}

// checkStrength refuses what Envoy refuses.
func checkStrength(leaf *x509.Certificate) error {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return fmt.Errorf("the RSA key has %d bits, Envoy needs %d", key.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return errors.New("Envoy knows the curves P-256, P-384 and P-521 only")
		}
	}
	return nil
}
