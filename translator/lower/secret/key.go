package secret

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Bounds of RSA: Envoy's and those of its library.
const (
	minRSA      = 2048
	maxRSA      = 8192
	maxExponent = 33
)

// Algorithms of public keys, and curves: bytes of their OBJECT IDENTIFIER.
const (
	rsaKey     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	ecKey      = "\x2a\x86\x48\xce\x3d\x02\x01"
	ed25519Key = "\x2b\x65\x70"
	p256       = "\x2a\x86\x48\xce\x3d\x03\x01\x07"
	p384       = "\x2b\x81\x04\x00\x22"
	p521       = "\x2b\x81\x04\x00\x23"
)

// curves are those that Envoy serves with.
var curves = map[string]elliptic.Curve{p256: elliptic.P256(), p384: elliptic.P384(), p521: elliptic.P521()}

// publicKey is a key that can be compared, as those of the standard library can.
type publicKey interface{ Equal(x crypto.PublicKey) bool }

// keyParts are what SubjectPublicKeyInfo says; the parameters are an element or nothing.
func keyParts(spki cryptobyte.String) (kind string, parameters, key cryptobyte.String, ok bool) {
	var outer, inner, id cryptobyte.String
	if !spki.ReadASN1(&outer, asn1.SEQUENCE) {
		return "", nil, nil, false
	}
	again := outer
	ok = algorithm(&again) && outer.ReadASN1(&inner, asn1.SEQUENCE) && objectID(&inner, &kind) &&
		outer.ReadASN1(&id, asn1.BIT_STRING) && outer.Empty() && bits(id)
	if !ok {
		return "", nil, nil, false
	}
	if id[0] != 0 {
		return kind, inner, nil, true // no key of ours ends within a byte
	}
	return kind, inner, id[1:], true
}

// public is the public key, if Envoy serves with one of its kind.
func (c *certificate) public() (publicKey, error) {
	kind, parameters, key, _ := keyParts(c.key)
	switch kind {
	case rsaKey:
		return publicRSA(parameters, key)
	case ecKey:
		return publicEC(parameters, key)
	case ed25519Key:
		if len(parameters) != 0 || len(key) != ed25519.PublicKeySize {
			return nil, errors.New("its Ed25519 key is malformed")
		}
		return ed25519.PublicKey(key), nil
	}
	return nil, errors.New("its key is of a kind that Envoy does not serve with: it knows RSA, ECDSA and Ed25519")
}

func publicRSA(parameters, key cryptobyte.String) (publicKey, error) {
	var null, seq cryptobyte.String
	n, e := new(big.Int), new(big.Int)
	if !parameters.ReadASN1(&null, asn1.NULL) || !parameters.Empty() ||
		!key.ReadASN1(&seq, asn1.SEQUENCE) || !key.Empty() || !seq.ReadASN1Integer(n) || !seq.ReadASN1Integer(e) || !seq.Empty() {
		return nil, errors.New("its RSA key is malformed")
	}
	switch {
	case n.Sign() <= 0 || n.Bit(0) == 0 || e.Sign() <= 0 || e.Bit(0) == 0 || e.BitLen() < 2 || e.BitLen() > maxExponent:
		return nil, errors.New("its RSA key is none that Envoy takes: modulus and exponent have to be odd, and the exponent 3 to 33 bits")
	case n.BitLen() < minRSA || n.BitLen() > maxRSA:
		return nil, fmt.Errorf("the RSA key has %d bits, Envoy needs %d to %d", n.BitLen(), minRSA, maxRSA)
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func publicEC(parameters, key cryptobyte.String) (publicKey, error) {
	var name string
	curve := elliptic.Curve(nil)
	if objectID(&parameters, &name) && parameters.Empty() {
		curve = curves[name]
	}
	if curve == nil {
		return nil, errors.New("Envoy knows the curves P-256, P-384 and P-521 only, by name")
	}
	return parsePoint(curve, key)
}

// parsePoint reads a key of a curve, in one of two forms; crypto/x509 knows the longer alone.
func parsePoint(curve elliptic.Curve, key []byte) (*ecdsa.PublicKey, error) {
	if x, y := elliptic.UnmarshalCompressed(curve, key); x != nil {
		size := (curve.Params().BitSize + 7) / 8
		key = slices.Concat([]byte{4}, x.FillBytes(make([]byte, size)), y.FillBytes(make([]byte, size)))
	}
	k, err := ecdsa.ParseUncompressedPublicKey(curve, key)
	if err != nil {
		return nil, errors.New("its key is no point of its curve")
	}
	return k, nil
}

// fits says why Envoy would not serve with the certificate and a key, which it returns as
// Envoy is to have it.
func (c *certificate) fits(text []byte) ([]byte, error) {
	public, err := c.public()
	if err != nil {
		return nil, err
	}
	key, err := private(text, public)
	if err != nil {
		return nil, err
	}
	if !public.Equal(key.Public()) {
		return nil, errors.New("tls.key is not the key of the first certificate in tls.crt")
	}
	return plainKey(text, key)
}
