package secret

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// authorities reads what client certificates are checked by. Envoy refuses a whole secret
// for one certificate or list that it cannot read, so each is read here before.
func authorities(s *input.Secret) (route.Authorities, error) {
	if len(s.Authorities) == 0 {
		return route.Authorities{}, errors.New("the Secret has no ca.crt")
	}
	certificates, err := blocks(s.Authorities, "ca.crt", "CERTIFICATE", func(der []byte) ([]byte, error) { _, element, err := parse(der); return element, err })
	if err != nil || len(s.Revoked) == 0 {
		return route.Authorities{Certificates: certificates}, err
	}
	revoked, err := blocks(s.Revoked, "ca.crl", "X509 CRL", func(der []byte) ([]byte, error) { _, err := x509.ParseRevocationList(der); return der, err })
	if err != nil {
		return route.Authorities{}, err
	}
	return route.Authorities{Certificates: certificates, Revoked: revoked}, nil
}

// blocks re-encodes the blocks of one type; there must be one at least.
func blocks(text []byte, key, of string, read func(der []byte) (element []byte, err error)) ([]byte, error) {
	var out bytes.Buffer
	n := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != of && !(of == "CERTIFICATE" && isCertificate(block.Type, true)) {
			continue
		}
		n++
		der, err := read(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: block %d does not parse: %w", key, n, err)
		}
		out.Write(pem.EncodeToMemory(&pem.Block{Type: of, Bytes: der}))
	}
	if n == 0 {
		return nil, fmt.Errorf("%s has no %s in PEM", key, of)
	}
	return kept(out.Bytes(), text), nil
}
