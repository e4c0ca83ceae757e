package server

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"legation.dev/xds/snapshot"
)

// TestLoadAndUpdate: an Envoy loads everything, and a change reaches it alone.
func TestLoadAndUpdate(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 3, 0), "start")
	e := h.envoy("envoy-1", "nginx")
	e.ask(snapshot.Cluster)
	e.run(world(t, 3, 0))

	before := e.got
	changed := withService(t, world(t, 3, 0), 1, 7)
	h.store.Publish("nginx", changed, "endpoints of one Service")
	e.run(changed)
	if got := e.got - before; got != 1 {
		t.Errorf("one change of endpoints sent %d resources", got)
	}
	h.until("the ACK is counted", func() bool { return h.server.Stats().UpdateToACK.Count == 1 })
	if got := h.server.Stats().Types[snapshot.Endpoints]; got.NACKs != 0 || got.Resources != 4 {
		t.Errorf("endpoints: %+v", got)
	}
}

// TestReconnect: to this replica or another one, with equal versions, nothing
// is sent.
// TestNoClusters: an Envoy that starts waits for an answer of CDS, for ever, also
// when its class has no Ingress yet.
func TestNoClusters(t *testing.T) {
	h, s := serve(t), world(t, 0, 0)
	h.store.Publish("nginx", s, "start")
	e := h.envoy("a", "nginx")
	e.ask(snapshot.Cluster)
	if r := e.recv(); r.TypeUrl != snapshot.Cluster.URL() || len(r.Resources)+len(r.RemovedResources) != 0 {
		t.Fatalf("got %v, want an empty response", r)
	} else {
		e.ack(r)
	}
	e.ask(snapshot.Listener)
	e.ack(e.recv())
	s = withService(t, s, 0, 0)
	h.store.Publish("nginx", s, "the first Ingress")
	e.ask(snapshot.RouteConfiguration, "ingress")
	e.ask(snapshot.Secret, "shop.example.com")
	e.ask(snapshot.VirtualHost)
	e.asked[snapshot.Listener] = true
	e.run(s)
}

func TestReconnect(t *testing.T) {
	first, second := serve(t), serve(t)
	for _, h := range []*harness{first, second} {
		h.store.Publish("nginx", world(t, 20, 0), "start")
	}
	e := first.envoy("envoy-1", "nginx")
	e.ask(snapshot.Cluster)
	e.run(world(t, 20, 0))
	e.cancel()
	for name, h := range map[string]*harness{"same": first, "other": second} {
		h.until("the stream before is over", func() bool { return h.server.Stats().Streams == 0 })
		before := h.server.Stats()
		again := h.reconnect(e, "envoy-1", "nginx")
		h.until("all six requests are read", func() bool { return h.server.Stats().Requests == before.Requests+6 })
		// A change proves that the stream has come to rest before: what it
		// would have sent needlessly would come first.
		next := withService(t, world(t, 20, 0), 3, 1)
		h.store.Publish("nginx", next, "endpoints of one Service")
		again.run(next)
		if again.got != 1 {
			t.Errorf("%s replica: a reconnect sent %d resources", name, again.got-1)
		}
		h.store.Publish("nginx", world(t, 20, 0), "back")
		again.run(world(t, 20, 0))
		again.cancel()
	}
}

func TestUnknownFleetWaits(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 1, 0), "start")
	e := h.envoy("envoy-1", "edge")
	e.ask(snapshot.Cluster)
	h.until("the Envoy is shown as waiting", func() bool {
		list := h.fleets.Envoys()
		return len(list) == 1 && list[0].Waiting && list[0].Fleet == "edge" && list[0].ID == "envoy-1"
	})
	h.until("the waiting Envoy is counted and logged", func() bool {
		return h.server.Stats().Waiting == 1 && h.log.has("unknown fleet", "edge", "envoy-1")
	})
	other := h.envoy("envoy-2", "nginx") // notices nothing
	other.ask(snapshot.Cluster)
	other.run(world(t, 1, 0))

	h.store.Publish("edge", world(t, 2, 0), "class edge appeared")
	e.run(world(t, 2, 0))
	if list := h.fleets.Envoys(); list[0].Waiting || list[0].ID != "envoy-1" || h.server.Stats().Waiting != 0 {
		t.Error("a served Envoy is shown as waiting")
	}
}

