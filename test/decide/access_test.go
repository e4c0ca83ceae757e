//go:build real

package decide

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"legation.dev/authz"
	"legation.dev/inspect"
	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
	"legation.dev/xds/identity"
)

// groups are settings that stand together, for who may come and how much.
func groups(service string) []map[string]string {
	const signIn = "https://login.test/start?host={host}"
	return []map[string]string{
		{"allowed-addresses": "127.0.0.2"}, {"allowed-addresses": "127.0.0.0/30"}, {"denied-addresses": "127.0.0.2/31"},
		{"allowed-addresses": "127.0.0.1,127.0.0.3", "denied-addresses": "127.0.0.3,2001:db8::/32"},
		{"auth-type": "basic", "auth-secret": "users"}, {"auth-type": "basic", "auth-secret": "names", "auth-secret-type": "auth-map"},
		{"auth-type": "basic", "auth-secret": "lost"},
		{"auth-url": service + "/check"}, {"auth-url": service + "/{host}", "auth-signin": signIn}, {"global-auth": "false"},
		{"auth-url": service, "auth-type": "basic", "auth-secret": "users"}, {"auth-url": service, "auth-type": "basic", "auth-secret": "users", "auth-signin": signIn},
		{"auth-url": service, "auth-type": "basic", "auth-secret": "users", "satisfy": "any"},
		{"auth-url": service, "auth-type": "basic", "auth-secret": "users", "auth-signin": signIn, "satisfy": "any"},
		{"satisfy": "any"}, {"satisfy": "any", "allowed-addresses": "127.0.0.2", "auth-type": "basic", "auth-secret": "users"},
		{"requests-per-minute": "1", "rate-burst": "1"}, {"requests-per-minute": "1", "rate-burst": "1", "rate-exempt-addresses": "127.0.0.2/31"}, {"requests-per-second": "100"},
		{"max-request-body": "64"}, {"max-request-body": "64"}, {"max-request-body": "1Ki"}, {"max-request-body": "off"},
		{"cors": "true"}, {"cors": "true", "cors-origins": "https://a.test,https://*.b.test"},
		{"max-pending-requests": "1"}, {"max-connections": "1", "max-pending-requests": "1"},
	}
}

// Who may come by password, and by certificate.
const (
	ann      = "ann:{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=" // open sesame
	password = "open sesame"
	wanted   = "X-Want" // the status that the service is to answer
)

// access is what decides who may come.
type access struct {
	service, socket string
	certificates    map[string]*tls.Certificate // of clients, by their names
	secrets         []input.Change
}

