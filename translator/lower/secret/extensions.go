package secret

import (
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Extensions that are looked at: bytes of their OBJECT IDENTIFIER.
const (
	keyUsage        = "\x55\x1d\x0f"
	subjectAltName  = "\x55\x1d\x11"
	extKeyUsage     = "\x55\x1d\x25"
	authorityAccess = "\x2b\x06\x01\x05\x05\x07\x01\x01"
	tlsFeature      = "\x2b\x06\x01\x05\x05\x07\x01\x18"
)

// Purposes, ways and features that extensions name.
const (
	serverAuth      = "\x2b\x06\x01\x05\x05\x07\x03\x01"
	anyPurpose      = "\x55\x1d\x25\x00"
	issuersAt       = "\x2b\x06\x01\x05\x05\x07\x30\x02"
	mustStapleValue = "\x30\x03\x02\x01\x05"
)

// Kinds of a GeneralName.
const (
	otherName    = 0
	email        = 1
	dnsName      = 2
	x400         = 3
	directory    = 4
	ediParty     = 5
	uri          = 6
	ipAddress    = 7
	registeredID = 8
)

type extension struct {
	kind  string
	value cryptobyte.String
}

// readExtensions reads them. Only version 3 has some.
func (c *certificate) readExtensions(s *cryptobyte.String) bool {
	var wrapper, list, one, value cryptobyte.String
	var has bool
	if c.version < 2 {
		return true
	}
	if !s.ReadOptionalASN1(&wrapper, &has, asn1.Tag(3).ContextSpecific().Constructed()) || !has {
		return !has
	}
	if !wrapper.ReadASN1(&list, asn1.SEQUENCE) || !wrapper.Empty() {
		return false
	}
	for !list.Empty() {
		var kind string
		if !list.ReadASN1(&one, asn1.SEQUENCE) || !objectID(&one, &kind) || !critical(&one) ||
			!one.ReadASN1(&value, asn1.OCTET_STRING) || !one.Empty() {
			return false
		}
		c.extensions = append(c.extensions, extension{kind, value})
	}
	return true
}

// critical reads whether the extension is, if it says so.
func critical(s *cryptobyte.String) bool {
	var v cryptobyte.String
	var has bool
	return s.ReadOptionalASN1(&v, &has, asn1.BOOLEAN) && (!has || len(v) == 1)
}

// first is the first extension of a kind.
func (c *certificate) first(kind string) (value cryptobyte.String, ok bool) {
	for _, e := range c.extensions {
		if e.kind == kind {
			return e.value, true
		}
	}
	return nil, false
}

// only is the extension of a kind; none if there are two, as everybody reads it.
func (c *certificate) only(kind string) (value cryptobyte.String, ok bool) {
	for _, e := range c.extensions {
		if e.kind == kind && ok {
			return nil, false
		}
		if e.kind == kind {
			value, ok = e.value, true
		}
	}
	return value, ok
}

// signs reports whether the key may sign a handshake, and whether the extension that says
// so can be read at all.
func (c *certificate) signs() (may, readable bool) {
	value, has := c.first(keyUsage)
	if !has {
		return true, true
	}
	var v cryptobyte.String
	if !value.ReadASN1(&v, asn1.BIT_STRING) || !value.Empty() || !bits(v) {
		return false, false
	}
	return len(v) > 1 && v[1]&0x80 != 0, true // bit 0, digitalSignature
}

// stapled reports whether the certificate promises an OCSP response with it. What counts is
// what Envoy compares: the extension with nothing else in it.
func (c *certificate) stapled() bool {
	value, ok := c.first(tlsFeature)
	return ok && string(value) == mustStapleValue
}

// forServers reports whether a client may take the certificate for that of a server.
func (c *certificate) forServers() bool {
	value, ok := c.only(extKeyUsage)
	var list cryptobyte.String
	if !ok || !value.ReadASN1(&list, asn1.SEQUENCE) {
		return true
	}
	for !list.Empty() {
		var purpose string
		if !objectID(&list, &purpose) {
			return true
		}
		if purpose == serverAuth || purpose == anyPurpose {
			return true
		}
	}
	return false
}

// names are those that the certificate is for, and how many it has of the kinds that Envoy
// counts. A name that stands in the subject alone counts for no client of today.
func (c *certificate) names() (names []string, counted int) {
	value, ok := c.only(subjectAltName)
	var list, one cryptobyte.String
	var tag asn1.Tag
	if !ok || !value.ReadASN1(&list, asn1.SEQUENCE) || !value.Empty() {
		return nil, 0
	}
	for !list.Empty() {
		if !list.ReadAnyASN1(&one, &tag) || !generalName(tag, one) {
			return nil, 0
		}
		switch tag {
		case asn1.Tag(dnsName).ContextSpecific():
			counted++
			names = append(names, string(one))
		case asn1.Tag(uri).ContextSpecific():
			counted++
		case asn1.Tag(ipAddress).ContextSpecific():
			counted++
			if ip, ok := netip.AddrFromSlice(one); ok {
				names = append(names, ip.String())
			}
		}
	}
	return names, counted
}

// generalName reports whether value is a GeneralName (RFC 5280, 4.2.1.6) of the kind that tag
// says. One that is not makes the whole list unreadable for Envoy.
func generalName(tag asn1.Tag, value cryptobyte.String) bool {
	context := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific() }
	var der []byte
	switch tag {
	case context(email), context(dnsName), context(uri), context(ipAddress), context(x400).Constructed():
		return true
	case context(registeredID):
		return isObjectID(value)
	case context(directory).Constructed():
		return readName(&value, &der, func(string, []byte) {}) && value.Empty()
	case context(otherName).Constructed():
		return objectID(&value, nil) && wrapped(&value, context(0).Constructed()) && value.Empty()
	case context(ediParty).Constructed():
		if value.PeekASN1Tag(context(0).Constructed()) && !wrapped(&value, context(0).Constructed()) {
			return false
		}
		return wrapped(&value, context(1).Constructed()) && value.Empty()
	}
	return false
}

// wrapped reads one element of any type within a tag.
func wrapped(s *cryptobyte.String, within asn1.Tag) bool {
	var outer, value cryptobyte.String
	var tag asn1.Tag
	return s.ReadASN1(&outer, within) && outer.ReadAnyASN1(&value, &tag) && outer.Empty() && valid(tag, value)
}

// fetchable reports whether the certificate says where its issuer's is to be had, as those
// of public authorities do, none of which is trusted by itself.
func (c *certificate) fetchable() bool {
	value, ok := c.only(authorityAccess)
	var list, one cryptobyte.String
	if !ok || !value.ReadASN1(&list, asn1.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		var way string
		if !list.ReadASN1(&one, asn1.SEQUENCE) || !objectID(&one, &way) {
			return false
		}
		if way == issuersAt {
			return true
		}
	}
	return false
}
