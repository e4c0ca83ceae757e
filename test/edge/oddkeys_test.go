//go:build real

package edge

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
)

// keyed is a certificate with another key.
func keyed(name, refused string, key oddKey, more ...func(d *draft)) odd {
	return odd{"key " + name, refused, func(d *draft) {
		d.key, d.private = key.public, key.text
		for _, m := range more {
			m(d)
		}
	}}
}

func publicAs(der []byte) func(d *draft) { return func(d *draft) { d.key = der } }

func privateAs(label string, der []byte) func(d *draft) {
	return func(d *draft) { d.private = pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}) }
}

func oddKeys() []odd {
	ed := func() oddKey { _, k, err := ed25519.GenerateKey(rand.Reader); return newOddKey(k, err) }()
	short, usual := newOddKey(rsa.GenerateKey(rand.Reader, 1024)), newOddKey(rsa.GenerateKey(rand.Reader, 2048))
	p224, p384 := newOddKey(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), newOddKey(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521, other := newOddKey(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), p256Key()
	const noKind, noPoint = "kind that Envoy does not serve with", "no point of its curve"
	rsaList := rsaSequence(usual)
	list := []odd{
		keyed("RSA 2048", "", usual), keyed("RSA 1024", "1024 bits", short), keyed("P-384", "", p384), keyed("P-521", "", p521), keyed("Ed25519", "", ed),
		keyed("P-224", "P-256, P-384 and P-521 only", p224), keyed("of another certificate", "not the key of the first", usual, publicAs(other.public)),
		keyed("of the same kind, of another", "not the key of the first", p256Key(), publicAs(other.public)),
		keyed("RSA of 8200 bits", "8200 bits", usual, publicAs(rsaPublic(8200, 65537))), keyed("RSA with an even exponent", "have to be odd", usual, publicAs(rsaPublic(2048, 65536))),
		keyed("RSA with exponent 1", "have to be odd", usual, publicAs(rsaPublic(2048, 1))), keyed("RSA with a long exponent", "have to be odd", usual, publicAs(rsaPublic(2048, 1<<34+1))),
		keyed("RSA without parameters", "RSA key is malformed", usual, publicAs(seq(seq(oidRSA), bitString(0, rsaList...)))),
		keyed("RSA with other parameters", "RSA key is malformed", usual, publicAs(seq(seq(oidRSA, integer(1)), bitString(0, rsaList...)))),
		keyed("RSA for PSS only", noKind, usual, publicAs(seq(seq(oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a")), bitString(0, rsaList...)))),
		keyed("DSA", noKind, other, publicAs(seq(seq(oid("\x2a\x86\x48\xce\x38\x04\x01"), seq(integer(23), integer(11), integer(4))), bitString(0, integer(5)...)))),
		keyed("X25519", noKind, other, publicAs(seq(seq(oid("\x2b\x65\x6e")), bitString(0, bytes.Repeat([]byte{9}, 32)...)))),
		keyed("Ed448", noKind, other, publicAs(seq(seq(oid("\x2b\x65\x71")), bitString(0, bytes.Repeat([]byte{9}, 57)...)))),
		keyed("secp256k1", "P-256, P-384 and P-521 only", other, publicAs(seq(seq(oidECKey, oid("\x2b\x81\x04\x00\x0a")), bitString(0, point(other)...)))),
		keyed("of an unknown kind", noKind, other, publicAs(seq(seq(oid("\x2a\x03\x04")), bitString(0, 1)))),
		keyed("EC compressed", "", other, publicAs(seq(seq(oidECKey, oidP256), bitString(0, elliptic.MarshalCompressed(elliptic.P256(), ecOf(other).X, ecOf(other).Y)...)))),
		keyed("EC not on its curve", noPoint, other, publicAs(seq(seq(oidECKey, oidP256), bitString(0, append([]byte{4}, make([]byte, 64)...)...)))),
		keyed("EC without a curve", "by name", other, publicAs(seq(seq(oidECKey), bitString(0, point(other)...)))),
		keyed("EC with explicit parameters", "by name", other, publicAs(seq(seq(oidECKey, explicitP256()), bitString(0, point(other)...)))),
		keyed("in bits that end within a byte", noPoint, other, publicAs(seq(seq(oidECKey, oidP256), tlv(0x03, append([]byte{1}, evenEnd(point(other))...))))),
		keyed("without bits", "public key is malformed", other, publicAs(seq(seq(oidECKey, oidP256), tlv(0x03)))),
	}
	return append(list, oddPrivateKeys(usual, other, ed)...)
}

func ecOf(k oddKey) *ecdsa.PrivateKey { return k.private.(*ecdsa.PrivateKey) }

func point(k oddKey) []byte {
	p, err := ecOf(k).PublicKey.Bytes()
	if err != nil {
		panic(err) // it was generated here
	}
	return p
}

// evenEnd is b without its last bit, which DER wants to be 0 where it does not count.
func evenEnd(b []byte) []byte { b[len(b)-1] &^= 1; return b }

func number(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return integer(b...)
}

// rsaPublic is a key with a modulus of so many bits, of which nobody knows the factors.
func rsaPublic(bits uint, e int64) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.Add(n, big.NewInt(12345))
	return seq(seq(oidRSA, tlv(0x05)), bitString(0, seq(number(n), number(big.NewInt(e)))...))
}

func rsaSequence(k oddKey) []byte {
	p := k.private.(*rsa.PrivateKey)
	return seq(number(p.N), number(big.NewInt(int64(p.E))))
}

// explicitP256 are the parameters of P-256 where others write its name.
func explicitP256() []byte {
	c := elliptic.P256().Params()
	a := new(big.Int).Sub(c.P, big.NewInt(3))
	field := seq(oid("\x2a\x86\x48\xce\x3d\x01\x01"), number(c.P))
	curve := seq(tlv(0x04, a.FillBytes(make([]byte, 32))), tlv(0x04, c.B.FillBytes(make([]byte, 32))))
	return seq(integer(1), field, curve, tlv(0x04, slices.Concat([]byte{4}, c.Gx.FillBytes(make([]byte, 32)), c.Gy.FillBytes(make([]byte, 32)))), number(c.N), integer(1))
}

func oddPrivateKeys(r, e, ed oddKey) []odd {
	sec1, _ := x509.MarshalECPrivateKey(ecOf(e))
	pkcs1 := x509.MarshalPKCS1PrivateKey(r.private.(*rsa.PrivateKey))
	pkcs8, _ := pem.Decode(e.text)
	pkcs8RSA, _ := pem.Decode(r.text)
	scalar, _ := ecOf(e).Bytes()
	const wrong = "does not parse"
	return []odd{
		keyed("in PKCS1", "", r, privateAs("RSA PRIVATE KEY", pkcs1)), keyed("in SEC1", "", e, privateAs("EC PRIVATE KEY", sec1)),
		keyed("in PKCS8, labelled RSA", "", r, privateAs("RSA PRIVATE KEY", pkcs8RSA.Bytes)), keyed("in PKCS8, labelled EC", "", e, privateAs("EC PRIVATE KEY", pkcs8.Bytes)),
		keyed("in PKCS1, labelled PKCS8", wrong, r, privateAs("PRIVATE KEY", pkcs1)), keyed("in SEC1, labelled PKCS8", wrong, e, privateAs("PRIVATE KEY", sec1)),
		keyed("in PKCS8, RSA labelled EC", wrong, r, privateAs("EC PRIVATE KEY", pkcs8RSA.Bytes)), keyed("in SEC1, labelled RSA", wrong, e, privateAs("RSA PRIVATE KEY", sec1)),
		keyed("in SEC1 without its curve", wrong, e, privateAs("EC PRIVATE KEY", seq(integer(1), tlv(0x04, scalar)))),
		keyed("in SEC1 without its public part", "", e, privateAs("EC PRIVATE KEY", seq(integer(1), tlv(0x04, scalar), tlv(0xa0, oidP256)))),
		keyed("in SEC1 with explicit parameters", "", e, privateAs("EC PRIVATE KEY", seq(integer(1), tlv(0x04, scalar), tlv(0xa0, explicitP256())))),
		keyed("in SEC1 with the public part of another", wrong, e, privateAs("EC PRIVATE KEY", seq(integer(1), tlv(0x04, scalar), tlv(0xa0, oidP256), tlv(0xa1, bitString(0, point(p256Key())...))))),
		keyed("in SEC1, short", "", e, privateAs("EC PRIVATE KEY", seq(integer(1), tlv(0x04, append([]byte{0}, scalar...)), tlv(0xa0, oidP256)))),
		keyed("in PKCS8 with explicit parameters", "", e, privateAs("PRIVATE KEY", seq(integer(0), seq(oidECKey, explicitP256()), tlv(0x04, seq(integer(1), tlv(0x04, scalar)))))),
		keyed("in PKCS8 with the public part of another", wrong, e, privateAs("PRIVATE KEY", seq(integer(0), seq(oidECKey, oidP256), tlv(0x04, seq(integer(1), tlv(0x04, scalar), tlv(0xa1, bitString(0, point(p256Key())...))))))),
		keyed("in SEC1, compressed", "", e, privateAs("EC PRIVATE KEY", seq(integer(1), tlv(0x04, scalar), tlv(0xa0, oidP256), tlv(0xa1, bitString(0, elliptic.MarshalCompressed(elliptic.P256(), ecOf(e).X, ecOf(e).Y)...))))),
		keyed("in SEC1, zero", wrong, e, privateAs("EC PRIVATE KEY", seq(integer(1), tlv(0x04, make([]byte, 32)), tlv(0xa0, oidP256)))),
		keyed("with more behind it", "", e, privateAs("PRIVATE KEY", append(bytes.Clone(pkcs8.Bytes), 1, 2, 3))),
		keyed("with its parameters before it", "", e, func(d *draft) {
			d.private = append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: oidP256}), e.text...)
		}),
		keyed("encrypted", "no unencrypted private key", e, func(d *draft) {
			d.private = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00112233445566778899AABBCCDDEEFF"}, Bytes: sec1})
		}),
		keyed("none", "no unencrypted private key", e, func(d *draft) { d.private = []byte("none\n") }),
		keyed("twice, the other first", "not the key of the first", e, func(d *draft) { d.private = append(bytes.Clone(p256Key().text), e.text...) }),
		keyed("RSA of three primes", "more than two primes", multiPrime()),
	}
}

// multiPrime is a key of RFC 8017, 3.2, version 1: few make them.
func multiPrime() oddKey {
	//lint:ignore SA1019 it is to be refused
	k, err := rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048)
	return newOddKey(k, err)
}

