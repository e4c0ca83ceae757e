// Package secret lowers a Secret into a certificate that Envoy takes, and a seed of other
// keys.
//
// The package is pure. Its errors never repeat bytes of a Secret.
package secret

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"legation.dev/authz/rule"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// Lower reads a Secret.
func Lower(s *input.Secret) *route.Credential {
	c := &route.Credential{}
	c.Seed, c.SeedErr = parseKey(s.Key)
	c.PairErr = keyPair(s, c)
	c.Authorities, c.AuthorityErr = authorities(s)
	c.Users, c.BadUsers = rule.Lines(string(s.Passwords))
	c.Named, _ = rule.Lines(string(s.Named))
	return c
}

// keyPair reads a certificate, whose key is c.Seed, perhaps in another form.
func keyPair(s *input.Secret, c *route.Credential) error {
	text, chain, err := parseChain(s.Certificate)
	if err != nil {
		return err
	}
	if c.SeedErr != nil {
		return c.SeedErr
	}
	leaf := chain[0]
	key, err := leaf.served(c.Seed)
	if err != nil {
		return err
	}
	c.Pair, c.Leaf = route.KeyPair{Chain: text, Key: key}, leaf.leaf()
	c.Told = judge(chain, input.Origin(s).In("data[tls.crt]"))
	return nil
}

// Leaf is what is told of the first certificate of a chain in PEM, whose Secret may be gone.
func Leaf(text []byte) (route.Leaf, error) {
	_, chain, err := parseChain(text)
	if err != nil {
		return route.Leaf{}, err
	}
	return chain[0].leaf(), nil
}

// parseChain re-encodes the certificates alone, so that comments, headers and
// line lengths do not count.
func parseChain(text []byte) ([]byte, []*certificate, error) {
	var (
		out   bytes.Buffer
		chain []*certificate
	)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !isCertificate(block.Type, len(chain) == 0) {
			continue
		}
		c, der, err := parse(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("tls.crt: certificate %d does not parse: %w", len(chain)+1, err)
		}
		chain = append(chain, c)
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	switch begun := strings.Count(string(text), "-----BEGIN CERTIFICATE-----"); {
	case begun > len(chain):
		return nil, nil, fmt.Errorf("tls.crt: %d of %d certificates are no PEM", begun-len(chain), begun)
	case len(chain) == 0:
		return nil, nil, errors.New("tls.crt holds no certificate in PEM")
	}
	return kept(out.Bytes(), text), chain, nil
}

// isCertificate reports whether a block of PEM is one. Labels are those of OpenSSL, of which
// the last is for the first of a chain only.
func isCertificate(label string, first bool) bool {
	return label == "CERTIFICATE" || label == "X509 CERTIFICATE" || first && label == "TRUSTED CERTIFICATE"
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
