package secret

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Kinds of an attribute of a name: bytes of their OBJECT IDENTIFIER.
const (
	commonName   = "\x55\x04\x03"
	organization = "\x55\x04\x0a"
)

// Tags of strings that asn1 does not name.
const (
	universalString = asn1.Tag(28)
	bmpString       = asn1.Tag(30)
)

// readName reads a name (RFC 5280, 4.1.2.4), and calls each with its attributes.
func readName(s *cryptobyte.String, der *[]byte, each func(kind string, value []byte)) bool {
	var element, seq, set cryptobyte.String
	if !s.ReadASN1Element(&element, asn1.SEQUENCE) {
		return false
	}
	*der = element
	if !element.ReadASN1(&seq, asn1.SEQUENCE) {
		return false
	}
	for !seq.Empty() {
		if !seq.ReadASN1(&set, asn1.SET) || set.Empty() {
			return false
		}
		for !set.Empty() {
			if !readAttribute(&set, each) {
				return false
			}
		}
	}
	return true
}

func readAttribute(s *cryptobyte.String, each func(kind string, value []byte)) bool {
	var seq, value cryptobyte.String
	var kind string
	var tag asn1.Tag
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !objectID(&seq, &kind) || !seq.ReadAnyASN1(&value, &tag) ||
		!seq.Empty() || !valid(tag, value) {
		return false
	}
	if tag == asn1.NULL || tag&0x20 != 0 {
		value = cryptobyte.String{0} // no string, and so not an empty one
	}
	each(kind, value)
	return true
}

// valid reports whether a value is one of its type. Of strings only the encoding counts: what
// characters a PrintableString may have, nobody but crypto/x509 asks.
func valid(tag asn1.Tag, value []byte) bool {
	if !formed(tag) {
		return false
	}
	switch tag {
	case asn1.BOOLEAN:
		return len(value) == 1
	case asn1.INTEGER, asn1.ENUM:
		return minimal(value)
	case asn1.BIT_STRING:
		return bits(value)
	case asn1.NULL:
		return len(value) == 0
	case asn1.OBJECT_IDENTIFIER:
		return isObjectID(value)
	case asn1.UTCTime, asn1.GeneralizedTime:
		_, ok := timeOf(tag, string(value))
		return ok
	case asn1.UTF8String:
		return utf8.Valid(value) && !slices.ContainsFunc([]rune(string(value)), noCharacter)
	case bmpString:
		return fixed(value, 2)
	case universalString:
		return fixed(value, 4)
	}
	return true
}

// formed reports whether a type of ASN.1 may have the form, primitive or constructed, that its
// tag says. Type 15 is nobody's yet.
func formed(tag asn1.Tag) bool {
	const classes, constructed = 0xc0, 0x20
	number := tag &^ constructed
	switch {
	case tag&classes != 0:
		return true
	case number == 0:
		return false
	case number == 15:
		return true
	}
	whole := slices.Contains([]asn1.Tag{8, 11, 16, 17, 29}, number) // EXTERNAL, EMBEDDED PDV, SEQUENCE, SET, CHARACTER STRING
	return whole == (tag&constructed != 0)
}

// fixed reports whether value is text in a fixed number of bytes for each character.
func fixed(value []byte, size int) bool {
	for ; len(value) >= size; value = value[size:] {
		var c uint32
		for _, b := range value[:size] {
			c = c<<8 | uint32(b)
		}
		if c > utf8.MaxRune || noCharacter(rune(c)) {
			return false
		}
	}
	return len(value) == 0
}

// noCharacter reports whether Unicode has set a code point aside for ever.
func noCharacter(c rune) bool {
	return !utf8.ValidRune(c) || c >= 0xfdd0 && c <= 0xfdef || c&0xfffe == 0xfffe
}
