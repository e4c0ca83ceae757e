//go:build real

package faults

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
	"legation.dev/test/load"
)

const (
	// hang bounds one wait for what never comes; a test that passes never gets near
	// it.
	hang = 2 * time.Minute
	// grace is how long a pod that is deleted serves on: longer than any outage here.
	grace = time.Minute
	// writers is how many objects are written at once where many are.
	writers = 16
)

// k is the Kubernetes of all tests of this package.
var k *kube.Cluster

func TestMain(m *testing.M) { kube.MainWithCluster(m, &k, kube.Options{}) }

// Deployments of a suite, each with a Service of the same name and two pods.
const (
	steady = "steady" // is never rolled, so that WebSockets last
	rolled = "rolled"
)

// Paths of each host.
const (
	pathSteady = "/"
	pathRolled = "/rolled"
	pathMoved  = "/moved" // leads to the one or the other
)

// suite is a Stack with hosts in a namespace of its own. It belongs to the test's
// goroutine.
type suite struct {
	*incluster.Stack
	t         *testing.T
	ctx       context.Context
	namespace string
	backends  *fixture.Namespace // makes Ingresses and Secrets; the pods are of k
	authority *fixture.Authority
	timeline  *load.Timeline
	grace     time.Duration // of pods
	hosts     []*host       // the first half plain, the others TLS
	paths     []string      // that clients ask for; a WebSocket is opened at the first
}

// host is a host under load.
type host struct {
	name   string // also of its Ingress
	secret string // empty: not TLS
	moved  string // where pathMoved leads to
	// certificate is the first one, if it is TLS.
	certificate *corev1.Secret
}

// newSuite is a suite of so many hosts that every Envoy serves, and of pods that
// serve on so long when they are deleted.
func newSuite(t *testing.T, hosts int, grace time.Duration, o incluster.Options) *suite {
	t.Helper()
	w := &suite{t: t, ctx: t.Context(), timeline: &load.Timeline{}, namespace: k.Namespace(t), grace: grace,
		paths: []string{pathSteady, pathRolled, pathMoved}}
	w.backends = fixture.New(w.namespace, 0)
	var err error
	if w.authority, err = fixture.NewAuthority(); err != nil {
		t.Fatal(err)
	}
	w.deploy(steady, rolled)
	w.hosts = w.addHosts("h", hosts/2, hosts-hosts/2)
	w.start(o)
	return w
}

// addHosts writes so many hosts, plain ones and then TLS ones, and says what they
// must answer.
func (w *suite) addHosts(prefix string, plain, secure int) (all []*host) {
	w.t.Helper()
	var objects []kube.Object
	for i := range plain + secure {
		h := &host{name: fmt.Sprintf("%s%d.test", prefix, i), moved: steady}
		if i >= plain {
			h.secret = h.name
			h.certificate = w.certificate(h)
			objects = append(objects, h.certificate)
		}
		objects = append(objects, w.ingress(h))
		w.only(h, pathSteady, steady)
		w.only(h, pathRolled, rolled)
		w.only(h, pathMoved, steady)
		all = append(all, h)
	}
	w.applyAll(objects)
	return all
}

// start starts the Stack, which ends with the test.
func (w *suite) start(o incluster.Options) {
	w.t.Helper()
	ctx := w.limited()
	var err error
	if w.Stack, err = incluster.Start(ctx, k, o); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := w.Close(); err != nil {
			w.t.Error(err)
		}
	})
}

// deploy makes Deployments of two pods and their Services, and waits for them.
func (w *suite) deploy(names ...string) {
	w.t.Helper()
	var all []*appsv1.Deployment
	for _, name := range names {
		deployment, service := kube.Web(w.namespace, name, 2, w.grace)
		w.apply(deployment, service)
		all = append(all, deployment)
	}
	if err := k.AwaitServed(w.limited(), all...); err != nil {
		w.t.Fatal(err)
	}
}

// ingress is that of a host as it is now.
func (w *suite) ingress(h *host) *networkingv1.Ingress {
	return w.backends.Ingress(h.name, h.name, h.secret, fixture.Route{Path: pathSteady, Service: steady},
		fixture.Route{Path: pathRolled, Service: rolled}, fixture.Route{Path: pathMoved, Service: h.moved})
}

