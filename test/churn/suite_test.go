//go:build real

package churn

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/xds/snapshot"
)

const namespace = "shop"

// hang bounds a test that waits for something that never comes. It is no
// assertion: a test that passes never gets near it.
const hang = time.Minute

// namespaces counts the namespaces of this process, for the addresses of their pods.
var namespaces atomic.Int64

// suite is a cluster with hosts under load, and Legation with an Envoy for it.
// It belongs to the test's goroutine.
type suite struct {
	*inprocess.Stack
	t         *testing.T
	ctx       context.Context
	backends  *fixture.Namespace
	authority *fixture.Authority
	timeline  *load.Timeline
	plain     load.Timeline // of clients that ask TLS hosts by http
	rng       *rand.Rand
	hosts     []*host // under load, the first half plain, the others TLS
	named     int     // how many names of Services were used
	running   *load.Load
	first     []fixture.Object // what Envoy serves in the beginning
}

// workers is how far each client was when Envoy's main thread had acknowledged
// something. Its workers are told in order, but not waited for (docs/delta.md, M21).
type workers []uint64

// acknowledged is now.
func (w *suite) acknowledged() workers {
	if w.running == nil {
		return workers{}
	}
	return w.running.Turns()
}

// followed reports whether Envoy's workers go by what was acknowledged: since then each
// client, whose connection is some worker's, was answered what it asked since.
func (w *suite) followed(then workers) bool {
	now := w.acknowledged()
	for i := range then {
		if now[i] < then[i]+2 { // one may have been under way
			return false
		}
	}
	return true
}

// host is a host under load.
type host struct {
	name        string            // also of its Ingress
	alias       string            // its host, if it was renamed
	secret      string            // empty: not TLS
	services    map[string]string // by path
	annotations map[string]string
	busy        bool // a change that concerns it is on its way to Envoy
}

// host is what clients ask for.
func (h *host) host() string { return cmp.Or(h.alias, h.name) }

// paths are those that clients ask for.
var paths = []string{"/", "/api"}