// TestStored: what was only stored is served to an Envoy that starts. One that has a
// configuration, which may be newer, keeps it until the source was read; of what is then
// equal, nothing is sent.
func TestStored(t *testing.T) {
	const n = 20
	h, before := serve(t), serve(t)
	stored, newer := world(t, n, 0), world(t, n, 1)
	before.store.Publish("nginx", newer, "start")
	e := before.envoy("envoy-1", "nginx")
	e.ask(snapshot.Cluster)
	e.run(newer)
	e.cancel()

	h.store.Publish("nginx", stored.WithStored(time.Unix(1, 0)), "stored")
	returned := h.reconnect(e, "envoy-1", "nginx")
	h.until("the Envoy that returns waits", func() bool { return h.server.Stats().Waiting == 1 && h.log.has("keeps what it has", "envoy-1") })
	fresh := h.envoy("envoy-2", "nginx")
	fresh.ask(snapshot.Cluster)
	fresh.run(stored)
	if h.server.Stats().Waiting != 1 {
		t.Error("the Envoy that returned does not wait any more")
	}
	sent := fresh.got
	h.store.Publish("nginx", newer, "the source was read")
	fresh.run(newer)
	last := withService(t, newer, 3, 2)
	h.until("nobody waits", func() bool { return h.server.Stats().Waiting == 0 })
	h.store.Publish("nginx", last, "endpoints of one Service")
	fresh.run(last)
	returned.run(last)
	if returned.got != 1 || fresh.got != sent+n+1 {
		t.Errorf("the Envoy that returned was sent %d resources, the other %d", returned.got, fresh.got-sent)
	}
}

// TestTwoFleets: each sees its own.
func TestTwoFleets(t *testing.T) {
	h := serve(t)
	h.store.Publish("a", world(t, 1, 0), "start")
	h.store.Publish("b", world(t, 4, 0), "start")
	for name, n := range map[string]int{"a": 1, "b": 4} {
		e := h.envoy("envoy-"+name, name)
		e.ask(snapshot.Cluster)
		e.run(world(t, n, 0))
	}
}

// TestBadInput: each stream that misbehaves gets a clear end or is ignored, and
// the well-behaved one beside it notices nothing.
func TestBadInput(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 2, 0), "start")
	good := h.envoy("good", "nginx")
	good.ask(snapshot.Cluster)
	good.run(world(t, 2, 0))
	t.Run("unknown type", func(t *testing.T) { unknownType(t, h) })
	t.Run("stale nonce", func(t *testing.T) { staleNonce(t, h) })
	t.Run("undecodable later", func(t *testing.T) { undecodableLater(t, h) })
	t.Run("undecodable first", func(t *testing.T) { undecodableFirst(t, h) })
	t.Run("no node", func(t *testing.T) { noNode(t, h) })
	next := world(t, 2, 1)
	h.store.Publish("nginx", next, "endpoints")
	good.run(next)
}

func unknownType(t *testing.T, h *harness) {
	e := h.envoy("odd", "nginx")
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: "type.googleapis.com/envoy.service.runtime.v3.Runtime"})
	e.ask(snapshot.Cluster)
	e.run(world(t, 2, 0)) // the stream lives on
	if h.server.Stats().UnknownTypes != 1 || !h.log.has("Runtime", "odd") {
		t.Error("an unknown type is neither counted nor logged")
	}
}

func staleNonce(t *testing.T, h *harness) {
	before := h.server.Stats()
	e := h.envoy("stale", "nginx")
	e.ask(snapshot.Cluster)
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Cluster.URL(), ResponseNonce: "never-sent"})
	e.run(world(t, 2, 0))
	if got := h.server.Stats().StaleNonces - before.StaleNonces; got != 1 {
		t.Errorf("%d stale nonces counted, want 1", got)
	}
}

// raw sends bytes as they are.
type raw []byte

func (h *harness) raw(t *testing.T, messages ...raw) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := h.dial().NewStream(ctx, desc, discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName,
		grpc.ForceCodecV2(rawCodec{newCodec()}))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := stream.SendMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	for {
		if err := stream.RecvMsg(new(discoveryv3.DeltaDiscoveryResponse)); err != nil {
			return err
		}
	}
}

// hello is the encoded first request of an Envoy.
func hello(id, cluster string) raw {
	node := appendString(appendString(nil, 1, id), 2, cluster)
	b := appendString(nil, fieldNode, string(node))
	return appendString(b, fieldURL, snapshot.Cluster.URL())
}

func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), text) {
		t.Errorf("the stream ended with %v, want InvalidArgument and %q", err, text)
	}
}

func undecodableFirst(t *testing.T, h *harness) {
	before := h.server.Stats().Undecodable
	wantInvalid(t, h.raw(t, raw("\xff\xff\xff")), "undecodable DeltaDiscoveryRequest of 3 bytes")
	if h.server.Stats().Undecodable != before+1 || !h.log.has("undecodable request", "127.0.0.1") { // both before the stream ended
		t.Error("an undecodable request is neither counted nor logged")
	}
}

