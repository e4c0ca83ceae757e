//go:build real

package churn

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/translator"
	"legation.dev/xds/snapshot"
)

// rotations is how many times TestTickets lets a period of session ticket keys end.
const rotations = 3

// TestTickets: session ticket keys rotate under load, at two Envoys of two replicas, one
// after the other. No handshake fails and no listener changes. A ticket resumes at both
// Envoys as long as its key, or the one after it, is the newest.
func TestTickets(t *testing.T) {
	one, other := newReplicas(t)
	still, end := one.load(append(one.clients(50*time.Millisecond, 10, 10, 10), other.of(one, one.clients(50*time.Millisecond, 10, 10, 10))...)...)
	passing := one.newPassing(other)
	before := []map[string]uint64{one.listenerChanges(), other.listenerChanges()}
	var older []ticket
	for range rotations {
		old := one.tickets()
		one.rotate()
		one.resumes(older, false, "its key was the newest two periods ago", one) // so workers have followed
		one.resumes(old, true, "its key was the newest until now", one, other)
		one.resumes(one.tickets(), true, "its key is the next one at the other Envoy", one, other)
		other.rotate()
		one.resumes(older, false, "its key was the newest two periods ago", other)
		one.resumes(old, true, "its key was the newest until now", one, other)
		older = old
		one.more(still, 200)
	}
	last := one.tickets()
	seed := one.seed()
	for _, w := range []*replica{one, other} {
		w.Apply(seed)
		w.settle()
	}
	one.resumes(last, false, "its key was made of another Secret", one, other)
	one.more(still, 200)
	end()
	passing.judge(t)
	for i, w := range []*replica{one, other} {
		if after := w.listenerChanges(); !maps.Equal(before[i], after) {
			t.Errorf("listeners changed: %v, then %v", before[i], after)
		}
		w.noneRejected()
		w.noTimeouts()
	}
}

// replica is a control plane with its own clock, and an Envoy.
type replica struct {
	*suite
	ahead atomic.Int64 // how far its clock is, a time.Duration
}

func (r *replica) now() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

// newReplicas are two that serve the same.
func newReplicas(t *testing.T) (one, other *replica) {
	one, other = &replica{}, &replica{}
	settings := map[string]string{"session-ticket-secret": namespace + "/seed"}
	one.suite = newSuite(t, 4, inprocess.Options{Log: warnings(t), Settings: settings, Now: one.now}, func(w *suite) []fixture.Object {
		one.suite = w
		return []fixture.Object{one.seed()}
	})
	stack, err := inprocess.Start(one.ctx, inprocess.Options{Log: warnings(t), Settings: settings, Now: other.now}, one.first...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	other.suite = &suite{Stack: stack, t: t, ctx: one.ctx}
	return one, other
}

// seed is a new one of the keys.
func (r *replica) seed() fixture.Object {
	secret, err := r.backends.Secret(r.authority, "seed", "seed.test")
	if err != nil {
		r.t.Fatal(err)
	}
	return secret
}

// of makes clients of another replica those of this one.
func (r *replica) of(other *replica, clients []load.Client) []load.Client {
	for i := range clients {
		clients[i].Address = map[string]string{other.HTTP: r.HTTP, other.HTTPS: r.HTTPS}[clients[i].Address]
	}
	return clients
}

// rotate ends a period, and waits until Envoy has the keys of the next one.
func (r *replica) rotate() {
	r.t.Helper()
	before, _ := r.Published()
	r.ahead.Add(int64(translator.TicketPeriod))
	r.Settings(nil) // nothing changes; the clock is looked at
	r.settle()
	after, _ := r.Published()
	if before.Of(snapshot.Secret).Digest() == after.Of(snapshot.Secret).Digest() {
		r.t.Error("no keys were rotated")
	}
}

// ticket is what a client keeps to resume a session.
type ticket struct {
	version uint16
	state   *tls.ClientSessionState
}

// Get and Put make it a tls.ClientSessionCache.
func (k *ticket) Get(string) (*tls.ClientSessionState, bool) { return k.state, k.state != nil }
func (k *ticket) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		k.state = state
	}
}

