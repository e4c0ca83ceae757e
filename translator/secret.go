package translator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/xds/snapshot"
)

// minRSA is the shortest RSA key, in bits, that Envoy takes; it refuses a whole
// response for a shorter one.
const minRSA = 2048

// secretUse is a place that names a Secret: a TLS section, or a class setting.
type secretUse struct {
	ref   object.Ref // the object with the place
	file  string
	field string
	key   string // the Secret: "namespace/name"; empty if the place names none
}

// secret computes the certificate that Envoy asks for by name. Without a usable
// Secret it is the stand-in of this process, Weak, so that whoever has a good
// one keeps it. An unanswered secret would hold up the whole listener for 15 s.
func secret(v input.View, name string, use secretUse) (*snapshot.Resource, []finding) {
	from := []object.Ref{use.ref}
	if use.key == "" {
		return standIn(v.StandIn(), name, from), []finding{about(use.ref, use.file, use.field, "",
			"no Secret is named; a certificate of our own stands in")}
	}
	s, ok := v.Secret(use.key)
	if !ok {
		return standIn(v.StandIn(), name, from), []finding{about(use.ref, use.file, use.field, use.key,
			"there is no such Secret; the last good certificate stays, else one of our own stands in")}
	}
	pair, err := parsePair(s)
	if err != nil {
		return standIn(v.StandIn(), name, from), []finding{
			about(s.Ref(), s.File, "data", "", err.Error()+"; the last good certificate stays, else one of our own stands in"),
			about(use.ref, use.file, use.field, use.key, "the Secret holds no usable certificate: "+err.Error())}
	}
	m := newSecret(name, pair.certificate, pair.key)
	r, err := newResource(snapshot.Secret, name, m, snapshot.Meta{From: append(from, s.Ref())})
	if err != nil {
		return standIn(v.StandIn(), name, from), []finding{about(s.Ref(), s.File, "data", "", "cannot be sent to Envoy")}
	}
	return r, pair.ends(s)
}

// renewalDue is what is left of a certificate when nobody seems to renew it: a
// tenth of its time, at most 14 days. cert-manager renews when a third is left
// (its default of renewBefore), so who is told has missed that.
func renewalDue(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-min(14*24*time.Hour, leaf.NotAfter.Sub(leaf.NotBefore)/10))
}

// ends are the findings that time brings.
func (p pair) ends(s *input.Secret) []finding {
	at := p.leaf.NotAfter.UTC().Format(time.RFC3339)
	ending := about(s.Ref(), s.File, "data[tls.crt]", "", "the certificate ends at "+at+"; nobody has renewed it yet")
	ending.after, ending.until = renewalDue(p.leaf), p.leaf.NotAfter
	expired := about(s.Ref(), s.File, "data[tls.crt]", "", "the certificate expired at "+at+"; it is served")
	expired.after = p.leaf.NotAfter
	return []finding{ending, expired}
}

// CertificateEnd is when the first of the hosts' certificates ends that have not
// yet; zero if there is none.
func (f *Fleet) CertificateEnd(now time.Time) (first time.Time) {
	for _, found := range f.found.All() {
		for _, one := range found.list { // only certificates have an end
			if one.until.After(now) && (first.IsZero() || one.until.Before(first)) {
				first = one.until
			}
		}
	}
	return first
}

// standIn is the process's own certificate, if it has one, under a name.
func standIn(s *input.Secret, name string, from []object.Ref) *snapshot.Resource {
	m := &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{}}}
	if s != nil {
		m = newSecret(name, s.Certificate, s.Key)
	}
	r, err := snapshot.StandIn(snapshot.Secret, name, m, snapshot.Meta{From: from})
	if err != nil {
		panic("translator: stand-in certificate: " + err.Error()) // bytes always serialise
	}
	return r
}

// standIns are the stand-ins that took the place of Secrets which an Envoy
// rejected, each made once. They are asked for by the streams of all Envoys.
type standIns struct {
	of   *input.Secret // the certificate of this process; nil if it made none
	made sync.Map      // of *snapshot.Resource, by name
}

// get is the stand-in under a name; nil if the process has no certificate.
func (s *standIns) get(name string) *snapshot.Resource {
	if s.of == nil {
		return nil
	}
	if r, ok := s.made.Load(name); ok {
		return r.(*snapshot.Resource)
	}
	r, _ := s.made.LoadOrStore(name, standIn(s.of, name, nil))
	return r.(*snapshot.Resource)
}

func newSecret(name string, certificate, key []byte) *tlsv3.Secret {
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: certificate}},
		PrivateKey:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: key}},
	}}}
}

// pair is a certificate chain and its key, PEM in canonical form.
type pair struct {
	certificate, key []byte
	leaf             *x509.Certificate
}

// parsePair reads a Secret. Its errors never repeat bytes of it.
func parsePair(s *input.Secret) (pair, error) {
	certificate, chain, err := parseChain(s.Certificate)
	if err != nil {
		return pair{}, err
	}
	key, err := parseKey(s.Key)
	if err != nil {
		return pair{}, err
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		return pair{}, errors.New("tls.key is not the key of the first certificate in tls.crt")
	}
	if err := checkStrength(chain[0]); err != nil {
		return pair{}, err
	}
	return pair{certificate: certificate, key: key, leaf: chain[0]}, nil
}

// parseChain re-encodes the certificates alone, so that comments, headers and
// line lengths do not count.
func parseChain(text []byte) ([]byte, []*x509.Certificate, error) {
	var (
		out   bytes.Buffer
		chain []*x509.Certificate
	)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("tls.crt: certificate %d does not parse", len(chain)+1)
		}
		chain = append(chain, c)
		out.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	if len(chain) == 0 {
		return nil, nil, errors.New("tls.crt holds no certificate in PEM")
	}
	return out.Bytes(), chain, nil
}

// parseKey re-encodes the first private key.
func parseKey(text []byte) ([]byte, error) {
	types := []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if slices.Contains(types, block.Type) && len(block.Headers) == 0 {
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}), nil
		}
	}
	return nil, errors.New("tls.key holds no unencrypted private key in PEM")
}

// checkStrength refuses what Envoy refuses.
func checkStrength(leaf *x509.Certificate) error {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return fmt.Errorf("the RSA key has %d bits, Envoy needs %d", key.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return errors.New("Envoy knows the curves P-256, P-384 and P-521 only")
		}
	}
	return nil
}