// certificate is a new one for a host.
func (w *suite) certificate(h *host) *corev1.Secret {
	w.t.Helper()
	secret, err := w.backends.Secret(w.authority, h.secret, h.name)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// only allows one Service as the answer to a path.
func (w *suite) only(h *host, path, service string) { w.timeline.Only(h.name, path, answerOf(service)) }

func answerOf(service string) load.Answer {
	return load.Answer{Status: http.StatusOK, Service: service}
}

func (w *suite) apply(objects ...kube.Object) {
	w.t.Helper()
	if err := k.Apply(w.limited(), objects...); err != nil {
		w.t.Fatal(err)
	}
}

// applyAll writes many objects, in no order.
func (w *suite) applyAll(objects []kube.Object) {
	w.t.Helper()
	w.all(objects, k.Apply)
}

// deleteAll deletes many objects, in no order.
func (w *suite) deleteAll(objects []kube.Object) {
	w.t.Helper()
	w.all(objects, k.Delete)
}

func (w *suite) all(objects []kube.Object, write func(context.Context, ...kube.Object) error) {
	w.t.Helper()
	var group errgroup.Group
	group.SetLimit(writers)
	ctx := w.limited()
	for _, o := range objects {
		group.Go(func() error { return write(ctx, o) })
	}
	if err := group.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// limited bounds one wait.
func (w *suite) limited() context.Context {
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	w.t.Cleanup(cancel)
	return ctx
}

// settle waits until every Envoy runs the translation of what the API server
// holds.
func (w *suite) settle() {
	w.t.Helper()
	if err := w.Settle(w.limited()); err != nil {
		w.t.Fatal(err)
	}
}

// await looks until there is no error.
func (w *suite) await(look func() error) {
	w.t.Helper()
	if err := inprocess.Await(w.limited(), look); err != nil {
		w.t.Fatal(err)
	}
}

// clients are so many of each kind for every Envoy.
func (w *suite) clients(every time.Duration, http1, http2, webSockets int) (all []load.Client) {
	for _, e := range w.Envoys {
		all = append(all, w.clientsOf(e, w.hosts, every, http1, http2, webSockets)...)
	}
	return all
}

// clientsOf are so many of each kind for one Envoy, half of them over TLS.
func (w *suite) clientsOf(e *incluster.Envoy, hosts []*host, every time.Duration, http1, http2, webSockets int) (all []load.Client) {
	for kind, n := range []int{load.HTTP1: http1, load.HTTP2: http2, load.WebSocket: webSockets} {
		for i := range n {
			c := load.Client{Name: fmt.Sprint(e.ID, "-", i), Kind: load.Kind(kind), Every: every, Oracle: w.timeline}
			w.aim(&c, e, hosts, i)
			all = append(all, c)
		}
	}
	return all
}

// aim says what client number i asks for: every other one over TLS, to one host;
// the others all hosts that are plain.
func (w *suite) aim(c *load.Client, e *incluster.Envoy, hosts []*host, i int) {
	first := slices.IndexFunc(hosts, func(h *host) bool { return h.secret != "" })
	some, secure := hosts[:first], hosts[first:]
	c.Address = e.HTTP
	if first == 0 || i%2 == 1 {
		some = secure[i%len(secure):][:1]
		c.Address, c.TLS = e.HTTPS, &tls.Config{RootCAs: w.authority.Roots(), ServerName: some[0].name}
	}
	paths := w.paths
	if c.Kind == load.WebSocket {
		paths = paths[:1]
	}
	rng := rand.New(rand.NewPCG(uint64(i), uint64(c.Kind)))
	c.Next = func() (string, string) { return some[rng.IntN(len(some))].name, paths[rng.IntN(len(paths))] }
}

// load starts the clients and waits until each had an answer. What it returns
// ends them and fails the test if one was disturbed.
func (w *suite) load(clients ...load.Client) (running *load.Load, end func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	w.t.Cleanup(cancel)
	l := load.Start(ctx, clients...)
	select {
	case <-l.Ready():
	case <-w.limited().Done():
		w.t.Fatalf("clients are not served: %s", l.Results())
	}
	return l, func() {
		w.t.Helper()
		cancel()
		r := l.Wait()
		w.t.Log(r)
		if err := r.Disturbed(); err != nil {
			w.t.Error(err)
		}
	}
}

// more waits until so many further requests were answered.
func (w *suite) more(l *load.Load, requests uint64) {
	w.t.Helper()
	until := l.Results().Requests + requests
	if err := l.Await(w.limited(), func(r load.Results) bool { return r.Requests >= until }); err != nil {
		w.t.Fatal(err)
	}
}