// tickets are what clients of each version of TLS are given now.
func (r *replica) tickets() (list []ticket) {
	r.t.Helper()
	for _, version := range versions {
		k := ticket{version: version}
		if resumed := r.handshake(r, &k); resumed || k.state == nil {
			r.t.Errorf("%s: resumed a session: %t; got a ticket: %t", tls.VersionName(version), resumed, k.state != nil)
		}
		list = append(list, k)
	}
	return list
}

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// resumes fails the test unless the tickets resume a session at these Envoys, or do not.
func (r *replica) resumes(list []ticket, want bool, why string, at ...*replica) {
	r.t.Helper()
	for _, k := range list {
		for i, to := range at {
			used := k // what it is given there is not kept
			r.await(func() error {
				if got := r.handshake(to, &used); got != want { // its workers follow
					used = k
					return fmt.Errorf("%s, Envoy %d: a ticket resumes: %t, but %s", tls.VersionName(k.version), i, got, why)
				}
				return nil
			})
		}
	}
}

// handshake makes a request on a new connection to a replica's Envoy, with that ticket, and
// reports whether it resumed a session. The ticket is replaced by the newest.
func (r *replica) handshake(to *replica, k *ticket) (resumed bool) {
	r.t.Helper()
	host := r.hosts[len(r.hosts)-1].name
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: r.authority.Roots(), ServerName: host, MinVersion: k.version, MaxVersion: k.version, ClientSessionCache: k}}
	conn, err := dialer.DialContext(r.ctx, "tcp", to.HTTPS)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil) // with it come tickets of TLS 1.3
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%v, %v", resp, err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		r.t.Fatal(err)
	}
	return conn.(*tls.Conn).ConnectionState().DidResume
}

// passing are clients with a handshake for each request; pairs of them, one at each Envoy,
// share their tickets.
type passing struct {
	*load.Load
	end           context.CancelFunc
	resumed, anew atomic.Uint64 // handshakes
}

func (r *replica) newPassing(other *replica) *passing {
	const pairs = 5 // for each version of TLS
	ctx, cancel := context.WithCancel(r.ctx)
	r.t.Cleanup(cancel)
	p := &passing{end: cancel}
	host := r.hosts[len(r.hosts)-1]
	var clients []load.Client
	for _, version := range versions {
		for i := range pairs {
			config := &tls.Config{RootCAs: r.authority.Roots(), ServerName: host.name, MinVersion: version, MaxVersion: version,
				ClientSessionCache: tls.NewLRUClientSessionCache(1), VerifyConnection: p.count}
			for _, to := range []*replica{r, other} {
				clients = append(clients, load.Client{Name: fmt.Sprintf("%s %d", tls.VersionName(version), i), Kind: load.HTTP1, Address: to.HTTPS, TLS: config,
					Oracle: r.timeline, Every: 100 * time.Millisecond, Once: true, Next: func() (string, string) { return host.name, "/" }})
			}
		}
	}
	p.Load = load.Start(ctx, clients...)
	return p
}

// count is a tls.Config.VerifyConnection.
func (p *passing) count(s tls.ConnectionState) error {
	if s.DidResume {
		p.resumed.Add(1)
	} else {
		p.anew.Add(1)
	}
	return nil
}

// judge ends the clients. None may have failed, and most handshakes have to be short.
func (p *passing) judge(t *testing.T) {
	t.Helper()
	p.end()
	results := p.Wait()
	resumed, anew := p.resumed.Load(), p.anew.Load()
	t.Logf("a connection for each request: %s; %d handshakes resumed a session, %d did not", results, resumed, anew)
	if results.Failed > 0 {
		t.Errorf("%d requests failed: %v", results.Failed, results.Examples)
	}
	if resumed < 2*anew {
		t.Errorf("only %d of %d handshakes resumed a session", resumed, resumed+anew)
	}
}
