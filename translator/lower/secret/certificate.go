package secret

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// certificate is what of a certificate decides here. It is read as Envoy's library reads
// it, BoringSSL: crypto/x509 refuses much that Envoy serves (a negative serial number, an
// @ in a PrintableString), and takes what Envoy refuses. test/edge asks both.
type certificate struct {
	from, until     time.Time
	issuer, subject []byte            // names, DER
	commonName      []byte            // the first of the subject; nil if it has none
	organization    []byte            // the first of the issuer, else its first common name
	key             cryptobyte.String // SubjectPublicKeyInfo, DER
	version         uint64            // 2 is v3
	extensions      []extension
}

// part is one field of a certificate, and how it is read.
type part struct {
	name string
	read func(*cryptobyte.String) bool
}

// parse reads the first element of der, and returns where that ends.
func parse(der []byte) (c *certificate, element []byte, err error) {
	c = &certificate{}
	rest := cryptobyte.String(der)
	var outer, body, tbs cryptobyte.String
	if !rest.ReadASN1Element(&outer, asn1.SEQUENCE) {
		return nil, nil, errors.New("it is no DER")
	}
	element = outer
	if !outer.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1(&tbs, asn1.SEQUENCE) {
		return nil, nil, errors.New("it is no DER")
	}
	if err := read(&body, []part{{"outer signature algorithm", algorithm}, {"signature", signature}}); err != nil {
		return nil, nil, err
	}
	return c, element, read(&tbs, c.parts())
}

// read reads all of s, part by part.
func read(s *cryptobyte.String, parts []part) error {
	for _, p := range parts {
		if !p.read(s) {
			return fmt.Errorf("its %s is malformed", p.name)
		}
	}
	if !s.Empty() {
		return errors.New("it has fields that its version does not have")
	}
	return nil
}

// parts are those of TBSCertificate (RFC 5280, 4.1), in their order.
func (c *certificate) parts() []part {
	return []part{
		{"version", c.readVersion},
		{"serial number", integer},
		{"signature algorithm", algorithm},
		{"issuer", func(s *cryptobyte.String) bool { return c.readIssuer(s) }},
		{"validity", c.readValidity},
		{"subject", func(s *cryptobyte.String) bool {
			return readName(s, &c.subject, func(kind string, value []byte) {
				if kind == commonName && c.commonName == nil {
					c.commonName = value
				}
			})
		}},
		{"public key", c.readKey},
		{"issuerUniqueID", func(s *cryptobyte.String) bool { return c.uniqueID(s, 1) }},
		{"subjectUniqueID", func(s *cryptobyte.String) bool { return c.uniqueID(s, 2) }},
		{"list of extensions", c.readExtensions},
	}
}

func (c *certificate) readVersion(s *cryptobyte.String) bool {
	var wrapper cryptobyte.String
	var has bool
	if !s.ReadOptionalASN1(&wrapper, &has, asn1.Tag(0).ContextSpecific().Constructed()) || !has {
		return !has
	}
	return wrapper.ReadASN1Integer(&c.version) && wrapper.Empty() && c.version <= 2
}

// integer reads one, of any size and sign, which is not kept.
func integer(s *cryptobyte.String) bool {
	var v cryptobyte.String
	return s.ReadASN1(&v, asn1.INTEGER) && minimal(v)
}

// minimal reports whether an integer has no byte too many, as DER wants it.
func minimal(v []byte) bool {
	if len(v) < 2 {
		return len(v) == 1
	}
	return (v[0] != 0 || v[1]&0x80 != 0) && (v[0] != 0xff || v[1]&0x80 == 0)
}

// algorithm reads an AlgorithmIdentifier. Which one signed the certificate does not matter:
// nobody but clients verifies the signature, so that even the two copies may differ.
func algorithm(s *cryptobyte.String) bool {
	var seq, parameters cryptobyte.String
	var tag asn1.Tag
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !objectID(&seq, nil) {
		return false
	}
	return seq.Empty() || seq.ReadAnyASN1(&parameters, &tag) && valid(tag, parameters) && seq.Empty()
}

