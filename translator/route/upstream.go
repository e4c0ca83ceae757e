package route

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Cluster is one backend as an Envoy is to know it.
type Cluster struct {
	Backend Backend
	// Settings are the effective ones: of the class, of who names the backend, of the
	// Service, the later before the earlier.
	Settings policy.Upstream
	Protocol Protocol
	// TLS is with what an endpoint is spoken to, and what it must show; nil: nothing.
	TLS *BackendTLS
	// SNI is the name in a handshake with an endpoint; empty for none.
	SNI string
	// Named: Endpoints are names, which Envoy resolves. Else they come by EDS, and
	// Endpoints is empty.
	Named     bool
	Endpoints []Endpoint
	// NotHome: no request is sent to an address of Home that a name resolves to.
	NotHome bool
	// Longest is how long a request may last that no route bounds, as the copy of one; 0: for ever.
	Longest time.Duration
	// Measured: all of its statistics are kept.
	Measured bool
	// Placeholder: the Service or its port is missing, and may come back.
	Placeholder bool
}

// BackendTLS is with what endpoints are spoken to by TLS.
type BackendTLS struct {
	Secret object.Ref
	Pair   *KeyPair // shown to an endpoint that asks; nil for none
	// Authorities are PEM, by which the certificate of an endpoint is verified; nil: it is not.
	Authorities []byte
	// Nobody: no endpoint is believed.
	Nobody bool
}

// TLSOf is with what the endpoints of a cluster are spoken to, by what its Secret says; nil
// if it names none. If there is not all that is needed, nobody is believed.
func TLSOf(namespace string, s *policy.UpstreamTLS, secrets func(object.Ref) *Credential) (*BackendTLS, error) {
	if s.TLSSecret == "" {
		return nil, nil
	}
	nobody := &BackendTLS{Nobody: true}
	ref := secretOf(namespace, s.TLSSecret)
	if ref.Namespace != namespace {
		return nobody, errors.New("the Secret is in another namespace")
	}
	var c *Credential
	if secrets != nil {
		c = secrets(ref)
	}
	switch {
	case c == nil:
		return nobody, errors.New("there is no such Secret")
	case c.Unread != nil:
		return nobody, c.Unread
	case c.PairErr != nil && c.AuthorityErr != nil:
		return nobody, errors.New("the Secret has neither a certificate nor an authority that can be used")
	case s.TLSVerify && c.AuthorityErr != nil:
		return nobody, fmt.Errorf("to verify, ca.crt is needed: %w", c.AuthorityErr)
	case s.TLSVerify && s.TLSName == "":
		return nobody, errors.New("to verify, a name is needed that certificates must have")
	}
	tls := &BackendTLS{Secret: ref}
	if c.PairErr == nil {
		tls.Pair = &c.Pair
	}
	if s.TLSVerify {
		tls.Authorities = c.Authorities.Certificates
	}
	return tls, nil
}

// secretOf is a Secret by its name, or by namespace/name.
func secretOf(namespace, name string) object.Ref {
	if other, rest, ok := strings.Cut(name, "/"); ok {
		namespace, name = other, rest
	}
	return object.Ref{Kind: object.KindSecret, Namespace: namespace, Name: name}
}

// UpstreamSecretOf is the Secret that the clusters of a fragment are made with; ok is false
// if it names none.
func UpstreamSecretOf(f *Fragment) (secret object.Ref, ok bool) {
	s := policy.Values{}.With(f.Policy).UpstreamTLS
	return secretOf(f.Origin.Object.Namespace, s.TLSSecret), s.TLSSecret != ""
}

// trusts closes a plan whose endpoints cannot be spoken to as its owner wants.
func (p *plan) trusts(in *Input) []finding.Finding {
	if _, ok := UpstreamSecretOf(p.fragment); !ok || p.closed {
		return nil
	}
	s := p.class.Settings.With(p.fragment.Policy).UpstreamTLS
	_, err := TLSOf(p.fragment.Origin.Object.Namespace, &s, in.Secret)
	if err == nil {
		return nil
	}
	p.closed = true
	return []finding.Finding{finding.BackendClosed.At(p.fragment.At(p.fragment.Policy.FieldOf("upstream-tls-secret")), s.TLSSecret, err)}
}

// Protocol is what is spoken to endpoints.
type Protocol struct{ HTTP2, TLS bool }

func (p Protocol) String() string {
	text := "HTTP/1.1"
	if p.HTTP2 {
		text = "HTTP/2"
	}
	if p.TLS {
		return text + " over TLS"
	}
	return text + " in clear text"
}

// Endpoints are those of a cluster that gets them by EDS.
type Endpoints struct {
	Backend Backend
	List    []Endpoint // sorted by zone, then by a hash of the address
	// Placeholder: the Service, its port or its slices are missing, and may come.
	Placeholder bool
}

// Endpoint is one address that requests go to.
type Endpoint struct {
	IP netip.Addr
	// Also are further addresses of the same pod, in the other family, in their order.
	Also []netip.Addr
	Name string // if IP is invalid
	Port uint32
	Zone string
	// Draining: it gets no new requests as long as others are there.
	Draining bool
}

// Host is the address, or the name.
func (e Endpoint) Host() string {
	if e.IP.IsValid() {
		return e.IP.String()
	}
	return e.Name
}

// KeyPair is a chain of certificates and the key of the first, PEM in canonical
// form.
type KeyPair struct{ Chain, Key []byte }

// Credential is what a Secret says, read as a certificate and as a seed: who names the
// Secret decides which of them counts.
type Credential struct {
	// Pair is good for a server's certificate, unless PairErr says why not. Leaf is what its
	// certificate says, and Told what is to be told of it, now or when its time has come.
	Pair    KeyPair
	PairErr error
	Leaf    Leaf
	Told    []finding.Finding
	// Seed is what of the Secret nobody else knows, its private key, unless SeedErr says
	// why there is none. Keys of other purposes are derived from it.
	Seed    []byte
	SeedErr error
	// Authorities are good to check client certificates by, unless AuthorityErr says why
	// not.
	Authorities  Authorities
	AuthorityErr error
	// Users are its lines of htpasswd by which somebody can come, and BadUsers how many
	// there are by which nobody can.
	Users    []string
	BadUsers int
	// Named are such lines, too, of keys that are names.
	Named []string
	// Unread is why nobody knows what the Secret says; nil if it was read.
	Unread error
}

// UnreadCredential is that of a Secret which we may not read: it is good for nothing.
func UnreadCredential(why error) *Credential {
	return &Credential{PairErr: why, SeedErr: why, AuthorityErr: why, Unread: why}
}

// NoAuthorities is why c has no authorities to check client certificates by; nil if it
// has. c is nil for a Secret that does not exist.
func (c *Credential) NoAuthorities() error {
	if c == nil {
		return errors.New("there is no such Secret")
	}
	return c.AuthorityErr
}
