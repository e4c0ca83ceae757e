//go:build real

package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/test/echo"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/translator/input"
	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// asking is a server that asks for certificates.
type asking struct {
	*httptest.Server
	certificate []byte

	mu             sync.Mutex
	shown          map[string]int // guarded by mu: handshakes, by the name in the certificate that was shown
	opened, closed int            // guarded by mu: connections
}

func (w *suite) asking(service string) *asking {
	w.t.Helper()
	s := &asking{shown: map[string]int{}}
	var key []byte
	s.certificate, key = certificate(w.t, "inner.test")
	pair, err := tls.X509KeyPair(s.certificate, key)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set(echo.HeaderService, service)
		if r.URL.Path == "/close" {
			rw.Header().Set("Connection", "close")
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert, VerifyConnection: func(c tls.ConnectionState) error {
		s.count(func() { s.shown[c.PeerCertificates[0].Subject.CommonName]++ })
		return nil
	}}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.count(func() { s.opened++ })
		case http.StateClosed:
			s.count(func() { s.closed++ })
		}
	}
	s.StartTLS()
	w.t.Cleanup(s.Close)
	return s
}

func (s *asking) count(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// handshakes are those in which a certificate was shown.
func (s *asking) handshakes(name string) (n int) {
	s.count(func() { n = s.shown[name] })
	return n
}

// ended is how many connections have ended.
func (s *asking) ended() (n int) {
	s.count(func() { n = s.closed })
	return n
}

// certificate is one of its own making.
func certificate(t *testing.T, name string) (chain, key []byte) {
	t.Helper()
	p, err := identity.SelfSign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return p.Certificate, p.Key
}

// trust is a Secret with a certificate of a name.
func trust(t *testing.T, name string, authorities []byte) *input.Secret {
	t.Helper()
	chain, key := certificate(t, name)
	return &input.Secret{Meta: meta("trust", nil), Certificate: chain, Key: key, Authorities: authorities}
}

// TestRenewedSecret: another certificate to show to endpoints is one secret: no cluster is
// sent, no connection ends, no request fails, and the next handshake shows it. Another
// authority is another cluster: connections are made anew, and no request fails. An Envoy that
// returns is sent nothing, and without the Secret no endpoint is asked.
func TestRenewedSecret(t *testing.T) {
	w := newSuite(t, inprocess.Options{})
	server := w.asking("inner")
	other, _ := certificate(t, "other.test")
	w.put(service("inner", nil), endpoint("inner", 0, server.Listener.Addr().String(), ready), input.Seal(trust(t, "first", server.certificate)),
		ingress("inner.test", "inner", map[string]string{"upstream-protocol": "https", "upstream-tls-secret": "trust", "upstream-tls-verify": "true", "upstream-tls-name": "inner.test", "upstream-idle-timeout": "1m"}))
	w.settle()
	const clients = 12
	running, end := w.host("inner.test", "inner", clients)
	w.more(running, 20*clients)
	for _, step := range []renewal{
		{"second", server.certificate, 0, true},
		{"third", slices.Concat(server.certificate, other), 1, false},
	} {
		w.renewed(server, step, func() { w.more(running, 20*clients) })
	}
	end()

	if err := errors.Join(w.Down(), w.Up()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if sent := w.sent(); sent != [snapshot.NumTypes]uint64{} {
		t.Errorf("an Envoy that returns was sent %v", sent)
	}
	w.Change(input.Change{Ref: trust(t, "gone", nil).Ref(), Deleted: true})
	w.settle()
	w.status("inner.test", "/", 503)
	w.put(input.Seal(trust(t, "back", server.certificate)))
	w.settle()
	w.status("inner.test", "/", 200)
	if server.handshakes("back") == 0 {
		t.Error("no handshake shows the certificate that came back")
	}
}

// TestRejectedSecret: Envoy rejects a certificate that is to be shown to endpoints. The last
// good one is shown on, the cluster can be changed, and no request fails; also where another
// process has sent it, and the last good one is known to nobody but Envoy: then the cluster
// changes with the next certificate.
func TestRejectedSecret(t *testing.T) {
	var poisoned atomic.Bool
	w := newSuite(t, inprocess.Options{Poison: func(s snapshot.Snapshot) snapshot.Snapshot {
		if poisoned.Load() {
			return withoutKeys(s)
		}
		return s
	}})
	server := w.asking("inner")
	connect := func(timeout string) input.Object {
		return service("inner", map[string]string{"upstream-connect-timeout": timeout})
	}
	w.put(connect("1s"), endpoint("inner", 0, server.Listener.Addr().String(), ready), input.Seal(trust(t, "first", nil)),
		ingress("inner.test", "inner", map[string]string{"upstream-protocol": "https", "upstream-tls-secret": "trust"}))
	w.settle()
	running, end := w.host("inner.test", "inner", 12)
	poisoned.Store(true)
	w.put(input.Seal(trust(t, "bad", nil)), connect("2s"))
	w.settle()
	w.rejects(1, 0)
	w.put(connect("3s"))
	w.settle()
	w.rejects(1, 0)
	w.status("inner.test", "/close", 200)
	w.more(running, 100)

	if err := errors.Join(w.Down(), w.Up()); err != nil {
		t.Fatal(err)
	}
	w.rejects(1, 0)
	w.put(connect("4s"))
	w.more(running, 100)
	w.status("inner.test", "/close", 200)
	poisoned.Store(false)
	w.renewed(server, renewal{"second", nil, 1, false}, func() { w.more(running, 100) })
	w.rejects(0, 0)
	end()
	if n := server.handshakes("bad"); n > 0 {
		t.Errorf("%d handshakes showed the certificate that Envoy rejected", n)
	}
}

// withoutKeys has another key beside each certificate that endpoints are shown.
func withoutKeys(s snapshot.Snapshot) snapshot.Snapshot {
	secrets := s.Of(snapshot.Secret)
	for name, r := range s.Of(snapshot.Secret).All() {
		m, err := r.Any().UnmarshalNew()
		if err != nil || !strings.HasPrefix(name, inprocess.Namespace+"/") {
			continue
		}
		other, err := identity.SelfSign(&x509.Certificate{NotAfter: time.Now().Add(time.Hour)})
		if err != nil {
			continue
		}
		m.(*tlsv3.Secret).GetTlsCertificate().GetPrivateKey().Specifier = &corev3.DataSource_InlineBytes{InlineBytes: other.Key}
		if bad, err := snapshot.New(r.Type, name, m, snapshot.Meta{From: r.From}); err == nil {
			secrets = secrets.Set(name, bad)
		}
	}
	return s.With(snapshot.Secret, secrets)
}

// rejects waits until Envoy has rejected so many of the secrets that it should have, and
// holds how many of the clusters.
func (w *suite) rejects(secrets, clusters int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	if err := w.Await(ctx, func() error {
		envoys := w.Envoys()
		if len(envoys) != 1 {
			return fmt.Errorf("%d Envoys", len(envoys))
		}
		types := envoys[0].Status.Types
		if got := types[snapshot.Cluster].Rejected; len(got) != clusters {
			w.t.Fatalf("Envoy rejects the clusters %v", got)
		}
		if got := types[snapshot.Secret].Rejected; len(got) != secrets {
			return fmt.Errorf("Envoy rejects the secrets %v", got)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// host asks one host, until end.
func (w *suite) host(host, service string, clients int) (running *load.Load, end func()) {
	w.t.Helper()
	var list []load.Client
	for i := range clients {
		list = append(list, load.Client{Name: fmt.Sprint(i), Kind: []load.Kind{load.HTTP1, load.HTTP2}[i%2], Address: w.HTTP, Every: 10 * time.Millisecond,
			Next: func() (string, string) { return host, "/" }, Oracle: load.Services{host: service}})
	}
	return w.load(list)
}

// renewal is a Secret that changes.
type renewal struct {
	name        string // in its certificate
	authorities []byte
	clusters    uint64 // that are sent for it
	stays       bool   // connections to endpoints do
}

// renewed puts the Secret, and holds what it changes before and after some load.
func (w *suite) renewed(server *asking, to renewal, load func()) {
	w.t.Helper()
	before, ended := w.sent(), server.ended()
	w.put(input.Seal(trust(w.t, to.name, to.authorities)))
	w.settle()
	load()
	now := w.sent()
	clusters, secrets := now[snapshot.Cluster]-before[snapshot.Cluster], now[snapshot.Secret]-before[snapshot.Secret]
	w.t.Logf("%s: %d clusters and %d secrets sent, %d connections ended", to.name, clusters, secrets, server.ended()-ended)
	if clusters != to.clusters || secrets != 1 {
		w.t.Errorf("%s: %d clusters and %d secrets were sent, want %d and 1", to.name, clusters, secrets, to.clusters)
	}
	if to.stays && server.ended() != ended {
		w.t.Errorf("%s: %d connections ended", to.name, server.ended()-ended)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	if err := w.Await(ctx, func() error { // each request ends a connection
		w.status("inner.test", "/close", 200)
		if server.handshakes(to.name) == 0 {
			return fmt.Errorf("no handshake shows the certificate %s", to.name)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}
