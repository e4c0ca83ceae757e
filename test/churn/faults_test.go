//go:build real

package churn

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"google.golang.org/protobuf/types/known/anypb"
	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/xds/snapshot"
)

// few are clients for the tests of one fault.
func (w *suite) few() []load.Client { return w.clients(25*time.Millisecond, 30, 10, 10) }

// noTimeouts fails the test if Envoy gave up waiting for a resource.
func (w *suite) noTimeouts() {
	w.t.Helper()
	stats, err := w.Envoy.Stats(w.ctx, `init_fetch_timeout$`)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, n := range stats {
		if n > 0 {
			w.t.Errorf("%s is %d", name, n)
		}
	}
}

// TestCut: the stream ends after Envoy got a changed cluster and before it got
// the endpoints that the cluster waits for.
func TestCut(t *testing.T) {
	const cuts = 5
	w := newSuite(t, 10, inprocess.Options{})
	l, end := w.load(w.few()...)
	for i := range cuts {
		service, _ := w.backends.Objects(w.hosts[i].services["/"])
		service.Annotations = map[string]string{"legation.dev/upstream-idle-timeout": "900ms"}
		cut := w.CutBetween(snapshot.Cluster, snapshot.Endpoints)
		w.Apply(service)
		<-cut
		w.settle()
		w.more(l, 200)
	}
	end()
	w.noTimeouts()
	w.noneRejected()
	if n := w.Server().StreamsOpened; n != cuts+1 {
		t.Errorf("%d streams, want one more than %d cuts", n, cuts)
	}
}

// silentResolver takes questions and never answers.
type silentResolver struct {
	conn  net.PacketConn
	asked atomic.Int64
}

func newSilentResolver(t *testing.T) *silentResolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r, done := &silentResolver{conn: conn}, make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 4096); ; r.asked.Add(1) {
			if _, _, err := conn.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return r
}

// bootstrap makes Envoy ask it.
func (r *silentResolver) bootstrap(b *bootstrapv3.Bootstrap) {
	config, err := anypb.New(&caresv3.CaresDnsResolverConfig{Resolvers: []*corev3.Address{{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Protocol: corev3.SocketAddress_UDP, Address: "127.0.0.1",
			PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(r.conn.LocalAddr().(*net.UDPAddr).Port)}}}}}})
	if err != nil {
		panic(err) // nothing in it comes from outside
	}
	b.TypedDnsResolverConfig = &corev3.TypedExtensionConfig{Name: "envoy.network.dns_resolver.cares", TypedConfig: config}
}

// dead is a host whose Service is a name that no resolver tells.
func (w *suite) dead(name string) []fixture.Object {
	service := &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: name + ".example.org",
		Ports: []corev1.ServicePort{{Name: fixture.PortName, Port: fixture.Port, Protocol: corev1.ProtocolTCP}}}}
	service.Namespace, service.Name = namespace, name
	return []fixture.Object{service, w.backends.Ingress(name, name+".test", "", fixture.Route{Path: "/", Service: name})}
}

// TestDeadResolver: a name that does not resolve delays nothing else.
func TestDeadResolver(t *testing.T) {
	resolver := newSilentResolver(t)
	w := newSuite(t, 10, inprocess.Options{Bootstrap: resolver.bootstrap, Settings: map[string]string{"external-names": "true"}})
	_, end := w.load(w.few()...)
	w.Apply(w.dead("dead1")...)
	w.settle()
	d := newDriver(w)
	for i := range 50 {
		if i == 25 {
			w.Apply(w.dead("dead2")...)
		}
		d.pending = append(d.pending, d.add(i%5 == 0))
	}
	d.finish()
	end()
	w.noTimeouts()
	w.noneRejected()
	if resolver.asked.Load() == 0 {
		t.Error("nobody asked the resolver")
	}
	stats, err := w.Envoy.Stats(w.ctx, `^cluster\.shop/dead.*\.update_(success|attempt)$`)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d probes; %d questions to the resolver; %v", d.probes, resolver.asked.Load(), stats)
	for _, name := range []string{"dead1", "dead2"} {
		if stats["cluster.shop/"+name+"/"+fixture.PortName+".update_success"] != 0 {
			t.Errorf("%s resolved", name)
		}
	}
}

// TestDeadResolverAtStart: neither does it delay Envoy's start. newSuite waits
// until Envoy serves.
func TestDeadResolverAtStart(t *testing.T) {
	resolver := newSilentResolver(t)
	w := newSuite(t, 10, inprocess.Options{Bootstrap: resolver.bootstrap, Settings: map[string]string{"external-names": "true"}}, (*suite).deadHost)
	_, end := w.load(w.few()...)
	end()
	w.noTimeouts()
	if resolver.asked.Load() == 0 {
		t.Error("nobody asked the resolver")
	}
}

func (w *suite) deadHost() []fixture.Object { return w.dead("dead") }