// objectID reads an OBJECT IDENTIFIER, as its bytes.
func objectID(s *cryptobyte.String, out *string) bool {
	var v cryptobyte.String
	if !s.ReadASN1(&v, asn1.OBJECT_IDENTIFIER) || !isObjectID(v) {
		return false
	}
	if out != nil {
		*out = string(v)
	}
	return true
}

// isObjectID reports whether v is the content of one: components that end, without leading
// zeros.
func isObjectID(v []byte) bool {
	for i, b := range v {
		if b == 0x80 && (i == 0 || v[i-1]&0x80 == 0) {
			return false
		}
	}
	return len(v) > 0 && v[len(v)-1]&0x80 == 0
}

// signature reads one. Here alone a length may have bytes too many: so BoringSSL has it, for
// the certificates of somebody.
func signature(s *cryptobyte.String) bool {
	var v cryptobyte.String
	if s.ReadASN1(&v, asn1.BIT_STRING) {
		return bits(v)
	}
	var tag, size uint8
	if !s.ReadUint8(&tag) || tag != uint8(asn1.BIT_STRING) || !s.ReadUint8(&size) || size <= 0x80 || size > 0x84 {
		return false
	}
	var length uint32
	for range size & 0x7f {
		var b uint8
		if !s.ReadUint8(&b) {
			return false
		}
		length = length<<8 | uint32(b)
	}
	return length <= uint32(len(*s)) && s.ReadBytes((*[]byte)(&v), int(length)) && bits(v)
}

// bits reports whether v is the content of a BIT STRING in DER.
func bits(v []byte) bool {
	if len(v) == 0 || v[0] > 7 {
		return false
	}
	return v[0] == 0 || len(v) > 1 && v[len(v)-1]&(1<<v[0]-1) == 0
}

func (c *certificate) readIssuer(s *cryptobyte.String) bool {
	var common []byte
	ok := readName(s, &c.issuer, func(kind string, value []byte) {
		switch {
		case kind == commonName && common == nil:
			common = value
		case kind == organization && c.organization == nil:
			c.organization = value
		}
	})
	if common != nil {
		c.organization = common
	}
	return ok
}

func (c *certificate) readValidity(s *cryptobyte.String) bool {
	var seq cryptobyte.String
	return s.ReadASN1(&seq, asn1.SEQUENCE) && moment(&seq, &c.from) && moment(&seq, &c.until) && seq.Empty()
}

// moment reads a time with its seconds: UTCTime, which may have an offset, or
// GeneralizedTime, which may not.
func moment(s *cryptobyte.String, out *time.Time) bool {
	var v cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&v, &tag) {
		return false
	}
	t, ok := timeOf(tag, string(v))
	*out = t
	return ok
}

func timeOf(tag asn1.Tag, text string) (time.Time, bool) {
	layout, digits := "060102150405Z0700", 12
	if tag == asn1.GeneralizedTime {
		layout, digits = "20060102150405Z", 14
	} else if tag != asn1.UTCTime {
		return time.Time{}, false
	}
	if len(text) <= digits || strings.Trim(text[:digits], "0123456789") != "" || text[digits:] != "Z" && (tag == asn1.GeneralizedTime || !isOffset(text[digits:])) {
		return time.Time{}, false
	}
	t, err := time.Parse(layout, text)
	if tag == asn1.UTCTime && t.Year() >= 2050 {
		t = t.AddDate(-100, 0, 0) // RFC 5280, 4.1.2.5.1: 50 to 99 are of the last century
	}
	return t.UTC(), err == nil
}

// isOffset reports whether a text is one of hours and minutes, of which time.Parse takes 24
// and 60.
func isOffset(text string) bool {
	return len(text) == 5 && text[1:3] < "24" && text[3:] < "60"
}

func (c *certificate) readKey(s *cryptobyte.String) bool {
	if !s.ReadASN1Element(&c.key, asn1.SEQUENCE) {
		return false
	}
	_, _, _, ok := keyParts(c.key)
	return ok
}

// uniqueID reads one of two fields that nobody uses. Version 1 has none.
func (c *certificate) uniqueID(s *cryptobyte.String, tag uint8) bool {
	var v cryptobyte.String
	var has bool
	if c.version == 0 {
		return true
	}
	return s.ReadOptionalASN1(&v, &has, asn1.Tag(tag).ContextSpecific()) && (!has || bits(v))
}
