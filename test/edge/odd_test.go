//go:build real

package edge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

// draft is a certificate in the making. Its fields are DER, so that each can be what no
// library writes.
type draft struct {
	version, serial, inner, issuer, validity, subject, key []byte
	unique                                                 [][]byte
	extensions                                             [][]byte // nil: no list
	outer, signature, more                                 []byte

	chain   [][]byte // certificates behind it, DER
	private []byte   // its key, PEM
	text    func(certificate, key string) (string, string)
}

// Identifiers, as the bytes of their DER.
var (
	oidCN      = oid("\x55\x04\x03")
	oidECDSA   = oid("\x2a\x86\x48\xce\x3d\x04\x03\x02")
	oidECKey   = oid("\x2a\x86\x48\xce\x3d\x02\x01")
	oidP256    = oid("\x2a\x86\x48\xce\x3d\x03\x01\x07")
	oidRSA     = oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")
	oidSHA1RSA = oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05")
	oidKU      = oid("\x55\x1d\x0f")
	oidSAN     = oid("\x55\x1d\x11")
	oidBC      = oid("\x55\x1d\x13")
	oidEKU     = oid("\x55\x1d\x25")
	oidFeature = oid("\x2b\x06\x01\x05\x05\x07\x01\x18")
)

func tlv(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

func seq(parts ...[]byte) []byte       { return tlv(0x30, parts...) }
func oid(b string) []byte              { return tlv(0x06, []byte(b)) }
func integer(b ...byte) []byte         { return tlv(0x02, b) }
func name(attributes ...[]byte) []byte { return seq(attributes...) }

// attribute is one of a name, alone in its set.
func attribute(kind []byte, tag byte, value string) []byte {
	return tlv(0x31, seq(kind, tlv(tag, []byte(value))))
}

func cn(tag byte, value string) []byte { return name(attribute(oidCN, tag, value)) }

func validity(tag byte, from, until string) []byte {
	return seq(tlv(tag, []byte(from)), tlv(tag, []byte(until)))
}

func extensionOf(kind []byte, value ...[]byte) []byte { return seq(kind, tlv(0x04, value...)) }

func bitString(unused byte, b ...byte) []byte { return tlv(0x03, []byte{unused}, b) }

// usage is a keyUsage; digitalSignature is 0x80, keyEncipherment 0x20, keyAgreement 0x08.
func usage(bits byte, unused byte) []byte { return extensionOf(oidKU, bitString(unused, bits)) }

func altNames(names ...string) []byte {
	var list [][]byte
	for _, n := range names {
		list = append(list, tlv(0x82, []byte(n)))
	}
	return extensionOf(oidSAN, seq(list...))
}

// oddKey is the key of most: one is made for all.
type oddKey struct {
	private crypto.Signer
	public  []byte // DER
	text    []byte // PEM
}

func newOddKey(private crypto.Signer, err error) oddKey {
	if err != nil {
		panic(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return oddKey{private, public, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
}

func newDraft(key oddKey, host string) *draft {
	return &draft{
		version: tlv(0xa0, integer(2)), serial: integer(0x4e, 1), inner: seq(oidECDSA), outer: seq(oidECDSA),
		issuer: cn(0x0c, "odd"), validity: validity(0x17, "250101000000Z", "450101000000Z"), subject: cn(0x0c, host),
		key: key.public, extensions: [][]byte{altNames(host)}, private: key.text,
		signature: bitString(0, signed(key)...),
	}
}

// signed is a signature of something: nobody here verifies it.
func signed(key oddKey) []byte {
	sum := sha256.Sum256([]byte("odd"))
	ec, ok := key.private.(*ecdsa.PrivateKey)
	if !ok {
		return make([]byte, 64)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, ec, sum[:])
	if err != nil {
		panic(err)
	}
	return signature
}

func (d *draft) der() []byte {
	var list []byte
	if d.extensions != nil {
		list = tlv(0xa3, seq(d.extensions...))
	}
	tbs := seq(d.version, d.serial, d.inner, d.issuer, d.validity, d.subject, d.key, slices.Concat(d.unique...), list)
	return slices.Concat(seq(tbs, d.outer, d.signature), d.more)
}

// secret is what a Secret has of it.
func (d *draft) secret() (certificate, key string) {
	var out strings.Builder
	for _, der := range append([][]byte{d.der()}, d.chain...) {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	if d.text == nil {
		return out.String(), string(d.private)
	}
	return d.text(out.String(), string(d.private))
}

// odd is a certificate that a tenant may have, and why it is not served; empty if it is.
type odd struct {
	name, refused string
	write         func(d *draft)
}

func field(name, refused string, of func(d *draft) *[]byte, value []byte) odd {
	return odd{name, refused, func(d *draft) { *of(d) = value }}
}

func oddNumbers() []odd {
	serial := func(d *draft) *[]byte { return &d.serial }
	version := func(d *draft) *[]byte { return &d.version }
	is := func(name, refused string, b ...byte) odd {
		return field("serial "+name, refused, serial, integer(b...))
	}
	v := func(name, refused string, der []byte) odd { return field("version "+name, refused, version, der) }
	return []odd{
		{"as usual", "", func(*draft) {}},
		is("negative", "", 0x85, 1), is("zero", "", 0), is("minus one", "", 0xff), is("of 21 bytes", "", slices.Repeat([]byte{0x55}, 21)...),
		is("of 100 bytes", "", slices.Repeat([]byte{0x55}, 100)...),
		is("with a leading zero", "serial number is malformed", 0, 1), is("with a leading ff", "serial number is malformed", 0xff, 0x80),
		is("without bytes", "serial number is malformed"), field("serial is a string", "serial number is malformed", serial, tlv(0x0c, []byte("1"))),
		v("1, said", "fields that its version does not have", tlv(0xa0, integer(0))), v("1, with extensions", "fields that its version does not have", nil),
		v("2, with extensions", "fields that its version does not have", tlv(0xa0, integer(1))), v("4", "version is malformed", tlv(0xa0, integer(3))),
		v("negative", "version is malformed", tlv(0xa0, integer(0xff))), v("and more", "version is malformed", tlv(0xa0, integer(2), integer(2))),
		{"version 1 without extensions", "", func(d *draft) { d.version, d.extensions = nil, nil }},
		{"version 1, said, without extensions", "", func(d *draft) { d.version, d.extensions = tlv(0xa0, integer(0)), nil }},
		{"version 2 with unique IDs", "", func(d *draft) {
			d.version, d.extensions, d.unique = tlv(0xa0, integer(1)), nil, [][]byte{tlv(0x81, []byte{0, 1}), tlv(0x82, []byte{0, 1})}
		}},
		{"version 1 with a unique ID", "fields that its version does not have", func(d *draft) {
			d.version, d.extensions, d.unique = nil, nil, [][]byte{tlv(0x81, []byte{0, 1})}
		}},
		{"unique ID with 9 unused bits", "issuerUniqueID is malformed", func(d *draft) { d.unique = [][]byte{tlv(0x81, []byte{9, 1})} }},
	}
}

func oddTimes() []odd {
	of := func(d *draft) *[]byte { return &d.validity }
	is := func(name, refused string, der []byte) odd { return field("time "+name, refused, of, der) }
	const wrong = "validity is malformed"
	return []odd{
		is("generalized", "", validity(0x18, "20250101000000Z", "20450101000000Z")), is("of the far future", "", validity(0x18, "20250101000000Z", "99991231235959Z")),
		is("of the year 1", "", validity(0x18, "00010101000000Z", "20450101000000Z")), is("of the year 0", "", validity(0x18, "00000101000000Z", "20450101000000Z")),
		is("mixed", "", seq(tlv(0x17, []byte("250101000000Z")), tlv(0x18, []byte("20600101000000Z")))),
		is("with an offset", "", validity(0x17, "250101000000+0100", "450101000000-0230")), is("with no offset, said", "", validity(0x17, "250101000000+0000", "450101000000+0000")),
		is("of the last century", "", validity(0x17, "500101000000Z", "450101000000Z")), is("that ends before it begins", "", validity(0x17, "450101000000Z", "250101000000Z")),
		is("that is over", "", validity(0x17, "200101000000Z", "210101000000Z")), is("that has not begun", "", validity(0x17, "400101000000Z", "450101000000Z")),
		is("without seconds", wrong, validity(0x17, "2501010000Z", "4501010000Z")), is("generalized, with an offset", wrong, validity(0x18, "20250101000000+0100", "20450101000000+0100")),
		is("generalized, with a fraction", wrong, validity(0x18, "20250101000000.5Z", "20450101000000.5Z")), is("without a zone", wrong, validity(0x17, "250101000000", "450101000000")),
		is("with the 31st of February", wrong, validity(0x17, "250231000000Z", "450101000000Z")), is("with second 60", wrong, validity(0x17, "250101000060Z", "450101000000Z")),
		is("with hour 24", wrong, validity(0x17, "250101240000Z", "450101000000Z")), is("with an offset of 60 minutes", wrong, validity(0x17, "250101000000+0060", "450101000000Z")),
		is("with an offset of 24 hours", wrong, validity(0x17, "250101000000+2400", "450101000000Z")), is("with a comma", wrong, validity(0x18, "20250101000000,5Z", "20450101000000Z")),
		is("as a string", wrong, validity(0x0c, "250101000000Z", "450101000000Z")), is("alone", wrong, seq(tlv(0x17, []byte("250101000000Z")))),
		is("thrice", wrong, seq(tlv(0x17, []byte("250101000000Z")), tlv(0x17, []byte("450101000000Z")), tlv(0x17, []byte("450101000000Z")))),
	}
}

func oddNames() []odd {
	subject := func(d *draft) *[]byte { return &d.subject }
	issuer := func(d *draft) *[]byte { return &d.issuer }
	is := func(name, refused string, der []byte) odd { return field("subject "+name, refused, subject, der) }
	by := func(name, refused string, der []byte) odd { return field("issuer "+name, refused, issuer, der) }
	const wrong, wrongly = "subject is malformed", "issuer is malformed"
	return []odd{
		is("printable with @", "", cn(0x13, "me@example.com")), is("printable with &", "", cn(0x13, "a&b*")), is("printable with high bytes", "", cn(0x13, "\xff\xfe")),
		is("T61 with umlauts", "", cn(0x14, "M\xfcller")), is("IA5 with high bytes", "", cn(0x16, "M\xfcller")), is("BMP", "", cn(0x1e, "\x00a\x20\xac")),
		is("universal", "", cn(0x1c, "\x00\x00\x00a")), is("visible", "", cn(0x1a, "a")), is("numeric", "", cn(0x12, "a")), is("octets", "", cn(0x04, "a")),
		is("UTF-8, not valid", wrong, cn(0x0c, "\xff")), is("UTF-8 with a surrogate", wrong, cn(0x0c, "\xed\xa0\x80")), is("BMP of odd length", wrong, cn(0x1e, "abc")),
		is("BMP with a surrogate", wrong, cn(0x1e, "\xd8\x00\xdc\x00")), is("universal of odd length", wrong, cn(0x1c, "abc")), is("universal beyond Unicode", wrong, cn(0x1c, "\x00\x11\x00\x00")),
		is("a noncharacter", wrong, cn(0x0c, "\xef\xbf\xbf")),
		is("empty, beside names", "", name()), is("with an empty common name", "common name is empty", cn(0x0c, "")),
		is("with an empty set", wrong, name(tlv(0x31))), is("no sequence", wrong, tlv(0x31)), is("with two in a set", "", name(tlv(0x31, seq(oidCN, tlv(0x0c, []byte("b"))), seq(oidCN, tlv(0x0c, []byte("a")))))),
		is("an integer", "", cn(0x02, "\x01")), is("a boolean", "", cn(0x01, "\xff")), is("null", "", cn(0x05, "")), is("a sequence", "", cn(0x30, "")), is("of its own tag", "", cn(0x80, "a")),
		is("a bit string", "", cn(0x03, "\x00a")), is("a bit string, not valid", wrong, cn(0x03, "\x09a")), is("a boolean, not valid", wrong, cn(0x01, "\x01\x01")),
		is("an integer, not valid", wrong, cn(0x02, "\x00\x01")), is("a null with a byte", wrong, cn(0x05, "a")), is("a time", "", cn(0x17, "250101000000Z")), is("a time, not valid", wrong, cn(0x17, "a")),
		is("an identifier", "", cn(0x06, "\x55\x04")), is("an identifier, not valid", wrong, cn(0x06, "\x80")),
		is("very long", "", cn(0x0c, strings.Repeat("a", 5000))), is("with a NUL", "", cn(0x0c, "a\x00b")),
		is("with attributes of a kind that is none", wrong, name(attribute(oid("\x80\x01"), 0x0c, "a"))),
		by("empty", "", name()), by("UTF-8, not valid", wrongly, cn(0x0c, "\xff")), by("printable with @", "", cn(0x13, "ca@example.com")),
		{"neither common name nor alternative", "names nobody", func(d *draft) { d.subject, d.extensions = name(), nil }},
		{"an alternative that is an e-mail, no common name", "names nobody", func(d *draft) {
			d.subject, d.extensions = name(), [][]byte{extensionOf(oidSAN, seq(tlv(0x81, []byte("a@b"))))}
		}},
	}
}

// plain is base64 on one line.
func plain(der []byte) string { return base64.StdEncoding.EncodeToString(der) }

// p256Key is a key, and what BoringSSL may take for one.
func p256Key() oddKey { return newOddKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func label(of, text string) string {
	return fmt.Sprintf("-----BEGIN %s-----\n%s\n-----END %s-----\n", of, text, of)
}
