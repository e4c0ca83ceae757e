package secret

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// private is the key of a Secret, in the form that the label of its PEM names, or in PKCS8
// whatever the label says. It is for a certificate with the key public.
func private(text []byte, public publicKey) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	key, err := pkcs8(block.Bytes, public)
	switch block.Type {
	case "RSA PRIVATE KEY":
		if k, wrong := x509.ParsePKCS1PrivateKey(block.Bytes); wrong == nil {
			key, err = k, nil
		} else if _, ok := key.(*rsa.PrivateKey); !ok {
			err = wrong
		}
	case "EC PRIVATE KEY":
		if k, wrong := sec1(block.Bytes, nil, public); wrong == nil {
			key, err = k, nil
		} else if _, ok := key.(*ecdsa.PrivateKey); !ok {
			err = wrong
		}
	}
	if err != nil {
		return nil, fmt.Errorf("tls.key does not parse as %s", block.Type)
	}
	if k, ok := key.(*rsa.PrivateKey); ok && len(k.Primes) != 2 {
		return nil, errors.New("tls.key is an RSA key of more than two primes")
	}
	return key, nil
}

// plainKey is a key as it was written, if that is one of the usual ways. Else it is written
// anew: Envoy is stricter than who read it, in what does not make it another key.
func plainKey(text []byte, key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("tls.key cannot be written in PKCS8")
	}
	usual := map[string][]byte{"PRIVATE KEY": der}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		usual["RSA PRIVATE KEY"] = x509.MarshalPKCS1PrivateKey(k)
	case *ecdsa.PrivateKey:
		usual["EC PRIVATE KEY"], _ = x509.MarshalECPrivateKey(k)
	}
	if block, _ := pem.Decode(text); bytes.Equal(block.Bytes, usual[block.Type]) {
		return text, nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// pkcs8 reads a key in the form of RFC 5958, of which EC keys are read by sec1.
func pkcs8(der []byte, public publicKey) (crypto.Signer, error) {
	rest := cryptobyte.String(der)
	var seq, id, inner cryptobyte.String
	var version uint
	var kind string
	if rest.ReadASN1(&seq, asn1.SEQUENCE) && seq.ReadASN1Integer(&version) && seq.ReadASN1(&id, asn1.SEQUENCE) &&
		objectID(&id, &kind) && kind == ecKey && seq.ReadASN1(&inner, asn1.OCTET_STRING) {
		return sec1(inner, id, public)
	}
	key, err := x509.ParsePKCS8PrivateKey(der[:len(der)-len(rest)])
	signer, ok := key.(crypto.Signer)
	if err == nil && !ok {
		err = errors.New("the key cannot sign")
	}
	return signer, err
}

// sec1 reads an EC key as RFC 5915 writes it; the curve is that of parameters, if it names
// none itself. crypto/x509 refuses a key that has the parameters of its curve in place of
// their name, as OpenSSL can write it, and does not see that a public part is of another key.
func sec1(der, parameters cryptobyte.String, public publicKey) (*ecdsa.PrivateKey, error) {
	var seq, scalar, own, wrapped, point cryptobyte.String
	var version uint
	var hasOwn, hasPoint bool
	wrong := errors.New("no EC key")
	if !der.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1Integer(&version) || version != 1 || !seq.ReadASN1(&scalar, asn1.OCTET_STRING) ||
		!seq.ReadOptionalASN1(&own, &hasOwn, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!seq.ReadOptionalASN1(&wrapped, &hasPoint, asn1.Tag(1).ContextSpecific().Constructed()) || !seq.Empty() ||
		hasPoint && !wrapped.ReadASN1BitStringAsBytes((*[]byte)(&point)) {
		return nil, wrong
	}
	if hasOwn {
		parameters = own
	}
	curve := curveOf(parameters, public)
	if curve == nil {
		return nil, wrong
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, sized(scalar, (curve.Params().BitSize+7)/8))
	if err != nil || hasPoint && !isPoint(point, &key.PublicKey) {
		return nil, wrong
	}
	return key, nil
}

// curveOf is the curve that parameters name. Parameters that are written down are taken for
// those of the certificate's curve: if they are not, the keys differ.
func curveOf(parameters cryptobyte.String, public publicKey) elliptic.Curve {
	var name string
	if of, ok := public.(*ecdsa.PublicKey); ok && parameters.PeekASN1Tag(asn1.SEQUENCE) {
		return of.Curve
	}
	if !objectID(&parameters, &name) {
		return nil
	}
	return curves[name]
}

// sized is a number in so many bytes.
func sized(n []byte, size int) []byte {
	n = bytes.TrimLeft(n, "\x00")
	return append(make([]byte, max(0, size-len(n))), n...)
}

func isPoint(b []byte, of *ecdsa.PublicKey) bool {
	k, err := parsePoint(of.Curve, b)
	return err == nil && k.Equal(of)
}