func undecodableLater(t *testing.T, h *harness) {
	badUTF8 := protowire.AppendString(protowire.AppendTag(nil, fieldURL, protowire.BytesType), "\xff")
	wantInvalid(t, h.raw(t, hello("liar", "nginx"), badUTF8), "UTF-8")
	if !h.log.has("undecodable request", "liar") {
		t.Error("the log does not name the node")
	}
}

func noNode(t *testing.T, h *harness) {
	wantInvalid(t, h.raw(t, appendString(nil, fieldURL, snapshot.Cluster.URL())), "must carry node")
	wantInvalid(t, h.raw(t, hello("", "nginx")), "node.id")
	wantInvalid(t, h.raw(t, hello("x", "")), "node.cluster")
}

// TestLargeReconnect: a first request far above gRPC's default limit of 4 MiB.
func TestLargeReconnect(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 1, 0), "start")
	e := h.envoy("large", "nginx")
	for i := range 50000 {
		e.have[snapshot.Cluster][serviceName(i)+strings.Repeat("x", 200)] = "0123456789abcdef"
	}
	e.ask(snapshot.Cluster)
	h.until("the request is read", func() bool { return h.server.Stats().Requests == 1 })
	if got := h.server.Stats(); got.Undecodable != 0 || got.Streams != 1 {
		t.Errorf("stats are %+v", got)
	}
}

// TestNACKIsLoggedWithItsObject: in one line, with the words of Envoy, without the end of
// line that they have.
func TestNACKIsLoggedWithItsObject(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 1, 0), "start")
	e := h.envoy("picky", "nginx")
	e.ask(snapshot.Cluster)
	e.nack(e.recv(), "no such luck\n")
	h.until("the NACK is counted", func() bool { return h.server.Stats().Types[snapshot.Cluster].NACKs == 1 })
	h.until("the NACK is logged", func() bool {
		return h.log.has("picky", serviceName(0), "no such luck", "Ingress shop/host-00000")
	})
	if n := h.log.count("no such luck"); n != 1 || h.log.has(`luck\n`) {
		t.Errorf("%d lines have the words of Envoy, or their end of line", n)
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 1, 0), "start")
	loaded, waiting := h.envoy("loaded", "nginx"), h.envoy("waiting", "nowhere")
	loaded.ask(snapshot.Cluster)
	loaded.run(world(t, 1, 0))
	waiting.ask(snapshot.Cluster)
	h.until("both streams are open", func() bool { return h.server.Stats().Waiting == 1 })
	view, err := discoveryv3.NewAggregatedDiscoveryServiceClient(h.dial()).StreamAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := view.Send(&discoveryv3.DiscoveryRequest{TypeUrl: snapshot.Cluster.URL()}); err != nil {
		t.Fatal(err)
	}
	if _, err := view.Recv(); err != nil {
		t.Fatal(err)
	}
	h.server.Shutdown(t.Context())
	_, errView := view.Recv()
	_, errLoaded := loaded.stream.Recv()
	_, errWaiting := waiting.stream.Recv()
	for _, err := range []error{errView, errLoaded, errWaiting} {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("a stream ended with %v, want Unavailable", err)
		}
	}
	if got := h.server.Stats().Streams; got != 0 || len(h.fleets.Envoys()) != 0 {
		t.Errorf("%d streams after Shutdown", got)
	}
}

func TestHealth(t *testing.T) {
	h := serve(t)
	client := healthpb.NewHealthClient(h.dial())
	services := []string{"", "envoy.service.discovery.v3.AggregatedDiscoveryService", "envoy.service.status.v3.ClientStatusDiscoveryService"}
	check := func(want healthpb.HealthCheckResponse_ServingStatus) bool {
		return !slices.ContainsFunc(services, func(name string) bool {
			r, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return r.Status != want
		})
	}
	if !check(healthpb.HealthCheckResponse_NOT_SERVING) {
		t.Error("serving before the first publication")
	}
	h.store.Publish("nginx", world(t, 1, 0), "start")
	h.until("all services serve", func() bool { return check(healthpb.HealthCheckResponse_SERVING) })
}

// TestManyStreams serves Envoys while versions come, for the race detector.
func TestManyStreams(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 10, 0), "start")
	const versions = 20
	var envoys []*envoy
	for i := range 8 {
		e := h.envoy(fmt.Sprint("envoy-", i), "nginx")
		e.ask(snapshot.Cluster)
		envoys = append(envoys, e)
	}
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for g := range versions {
			h.store.Publish("nginx", world(t, 10, g+1), "generation")
		}
	})
	defer publisher.Wait()
	for _, e := range envoys {
		e.run(world(t, 10, versions))
	}
}