// newSuite is a suite of n hosts, and of what more adds, that Envoy serves.
func newSuite(t *testing.T, n int, o inprocess.Options, more ...func(*suite) []fixture.Object) *suite {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &suite{t: t, ctx: ctx, timeline: &load.Timeline{}, rng: rand.New(rand.NewPCG(seed(t), 0)),
		backends: fixture.New(namespace, 1_000_000+os.Getpid()%200*50_000+int(namespaces.Add(1))*10_000)}
	t.Cleanup(w.backends.Close)
	var err error
	if w.authority, err = fixture.NewAuthority(); err != nil {
		t.Fatal(err)
	}
	var objects []fixture.Object
	for i := range n {
		objects = append(objects, w.newHost(fmt.Sprintf("h%d.test", i), i >= n/2)...)
	}
	for _, f := range more {
		objects = append(objects, f(w)...)
	}
	w.first = objects
	if w.Stack, err = inprocess.Start(ctx, o, objects...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// newHost is a host with a Service of its own for each path.
func (w *suite) newHost(name string, tls bool) []fixture.Object {
	h := &host{name: name, services: map[string]string{}}
	var objects []fixture.Object
	for _, path := range paths {
		h.services[path] = w.service(&objects)
		w.timeline.Only(name, path, answerOf(h.services[path]))
	}
	if tls {
		h.secret = name
		objects = append(objects, w.certificate(h))
	}
	w.hosts = append(w.hosts, h)
	return append(objects, w.ingress(h))
}

// service starts a Service with a name of its own, adds its objects and returns
// the name.
func (w *suite) service(objects *[]fixture.Object) string {
	w.named++
	name := fmt.Sprintf("s%d", w.named)
	made, err := w.backends.Service(name, 1+w.rng.IntN(2))
	if err != nil {
		w.t.Fatal(err)
	}
	*objects = append(*objects, made...)
	return name
}

// certificate is a new one for the host.
func (w *suite) certificate(h *host) *corev1.Secret {
	secret, err := w.backends.Secret(w.authority, h.secret, h.name)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// ingress is that of the host as it is now.
func (w *suite) ingress(h *host) fixture.Object {
	var routes []fixture.Route
	for _, path := range paths {
		routes = append(routes, fixture.Route{Path: path, Service: h.services[path]})
	}
	o := w.backends.Ingress(h.name, h.host(), h.secret, routes...)
	o.Annotations = h.annotations
	return o
}

func answerOf(service string) load.Answer {
	return load.Answer{Status: http.StatusOK, Service: service}
}

// clients are so many of each kind, half of them over TLS.
func (w *suite) clients(every time.Duration, http1, http2, webSockets int) (all []load.Client) {
	roots := w.authority.Roots()
	for kind, n := range map[load.Kind]int{load.HTTP1: http1, load.HTTP2: http2, load.WebSocket: webSockets} {
		for i := range n {
			all = append(all, w.client(kind, i, every, roots))
		}
	}
	return all
}

// client number i of a kind. Over TLS it speaks to one host, else to all.
func (w *suite) client(kind load.Kind, i int, every time.Duration, roots *x509.CertPool) load.Client {
	half := len(w.hosts) / 2
	c := load.Client{Name: fmt.Sprint(i), Kind: kind, Address: w.HTTP, Oracle: w.timeline, Every: every}
	some := w.hosts[:half]
	if i%2 == 1 {
		h := w.hosts[half+i/2%(len(w.hosts)-half)]
		some = []*host{h}
		c.Address, c.TLS = w.HTTPS, &tls.Config{RootCAs: roots, ServerName: h.name}
	}
	rng := rand.New(rand.NewPCG(uint64(i), uint64(kind)))
	c.Next = func() (string, string) { return some[rng.IntN(len(some))].name, paths[rng.IntN(len(paths))] }
	return c
}

// load starts the clients and waits until each had an answer. What it returns
// ends them and fails the test if one was disturbed.
func (w *suite) load(clients ...load.Client) (running *load.Load, end func() load.Results) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	l := load.Start(ctx, clients...)
	w.running = l
	w.t.Cleanup(cancel)
	select {
	case <-l.Ready():
	case <-time.After(hang):
		w.t.Fatalf("clients are not served: %s", l.Results())
	}
	return l, func() load.Results {
		w.t.Helper()
		cancel()
		r := l.Wait()
		w.t.Log(r)
		if err := r.Disturbed(); err != nil {
			w.t.Error(err)
		}
		return r
	}
}

// more waits until so many further requests were answered.
func (w *suite) more(l *load.Load, requests uint64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	until := l.Results().Requests + requests
	if err := l.Await(ctx, func(r load.Results) bool { return r.Requests >= until }); err != nil {
		w.t.Fatal(err)
	}
}

// await looks until there is no error.
func (w *suite) await(look func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	if err := w.Await(ctx, look); err != nil {
		w.t.Fatal(err)
	}
}

// settle waits until Envoy runs everything.
func (w *suite) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	if err := w.Settle(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// vh and cluster name what the Envoy gets of a host and a Service.
func vh(host string) snapshot.Ref {
	return snapshot.Ref{Type: snapshot.VirtualHost, Name: "ingress/" + host}
}

func cluster(service string) string { return namespace + "/" + service + "/" + fixture.PortName }

// listenersInPlace fails the test if a listener was changed in another way than
// in place, which would have drained everybody.
func (w *suite) listenersInPlace() {
	w.t.Helper()
	stats := w.listenerChanges()
	w.t.Log(stats)
	if stats["listener_manager.listener_modified"] != stats["listener_manager.listener_in_place_updated"] {
		w.t.Error("a listener was not changed in place")
	}
}

// listenerChanges is how often listeners were changed, by the way.
func (w *suite) listenerChanges() map[string]uint64 {
	w.t.Helper()
	stats, err := w.Envoy.Stats(w.ctx, `^listener_manager\.listener_(modified|in_place_updated|added|removed)$`)
	if err != nil {
		w.t.Fatal(err)
	}
	return stats
}

// noneRejected fails the test if Envoy rejected anything.
func (w *suite) noneRejected() {
	w.t.Helper()
	s := w.Server()
	w.t.Logf("%d streams, %+v; update to ACK p50 %s, p99 %s, max %s", s.StreamsOpened, s.Total(),
		s.UpdateToACK.Quantile(0.5), s.UpdateToACK.Quantile(0.99), s.UpdateToACK.Max)
	if n := s.Total().NACKs; n > 0 {
		w.t.Errorf("Envoy rejected %d responses", n)
	}
}