func oddUsages() []odd {
	with := func(name, refused string, extensions ...[]byte) odd {
		return odd{name, refused, func(d *draft) { d.extensions = append(d.extensions, extensions...) }}
	}
	purposes := func(list ...[]byte) []byte { return extensionOf(oidEKU, seq(list...)) }
	rsaKey := newOddKey(rsa.GenerateKey(rand.Reader, 2048))
	edKey := func() oddKey { _, k, err := ed25519.GenerateKey(rand.Reader); return newOddKey(k, err) }()
	onRSA := func(name, refused string, u []byte) odd {
		return keyed(name, refused, rsaKey, func(d *draft) { d.extensions = append(d.extensions, u) })
	}
	const lacks, wrong, list = "lacks digitalSignature", "keyUsage is malformed", "list of extensions is malformed"
	return []odd{
		with("usage keyAgreement", lacks, usage(0x08, 3)), with("usage digitalSignature", "", usage(0x80, 7)), with("usage keyCertSign", lacks, usage(0x04, 2)),
		with("usage none", lacks, extensionOf(oidKU, bitString(0))), with("usage with bits too many", wrong, usage(0x81, 7)), with("usage with a zero byte", "", extensionOf(oidKU, bitString(0, 0x80, 0))),
		with("usage of no type", wrong, extensionOf(oidKU, tlv(0x04, []byte{0x80}))), with("usage empty", wrong, extensionOf(oidKU)), with("usage and more", wrong, extensionOf(oidKU, bitString(7, 0x80), integer(1))),
		with("usage twice, the good first", "", usage(0x80, 7), usage(0x08, 3)), with("usage twice, the bad first", lacks, usage(0x08, 3), usage(0x80, 7)),
		onRSA("RSA usage keyEncipherment", "", usage(0x20, 5)), onRSA("RSA usage keyAgreement", "", usage(0x08, 3)), onRSA("RSA usage malformed", "", usage(0x81, 7)),
		keyed("Ed25519 usage keyAgreement", "", edKey, func(d *draft) { d.extensions = append(d.extensions, usage(0x08, 3)) }),
		with("purpose clientAuth", "", purposes(oid("\x2b\x06\x01\x05\x05\x07\x03\x02"))), with("purpose serverAuth", "", purposes(oid("\x2b\x06\x01\x05\x05\x07\x03\x01"))),
		with("purpose none", "", purposes()), with("purpose malformed", "", extensionOf(oidEKU, []byte("x"))),
		with("promise of OCSP", "must-staple", extensionOf(oidFeature, seq(integer(5)))), with("promise of OCSP and more", "", extensionOf(oidFeature, seq(integer(5), integer(6)))),
		with("an authority", "", extensionOf(oidBC, seq(tlv(0x01, []byte{0xff})))), with("constraints malformed", "", extensionOf(oidBC, []byte("x"))),
		with("an unknown extension, critical", "", seq(oid("\x2a\x03\x04"), tlv(0x01, []byte{0xff}), tlv(0x04, []byte("x")))),
		with("an extension twice", "", extensionOf(oid("\x2a\x03\x04"), nil), extensionOf(oid("\x2a\x03\x04"), nil)), with("names twice", "", altNames("b.example.com")),
		with("critical false, said", "", seq(oid("\x2a\x03\x04"), tlv(0x01, []byte{0}), tlv(0x04))), with("critical 1", "", seq(oid("\x2a\x03\x04"), tlv(0x01, []byte{1}), tlv(0x04))),
		with("critical last", list, seq(oid("\x2a\x03\x04"), tlv(0x04), tlv(0x01, []byte{0xff}))), with("an extension without value", list, seq(oid("\x2a\x03\x04"))),
		with("an extension of no kind", list, seq(oid("\x80"), tlv(0x04))), with("an extension that is a set", list, tlv(0x31, oid("\x2a\x03\x04"), tlv(0x04))),
		{"extensions none, listed", "", func(d *draft) { d.extensions = [][]byte{} }},
		{"names malformed, common name", "", func(d *draft) { d.extensions = [][]byte{extensionOf(oidSAN, []byte("x"))} }},
		{"names with high bytes", "", func(d *draft) { d.extensions = [][]byte{altNames("m\xfcller.example.com")} }},
		{"names empty", "", func(d *draft) { d.extensions = [][]byte{altNames("")} }},
		{"names none, listed, no common name", "names nobody", func(d *draft) { d.subject, d.extensions = name(), [][]byte{altNames()} }},
		{"names twice, no common name", "names nobody", func(d *draft) { d.subject, d.extensions = name(), append(d.extensions, altNames("b.example.com")) }},
		{"names malformed, no common name", "names nobody", func(d *draft) { d.subject, d.extensions = name(), [][]byte{extensionOf(oidSAN, []byte("x"))} }},
		{"an address of 5 bytes, no common name", "", func(d *draft) {
			d.subject, d.extensions = name(), [][]byte{extensionOf(oidSAN, seq(tlv(0x87, []byte("abcde"))))}
		}},
	}
}