// TestSlowReader: an Envoy that does not read delays no other, and of the
// versions that it misses none waits for it in memory.
func TestSlowReader(t *testing.T) {
	const services, versions = 2000, 10
	h := serve(t)
	h.store.Publish("nginx", world(t, services, 0), "start")
	slow := h.envoy("slow", "nginx")
	slow.ask(snapshot.Cluster)
	slow.ask(snapshot.Endpoints, serviceName(0)) // and reads nothing
	h.until("the slow Envoy was sent something", func() bool { return h.server.Stats().Types[snapshot.Cluster].Responses > 0 })

	fast := h.envoy("fast", "nginx")
	fast.ask(snapshot.Cluster)
	last := world(t, services, 0)
	fast.run(last)
	before := h.server.Stats().Total()
	for g := range versions {
		last = world(t, services, g+1)
		h.store.Publish("nginx", last, "all endpoints")
		fast.run(last)
	}
	after := h.server.Stats().Total()
	if got, most := after.Resources-before.Resources, uint64((versions+1)*services); got > most {
		t.Errorf("%d versions of %d endpoints queued %d resources: the slow Envoy's pile up", versions, services, got)
	}
	if slow.run(last); slow.got > 5*services { // it gets one difference, not every version
		t.Errorf("the slow Envoy was sent %d resources", slow.got)
	}
}

// TestStoppedReader: an Envoy that had everything and then reads no more delays
// none of those that share its broadcaster, although what it is sent does not fit into
// its window.
func TestStoppedReader(t *testing.T) {
	const services, versions = 2000, 3
	h := serve(t)
	last := world(t, services, 0)
	h.store.Publish("nginx", last, "start")
	stopped := h.envoy("stopped", "nginx", grpc.WithStaticStreamWindowSize(64<<10)) // else the window grows
	stopped.ask(snapshot.Cluster)
	stopped.run(last)
	var others []*envoy
	for i := range runtime.GOMAXPROCS(0) { // the last of them joins the first broadcaster
		e := h.reconnect(stopped, fmt.Sprint("other-", i), "nginx")
		e.have = cloneAll(stopped.have)
		others = append(others, e)
	}
	h.until("all Envoys were heard", func() bool { return h.server.Stats().Requests >= uint64(6*len(others)) })
	for g := range versions {
		last = world(t, services, g+1)
		secret := certificateSecret()
		secret.GetTlsCertificate().OcspStaple = &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: fmt.Sprint(g)}}
		changed := resource(t, snapshot.Secret, "shop.example.com", secret, snapshot.Meta{})
		last = last.With(snapshot.Secret, last.Of(snapshot.Secret).Set(changed.Name, changed))
		h.store.Publish("nginx", last, "all endpoints, then a secret that has to wait")
		for _, e := range others {
			e.run(last)
		}
	}
	stopped.run(last)
}

func cloneAll(have [snapshot.NumTypes]map[string]string) (out [snapshot.NumTypes]map[string]string) {
	for t, m := range have {
		out[t] = maps.Clone(m)
	}
	return out
}

// TestSilentClients: those that open a stream and say nothing keep no Envoy
// from its first requests.
func TestSilentClients(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 1, 0), "start")
	for i := range 2 * admissions {
		e := h.envoy(fmt.Sprint("silent-", i), "nginx")
		if i%2 == 0 {
			e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: "no type"}) // and nothing more
		}
	}
	h.until("all streams are open", func() bool { return h.server.Stats().Streams == 2*admissions })
	e := h.envoy("envoy", "nginx")
	e.ask(snapshot.Cluster)
	e.run(world(t, 1, 0))
}

// TestSpareEndpoints: a cluster that no route needs any more gets its Service's
// newest endpoints as long as the Envoy has it, without a new version.
func TestSpareEndpoints(t *testing.T) {
	h, two := serve(t), world(t, 2, 0)
	h.store.Publish("nginx", two, "start")
	e := h.envoy("envoy", "nginx")
	e.ask(snapshot.Cluster)
	e.run(two)
	for generation := 1; generation <= 2; generation++ { // the first is a new version, the second is not
		spare := resource(t, snapshot.Endpoints, serviceName(1), assignment(serviceName(1), generation), snapshot.Meta{})
		one := world(t, 1, 0).WithReserve(reserve{spare})
		h.store.Publish("nginx", one, "host deleted")
		for e.have[snapshot.Endpoints][spare.Name] != spare.Version {
			e.ack(e.recv())
		}
	}
	if v, _ := h.store.Watch("nginx"); v.Number != 2 {
		t.Errorf("spare endpoints made version %d, want 2", v.Number)
	}
}

// reserve has the spare endpoints of one cluster.
type reserve struct{ spare *snapshot.Resource }

func (r reserve) Spare(cluster string) *snapshot.Resource {
	if cluster == r.spare.Name {
		return r.spare
	}
	return nil
}

func (r reserve) StandIn(string) *snapshot.Resource { return nil }
