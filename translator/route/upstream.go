package route

import (
	"errors"
	"net/netip"

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
	// SNI is the name in a handshake with an endpoint; empty for none.
	SNI string
	// Named: Endpoints are names, which Envoy resolves. Else they come by EDS, and
	// Endpoints is empty.
	Named     bool
	Endpoints []Endpoint
	// NotHome: no request is sent to an address of Home that a name resolves to.
	NotHome bool
	// Placeholder: the Service or its port is missing, and may come back.
	Placeholder bool
}

// Protocol is what is spoken to endpoints.
type Protocol struct{ HTTP2, TLS bool }

// Endpoints are those of a cluster that gets them by EDS.
type Endpoints struct {
	Backend Backend
	List    []Endpoint // sorted by zone, then by address
	// Placeholder: the Service, its port or its slices are missing, and may come.
	Placeholder bool
}

// Endpoint is one address that requests go to.
type Endpoint struct {
	IP   netip.Addr
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
	// Pair is good for a server's certificate, unless PairErr says why not. Ends are the
	// findings that time will bring to it.
	Pair    KeyPair
	PairErr error
	Ends    []finding.Finding
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
}

// NoAuthorities is why c has no authorities to check client certificates by; nil if it
// has. c is nil for a Secret that does not exist.
func (c *Credential) NoAuthorities() error {
	if c == nil {
		return errors.New("there is no such Secret")
	}
	return c.AuthorityErr
}
