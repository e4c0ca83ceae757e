package secret

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// served says why Envoy would not serve the certificate with a key. It returns the key as
// Envoy is to have it.
func (c *certificate) served(key []byte) ([]byte, error) {
	_, counted := c.names()
	switch {
	case c.commonName != nil && len(c.commonName) == 0:
		return nil, errors.New("its common name is empty, and Envoy refuses that")
	case c.commonName == nil && counted == 0:
		return nil, errors.New("it names nobody: it has neither a common name nor a host, address or URI")
	case c.stapled():
		return nil, errors.New("it promises an OCSP response (must-staple), which Envoy has none of")
	}
	if kind, _, _, _ := keyParts(c.key); kind == ecKey {
		switch may, readable := c.signs(); {
		case !readable:
			return nil, errors.New("its keyUsage is malformed")
		case !may:
			return nil, errors.New("its keyUsage lacks digitalSignature, without which an ECDSA key is of no use for TLS")
		}
	}
	return c.fits(key)
}

// leaf is what is told of the certificate.
func (c *certificate) leaf() route.Leaf {
	names, _ := c.names()
	for i, name := range names {
		names[i] = plain(name)
	}
	return route.Leaf{Names: names, Issuer: plain(string(c.organization)), From: c.from, Until: c.until}
}

// plain is a text of a certificate as it may be shown: anybody writes a certificate.
func plain(text string) string {
	for _, c := range text {
		if !strconv.IsPrint(c) {
			return strconv.QuoteToASCII(text)
		}
	}
	return text
}

// renewalDue is what is left of a certificate when it seems that it is not renewed: a
// tenth of its time, at most 14 days. cert-manager renews when a third is left
// (its default of renewBefore), so who is told has missed that.
func (c *certificate) renewalDue() time.Time {
	return c.until.Add(-min(14*24*time.Hour, c.until.Sub(c.from)/10))
}

// judge finds why clients would not take the first of a chain, now or when its time has
// come. It is served all the same: some clients look at less.
func judge(chain []*certificate, at object.Origin) (found []finding.Finding) {
	leaf := chain[0]
	begin, end := leaf.from.UTC().Format(time.RFC3339), leaf.until.UTC().Format(time.RFC3339)
	early := finding.CertificateNotYet.At(at, "", begin)
	ending, over := finding.CertificateEnds.At(at, "", end), finding.CertificateIsOver.At(at, "", end)
	early.Until = leaf.from
	ending.After, ending.Until = leaf.renewalDue(), leaf.until
	over.After = leaf.until
	found = append(found, early, ending, over)

	if why := leaf.unsuitable(); why != "" {
		found = append(found, finding.CertificatePurpose.At(at, "", why))
	}
	if why := broken(chain); why != "" {
		found = append(found, finding.CertificateChain.At(at, "", why))
	}
	return found
}

// unsuitable says for what reason clients do not take the certificate for that of a server.
func (c *certificate) unsuitable() string {
	if !c.forServers() {
		return "its extendedKeyUsage lacks serverAuth"
	}
	if may, readable := c.signs(); readable && !may {
		return "its keyUsage lacks digitalSignature, which TLS 1.3 asks for"
	}
	return ""
}

// broken says where a chain does not lead from its first certificate to one that clients may
// know. Where a single certificate is of an authority that clients know, nobody can tell.
func broken(chain []*certificate) string {
	for i, c := range chain[1:] {
		if !bytes.Equal(chain[i].issuer, c.subject) {
			return fmt.Sprintf("certificate %d is not that of the issuer of the one before", i+2)
		}
	}
	if leaf := chain[0]; len(chain) == 1 && leaf.fetchable() && !bytes.Equal(leaf.issuer, leaf.subject) {
		return "the certificate of its issuer, " + route.Quoted(string(leaf.organization)) + ", does not follow it"
	}
	return ""
}