// newAccess starts an authorization server, and a service that it asks.
func newAccess(t *testing.T) *access {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		fmt.Sscan(r.Header.Get(wanted), &status)
		rw.WriteHeader(status)
	}))
	t.Cleanup(service.Close)
	a := &access{service: service.URL, socket: filepath.Join(t.TempDir(), "authz.sock"), certificates: map[string]*tls.Certificate{}}
	l, err := net.Listen("unix", a.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- authz.New(authz.Config{Local: true}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	authorities := append(a.client(t, "ann"), a.client(t, "bob")...)
	a.client(t, "stranger")
	for _, namespace := range []string{worlds.Namespace, worlds.OtherSpace} {
		for _, s := range []*input.Secret{
			{Meta: input.Meta{Name: "users"}, Passwords: []byte(ann)}, {Meta: input.Meta{Name: "names"}, Named: []byte(ann)},
			{Meta: input.Meta{Name: "authorities"}, Authorities: authorities}} {
			s.Namespace = namespace
			a.secrets = append(a.secrets, lower.Put(input.Seal(s)))
		}
	}
	return a
}

// client makes a certificate of a client, and returns it as its authority.
func (a *access) client(t *testing.T, name string) []byte {
	t.Helper()
	pair, err := identity.SelfSign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	a.certificates[name] = &c
	return pair.Certificate
}

// secret is what translation knows of a Secret.
func (a *access) secret(ref object.Ref) *route.Credential {
	for _, c := range a.secrets {
		if c.Ref == ref {
			return c.Object.(*input.Secret).Credential()
		}
	}
	return nil
}

// asksForCertificates has hosts of a fragment ask for client certificates, some of them.
func asksForCertificates(g *worlds.Fragments, f *route.Fragment) {
	namespace := f.Origin.Object.Namespace
	for i := range f.Hosts {
		h := &f.Hosts[i]
		if g.IntN(4) > 0 {
			continue
		}
		ref := object.Ref{Kind: object.KindSecret, Namespace: namespace, Name: one(g, "authorities", "authorities", "authorities", "lost")}
		c := &route.Clients{Secret: ref, Field: "clients " + h.Name, Mode: one(g, route.Required, route.Required, route.Optional, route.Unverified), Depth: 1}
		c.ErrorPage, c.Subject = one(g, "", "", "https://login.test/certificate"), one(g, "", "", "CN=ann")
		h.Server.Clients = c
		f.References = append(f.References, route.Reference{To: ref, Field: c.Field})
		if h.Name != route.Any && g.IntN(4) > 0 {
			h.TLS = []route.TLS{{Secret: object.Ref{Kind: object.KindSecret, Namespace: namespace, Name: "none"}, Field: "tls " + h.Name}}
		}
	}
}

func one[T any](g *worlds.Fragments, list ...T) T { return list[g.IntN(len(list))] }

// request is one of a client.
type request struct {
	route.Request
	from        netip.Addr
	body        int    // bytes
	certificate string // name of the client; empty for none
}

// asked draws who asks, and how much.
func asked(g *worlds.Fragments, r route.Request) request {
	q := request{Request: r, from: netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + g.IntN(4))}), body: one(g, 0, 0, 100, 2000), certificate: one(g, "", "ann", "ann", "bob", "stranger")}
	if g.IntN(3) > 0 {
		with := http.Request{Header: q.Headers}
		with.SetBasicAuth("ann", one(g, password, password, "guessed"))
	}
	if g.IntN(3) == 0 {
		q.Headers.Set("Origin", one(g, "https://a.test", "https://x.b.test", "https://a.test.x", "null"))
	}
	q.Headers.Set(wanted, fmt.Sprint(one(g, 200, 200, 200, 204, 401, 403, 503)))
	return q
}

// authorized reports whether the password is right, and whether the service says yes.
func (q request) authorized() (password, service bool) {
	with := http.Request{Header: q.Headers}
	_, said, _ := with.BasicAuth()
	return said == "open sesame", q.Headers.Get(wanted)[0] == '2'
}

// passes reports whether a client passes a guard; known is false if that does not follow from
// what it sends.
func (q request) passes(guard string, c *route.Checked, asked inspect.Question) (passes, known bool) {
	password, service := q.authorized()
	switch guard {
	case inspect.GuardClients:
		return c != nil && !c.Closed && q.certified(c), true
	case inspect.GuardPassword:
		passes = password
	case inspect.GuardService:
		passes = service
	case inspect.GuardEither:
		passes = password || service
	default:
		return false, false
	}
	return passes, asked.From.IsValid() // else the address may be enough
}

func (q request) certified(c *route.Checked) bool {
	good := q.certificate == "ann" || q.certificate == "bob"
	switch {
	case c.Mode == route.Required && !good, c.Mode == route.Optional && q.certificate != "" && !good:
		return false
	}
	return c.Subject == "" || q.certificate != "" && regexp.MustCompile(c.Subject).MatchString("CN="+q.certificate)
}

// refuses says which guard of an answer has refused a request; ok is false if what came
// follows neither from the guards nor from the answer.
func (q request) refuses(a inspect.Answer, c *route.Checked, asked inspect.Question, came route.Outcome) (guard string, ok bool) {
	refused := "" // by a guard whose word is known
	for _, r := range a.Refusals {
		passes, known := q.passes(r.Guard, c, asked)
		switch {
		case known && passes, refused != "" && refused != r.Guard:
			continue
		case came.Cluster == "" && came.Status == r.Status:
			return r.Guard, true
		case known:
			refused = r.Guard
		}
	}
	return "", refused == "" && a.Status == came.Status && a.Location == came.Location && a.Cluster == came.Cluster && (a.Cluster == "" || len(a.Endpoints) > 0)
}