// TestRejectedRoute: Envoy keeps the old route of a host whose new one it
// rejected; the old route's Service is no part of the snapshot any more, but its
// pods come and go.
func TestRejectedRoute(t *testing.T) {
	var p poison
	w := newSuite(t, 10, inprocess.Options{Poison: p.spoil})
	l, end := w.load(w.few()...)
	h := w.hosts[0]
	old := h.services["/"]
	p.set(vh(h.name))
	var objects []fixture.Object
	h.services["/"] = w.service(&objects)
	w.Apply(append(objects, w.ingress(h))...)
	w.settle()
	rolls := 0
	for begin := time.Now(); time.Since(begin) < *rejected; rolls++ {
		w.rollUnwanted(old)
		w.more(l, 200)
	}
	w.onlyRejected(vh(h.name))
	p.set(snapshot.Ref{})
	w.timeline.Allow(h.name, "/", answerOf(h.services["/"]))
	w.Apply(w.ingress(h))
	w.Settings(map[string]string{"idle-timeout": "61s"}) // else nothing would be published
	w.settle()
	w.timeline.Only(h.name, "/", answerOf(h.services["/"]))
	w.more(l, 500)
	end()
	t.Logf("pods rolled %d times in %s while the route was rejected; %d NACKs", rolls, *rejected, w.Server().Total().NACKs)
}

// rollUnwanted replaces the pods of a Service whose cluster only Envoy has.
func (w *suite) rollUnwanted(service string) {
	w.t.Helper()
	slice, err := w.backends.Roll(service)
	if err != nil {
		w.t.Fatal(err)
	}
	w.newEndpoints(service, slice)
	slice, kill := w.backends.Reap(service)
	w.newEndpoints(service, slice)
	kill()
}

// newEndpoints applies a slice and waits until Envoy has other endpoints.
func (w *suite) newEndpoints(service string, slice fixture.Object) {
	w.t.Helper()
	version := func() string {
		r, ok := w.Envoys()[0].Status.Types[snapshot.Endpoints].Have.Get(cluster(service))
		if !ok {
			return ""
		}
		return r.Version
	}
	before := version()
	w.Apply(slice)
	w.await(func() error {
		if version() == before {
			return fmt.Errorf("the endpoints of %s are still of version %s", service, before)
		}
		return nil
	})
}

// TestRedirect: TLS hosts are redirected and not, under load from both sides;
// a host gets a TLS section and loses it, and whoever is redirected is served.
func TestRedirect(t *testing.T) {
	const times = 20
	w := newSuite(t, 10, inprocess.Options{})
	on, off := load.Answer{Status: http.StatusPermanentRedirect}, answerOf
	clients := w.few()
	for _, h := range w.hosts[5:] {
		for _, path := range paths {
			w.plain.Only(h.name, path, on)
			clients = append(clients, load.Client{Name: h.name + path, Kind: load.HTTP1, Address: w.HTTP, Oracle: &w.plain,
				Every: 10 * time.Millisecond, Next: func() (string, string) { return h.name, path }})
		}
	}
	l, end := w.load(clients...)
	for i := range times {
		h := w.hosts[5+i/2%5]
		h.annotations = map[string]string{"legation.dev/ssl-redirect": fmt.Sprint(i%2 == 1)}
		want := func(path string) load.Answer {
			if i%2 == 1 {
				return on
			}
			return off(h.services[path])
		}
		for _, path := range paths {
			w.plain.Allow(h.name, path, want(path))
		}
		w.Apply(w.ingress(h))
		w.settle()
		for _, path := range paths {
			w.plain.Only(h.name, path, want(path))
		}
		w.more(l, 100)
	}
	w.tlsOnAndOff(l, times)
	end()
	w.noneRejected()
	w.listenersInPlace()
}

// tlsOnAndOff gives a plain host a TLS section and takes it away. As soon as
// anybody is redirected, https must serve.
func (w *suite) tlsOnAndOff(l *load.Load, times int) {
	w.t.Helper()
	d := newDriver(w)
	h := &host{name: "onoff.test", services: map[string]string{}}
	var objects []fixture.Object
	for _, path := range paths {
		h.services[path] = w.service(&objects)
	}
	w.Apply(append(objects, w.ingress(h))...)
	w.settle()
	for range times {
		h.secret = h.name
		w.Apply(w.certificate(h), w.ingress(h))
		d.probe(h.name, "/", load.Answer{Status: http.StatusPermanentRedirect})
		if err := ask(w.ctx, d.https(h.name), "https", h.name, "/", answerOf(h.services["/"])); err != nil {
			w.t.Errorf("redirected, but not served: %v", err)
		}
		w.settle()
		h.secret = ""
		w.Apply(w.ingress(h))
		w.settle()
		d.probe(h.name, "/", answerOf(h.services["/"]))
		w.more(l, 50)
	}
}
