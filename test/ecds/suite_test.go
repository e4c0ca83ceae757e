//go:build real

package ecds

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"legation.dev/test/envoy"
	"legation.dev/test/fixture"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/bootstrap"
)

const (
	namespace = "shop"
	class     = "ecds"
	// hang bounds a test that waits for something that never comes. It is no
	// assertion: a test that passes never gets near it.
	hang = time.Minute
	// drainTime is that of Envoy: several changes of a walk fall into it.
	drainTime = 5 * time.Second
)

// Hosts that exist throughout. Each has two Services, and either may answer.
var (
	plain  = []string{"p0.test", "p1.test", "p2.test"}
	steady = []string{"s0.test", "s1.test", "s2.test"} // TLS; nothing closes their connections
	moved  = []string{"m0.test", "m1.test", "m2.test"} // TLS; their chains change
)

// worlds counts the worlds of this process, for their addresses.
var worlds atomic.Int64

// suite is what Envoy is to serve. It belongs to the test's goroutine.
type suite struct {
	t         *testing.T
	ctx       context.Context
	rng       *rand.Rand
	backends  *fixture.Namespace
	authority *fixture.Authority
	server    *server
	envoy     *envoy.Envoy

	HTTP, HTTPS string // addresses of Envoy's listeners
	settings    map[string]string
	extras      extras
	view        input.View
	result      translator.Result
	table       table
	comers      map[string]bool // TLS hosts that come and go: those that are there
	first       map[string]bool // hosts whose first Service answers
}

var further = flag.Int("hosts", 0, "how many TLS hosts there are besides those that clients ask")

// newSuite is a suite whose server runs; Envoy does not yet.
func newSuite(t *testing.T, seed uint64) *suite {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	pid, n := os.Getpid(), worlds.Add(1)
	address := fmt.Sprintf("127.%d.%d.%d", 192+pid/254/254%60, pid/254%254+1, pid%254+1)
	port, portTLS := fmt.Sprint(20000+2*n), fmt.Sprint(20001+2*n)
	w := &suite{t: t, ctx: ctx, rng: rand.New(rand.NewPCG(seed, 0)), backends: fixture.New(namespace, 11_000_000+pid%700*2000+int(n)*100),
		HTTP: net.JoinHostPort(address, port), HTTPS: net.JoinHostPort(address, portTLS),
		settings: map[string]string{"bind-addresses": address, "http-port": port, "https-port": portTLS, "access-log": "off"},
		extras:   extras{marks: map[string]int{}, manager: map[string]tweak{}},
		comers:   map[string]bool{}, first: map[string]bool{}}
	t.Cleanup(w.backends.Close)
	var err error
	if w.authority, err = fixture.NewAuthority(); err != nil {
		t.Fatal(err)
	}
	if w.server, err = newServer(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.grpc.Stop)
	w.found()
	w.push(true)
	return w
}

// found makes the Services and the hosts that exist throughout.
func (w *suite) found() {
	w.set()
	var all []fixture.Route // names every cluster, so that none is new to a route
	for _, host := range slices.Concat(plain, steady, moved) {
		for _, service := range servicesOf(host) {
			objects, err := w.backends.Service(service, 1)
			if err != nil {
				w.t.Fatal(err)
			}
			w.apply(objects...)
			all = append(all, fixture.Route{Path: "/" + service, Service: service})
		}
	}
	w.apply(w.backends.Ingress("all", "all.test", "", all...))
	for _, host := range plain {
		w.route(host)
	}
	for _, host := range slices.Concat(steady, moved) {
		w.certify(host)
		w.route(host)
	}
	for i := range *further {
		host := fmt.Sprintf("further%d.test", i)
		w.certify(host)
		w.apply(w.backends.Ingress(host, host, host, fixture.Route{Path: "/", Service: servicesOf(moved[0])[0]}))
	}
}

func servicesOf(host string) []string { return []string{host[:2] + "a", host[:2] + "b"} }

// set applies the settings of the class.
func (w *suite) set() { w.apply(fixture.Class(class, namespace, w.settings)...) }

// certify makes a new certificate for a host.
func (w *suite) certify(host string) {
	secret, err := w.backends.Secret(w.authority, host, host)
	if err != nil {
		w.t.Fatal(err)
	}
	w.apply(secret)
}

// route leads a host to the other one of its Services.
func (w *suite) route(host string) {
	w.first[host] = !w.first[host]
	services := servicesOf(host)
	if !w.first[host] {
		slices.Reverse(services)
	}
	secret := host
	if slices.Contains(plain, host) {
		secret = ""
	}
	w.apply(w.backends.Ingress(host, host, secret, fixture.Route{Path: "/", Service: services[0]}))
}

func (w *suite) apply(objects ...fixture.Object) {
	for _, o := range objects {
		read, _ := input.FromObject(o)
		w.view = w.view.With(lower.Put(read))
	}
}

func (w *suite) remove(objects ...fixture.Object) {
	for _, o := range objects {
		read, _ := input.FromObject(o)
		w.view = w.view.With(input.Delete(read.Ref()))
	}
}

// push hands all of it to the server. patient makes listeners wait for managers.
func (w *suite) push(patient bool) {
	w.t.Helper()
	w.result = translator.Translate(w.result, w.view)
	if problems := w.result.Problems(time.Now()); len(problems) > 0 {
		w.t.Fatal(problems)
	}
	fleet, ok := w.result.Fleet(class)
	if !ok {
		w.t.Fatal("there is no fleet")
	}
	w.table = encode(w.table, fleet.Snapshot, w.extras)
	w.server.push(w.table.clone(), patient)
}

// clone is a copy that the server may change.
func (t table) clone() table {
	next := t.unnamed()
	for k := range numKinds {
		for name, r := range t[k] {
			next[k][name] = r
		}
	}
	return next
}

// start starts Envoy.
func (w *suite) start() {
	w.t.Helper()
	own, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := bootstrap.New(bootstrap.Config{NodeID: "one", Class: class, XDSAddress: w.server.address,
		Admin: "unix:" + envoy.AdminPath, Certificate: own})
	if err != nil {
		w.t.Fatal(err)
	}
	redialSoon(b)
	text, err := bootstrap.Render(b, bootstrap.YAML)
	if err != nil {
		w.t.Fatal(err)
	}
	w.envoy, err = envoy.Start(w.ctx, envoy.Options{Bootstrap: text,
		Args: []string{"--concurrency", "2", "--drain-time-s", fmt.Sprint(drainTime.Seconds())}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := w.envoy.Stop(); err != nil {
			w.t.Error(err)
		}
	})
}

// redialSoon makes Envoy dial again soon when its stream was cut.
func redialSoon(b *bootstrapv3.Bootstrap) {
	backOff := b.DynamicResources.AdsConfig.GrpcServices[0].GetEnvoyGrpc().RetryPolicy.RetryBackOff
	backOff.BaseInterval, backOff.MaxInterval = durationpb.New(50*time.Millisecond), durationpb.New(500*time.Millisecond)
}

// settle waits until Envoy has acknowledged everything.
func (w *suite) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	go func() { // an Envoy that ended will not settle
		select {
		case <-w.envoy.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := w.server.settle(ctx); err != nil {
		w.t.Fatal(errors.Join(err, w.envoy.Err()))
	}
}

// config is that of a client of a TLS host.
func (w *suite) config(host string) *tls.Config {
	return &tls.Config{RootCAs: w.authority.Roots(), ServerName: host}
}