func oddWholes() []odd {
	inner, outer := func(d *draft) *[]byte { return &d.inner }, func(d *draft) *[]byte { return &d.outer }
	sign := func(d *draft) *[]byte { return &d.signature }
	behind := func(name, refused string, of func(ca *draft)) odd {
		return odd{"behind it " + name, refused, func(d *draft) {
			ca := newDraft(oddKey{public: d.key}, "ca")
			of(ca)
			d.chain = [][]byte{ca.der()}
		}}
	}
	text := func(name, refused string, of func(c, k string) (string, string)) odd {
		return odd{"text " + name, refused, func(d *draft) { d.text = of }}
	}
	second := func(d *draft) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.der()}))
	}
	const algorithm = "signature algorithm is malformed"
	return []odd{
		field("signed by SHA-1", "", inner, seq(oidSHA1RSA, tlv(0x05))), field("algorithms that differ", "", outer, seq(oidSHA1RSA, tlv(0x05))), field("algorithm unknown", "", inner, seq(oid("\x2a\x03\x04"))),
		field("algorithm without identifier", algorithm, inner, seq()), field("algorithm with two parameters", algorithm, inner, seq(oidSHA1RSA, tlv(0x05), tlv(0x05))),
		field("algorithm with a null of a byte", algorithm, inner, seq(oidSHA1RSA, tlv(0x05, []byte{1}))), field("outer algorithm without identifier", algorithm, outer, seq()),
		field("signature empty", "", sign, bitString(0)), field("signature with unused bits", "", sign, bitString(1, 2)), field("signature without bytes", "signature is malformed", sign, tlv(0x03)),
		field("signature with a long length", "", sign, []byte{0x03, 0x81, 0x02, 0x00, 0x01}), field("signature that is a string", "signature is malformed", sign, tlv(0x04, []byte{0})),
		field("more behind the first", "", func(d *draft) *[]byte { return &d.more }, []byte("more")),
		behind("serial negative", "", func(ca *draft) { ca.serial = integer(0x85) }), behind("RSA 512", "", func(ca *draft) { ca.key = rsaPublic(512, 3) }),
		behind("a key that is none", "", func(ca *draft) { ca.key = seq(seq(oidECKey), bitString(0, 1)) }), behind("usage malformed", "", func(ca *draft) { ca.extensions = [][]byte{extensionOf(oidKU, []byte("x"))} }),
		behind("a promise of OCSP", "", func(ca *draft) { ca.extensions = [][]byte{extensionOf(oidFeature, seq(integer(5)))} }), behind("more", "", func(ca *draft) { ca.more = []byte("more") }),
		behind("names nobody", "", func(ca *draft) { ca.subject, ca.extensions = name(), nil }), behind("a time that is none", "certificate 2 does not parse: its validity", func(ca *draft) { ca.validity = validity(0x17, "a", "b") }),
		behind("a serial with a leading zero", "certificate 2 does not parse: its serial", func(ca *draft) { ca.serial = integer(0, 1) }),
		text("with CRLF", "", func(c, k string) (string, string) {
			return strings.ReplaceAll(c, "\n", "\r\n"), strings.ReplaceAll(k, "\n", "\r\n")
		}),
		text("with words around", "", func(c, k string) (string, string) { return "words\n" + c + "words\n", "words\n" + k }),
		text("without a last newline", "", func(c, k string) (string, string) { return strings.TrimSpace(c), strings.TrimSpace(k) }),
		text("with blanks at ends of lines", "", func(c, k string) (string, string) { return strings.ReplaceAll(c, "\n", "  \n"), k }),
		text("on one line", "", func(c, k string) (string, string) {
			b, _ := pem.Decode([]byte(c))
			return label("CERTIFICATE", plain(b.Bytes)), k
		}),
		text("labelled X509", "", func(c, k string) (string, string) {
			return strings.ReplaceAll(c, " CERTIFICATE", " X509 CERTIFICATE"), k
		}),
		text("labelled TRUSTED", "", func(c, k string) (string, string) {
			return strings.ReplaceAll(c, " CERTIFICATE", " TRUSTED CERTIFICATE"), k
		}),
		text("key before certificate", "", func(c, k string) (string, string) { return k + c, c + k }),
		text("of DER", "no certificate in PEM", func(c, k string) (string, string) { b, _ := pem.Decode([]byte(c)); return string(b.Bytes), k }),
		text("empty", "no certificate in PEM", func(_, k string) (string, string) { return "", k }),
		text("cut", "no PEM", func(c, k string) (string, string) { return c[:len(c)/2], k }),
		text("with a bad one behind", "no PEM", func(c, k string) (string, string) { return c + label("CERTIFICATE", "!!!!"), k }),
		text("with an ending that differs", "no PEM", func(c, k string) (string, string) { return strings.Replace(c, "END CERTIFICATE", "END X", 1), k }),
		text("with another behind", "", func(c, k string) (string, string) { return c + second(newDraft(p256Key(), "b")), k }),
		text("with another before", "not the key of the first", func(c, k string) (string, string) { return second(newDraft(p256Key(), "b")) + c, k }),
		text("twice", "", func(c, k string) (string, string) { return c + c, k }),
	}
}
