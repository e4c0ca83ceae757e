package route

import (
	"cmp"
	"errors"
	"net/http"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// Clients is which client certificates a host asks for. They are checked on connections
// with TLS that ends here, and on no others.
type Clients struct {
	// Secret has the certificates of the authorities. Field is where the object names it:
	// an annotation.
	Secret object.Ref
	Field  string
	Mode   ClientMode
	// Depth is how many certificates may stand between a client's and an authority's.
	Depth uint32
	// ErrorPage is the URL that those are sent to who lack a good certificate; empty
	// answers them 400.
	ErrorPage string
	// Subject is RE2 that must be found in the subject of the certificate, if not empty.
	Subject string
	// Forward passes the certificate on to targets, besides what was found of it.
	Forward bool
	// Wrong is why this cannot be done: the host is closed to TLS.
	Wrong error
}

// ClientMode is what a client must present.
type ClientMode uint8

// The modes.
const (
	Required   ClientMode = iota // a certificate of one of the authorities
	Optional                     // such a one, or none
	Unverified                   // any or none; targets are told
)

// Authorities are what a Secret has to check client certificates by, PEM in canonical
// form. Revoked may be empty.
type Authorities struct{ Certificates, Revoked []byte }

// ClientsOf is what the oldest owner of a host says that says anything of client
// certificates. It holds for the whole host: nobody else's paths are open beside.
func ClientsOf(host string, of Tenure) (*Clients, *Fragment) {
	for _, f := range of.Served {
		if !of.Owns(f) || f.Host(host) == nil {
			continue
		}
		if c := f.Host(host).Server.Clients; c != nil {
			return c, f
		}
	}
	return nil, nil
}

// Through is who gets the connections with TLS to a host as they are, for the oldest owner
// that says so; nil if TLS ends here. Nothing that is said of requests holds for them.
func Through(host string, of Tenure) *Backend {
	if host == Any {
		return nil
	}
	for _, f := range of.Served {
		if !of.Owns(f) || f.Host(host) == nil {
			continue
		}
		if b := f.Host(host).Server.Through; b != nil {
			return b
		}
	}
	return nil
}

// CiphersOf are the ciphers of the oldest owner of a host that names any.
func CiphersOf(host string, of Tenure) string {
	for _, f := range of.Served {
		if !of.Owns(f) || f.Host(host) == nil {
			continue
		}
		if c := f.Host(host).Server.Ciphers; c != "" {
			return c
		}
	}
	return ""
}

// Checked is how a host checks client certificates.
type Checked struct {
	Clients
	// Chain is the filter chain of the host; requests by another one have shown their
	// certificate to somebody else. Empty: the host has none of its own, so that nobody can
	// be asked.
	Chain string
	// Closed: nobody can be checked, so nobody comes in by TLS.
	Closed bool
}

// clients decides how the host checks client certificates, and tells the owner who asks for
// it why it cannot.
func (m *merger) clients(of Tenure, secrets func(object.Ref) *Credential) {
	c, f := ClientsOf(m.host.Host, of)
	if c == nil {
		return
	}
	checked := &Checked{Clients: *c}
	err := c.Wrong
	if err == nil && secrets != nil {
		err = secrets(c.Secret).NoAuthorities()
	}
	checked.Chain = m.chain
	if _, _, has := m.class.Certificate(m.host.Host, of); err == nil && !has {
		err = errors.New("the host has no TLS section of its own, so that nobody is asked")
	}
	if err != nil {
		checked.Closed = true
		m.found = append(m.found, finding.ClientsClosed.At(f.At(c.Field), c.Secret.KeyOrNone(), err))
	}
	m.host.Clients = checked
}

// closedByTLS puts first that nobody comes in by TLS, if the owner asks for client certificates
// and no chain is there that could: at what no host takes, below the wildcard of somebody else.
func (m *merger) closedByTLS(of Tenure) {
	c, f := ClientsOf(m.host.Host, of)
	if c == nil {
		return
	}
	byTLS := Match{Path: "/", Headers: []ValueMatch{{Name: "x-forwarded-proto", Value: "http", Not: true}}}
	owner := f.Origin.Object
	closed := Route{Name: owner.Key() + " closed by TLS", Match: byTLS, Planned: Planned{Action: Action{Status: http.StatusServiceUnavailable}, Owner: owner.Key(), From: owner}}
	m.host.Routes = append([]Route{closed}, m.host.Routes...)
}

// nameless refuses what comes by plain http to a host that lets clients in by the subject of
// their certificates: they have none, and ingress-nginx compares it all the same.
func (m *merger) nameless(of Tenure) {
	c, f := ClientsOf(m.host.Host, of)
	if c == nil || c.Subject == "" {
		return
	}
	ref, settings := f.Origin.Object, *cmp.Or(m.class.openOf(&m.class.Settings.Route), &m.class.Settings.Route)
	settings.RequestBody = 0
	m.first = append(m.first, Route{Name: ref.Key() + " plain http", Match: Match{Path: "/"}, Plain: true, Challenges: true,
		Planned: Planned{Action: Action{Status: http.StatusForbidden}, Settings: &settings, Owner: ref.Key(), From: ref}})
}
