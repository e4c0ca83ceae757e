package server

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/object"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// hang bounds a test that waits for something that never comes. It is no
// assertion: a test that passes never gets near it.
const hang = time.Minute

// harness is a real server on a loopback port.
type harness struct {
	t      *testing.T
	store  *store.Store
	fleets *fleet.Registry
	server *Server
	addr   string
	log    *logBook
	served chan error
}

func serve(t *testing.T) *harness { return serveWith(t, Config{}) }

// serveWith is serve with some of a Config.
func serveWith(t *testing.T, c Config) *harness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log, book := newLog(t)
	h := &harness{t: t, log: book, store: store.New(store.Config{}), fleets: fleet.New(fleet.Config{}), addr: l.Addr().String(), served: make(chan error, 1)}
	c.Store, c.Fleets, c.Log = h.store, h.fleets, log
	c.Waiting = func() []string { return []string{"Ingress: not listed yet"} }
	c.Observed = observed.New(observed.Config{Known: Known(h.store)})
	h.server = New(c)
	go func() { h.served <- h.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // cut at once
		h.server.Shutdown(ctx)
		if err := <-h.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return h
}

func (h *harness) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	h.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+h.addr, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	return conn
}

// until waits for a condition on the server's counters or its registry, which
// have no signal of their own.
func (h *harness) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(hang); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("never happened: %s", what)
		}
	}
}

// envoy is the delta client of these tests: it does what Envoy does with
// responses, but only as far as the protocol goes.
type envoy struct {
	t      *testing.T
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	cancel context.CancelFunc
	node   *corev3.Node // sent with the first request only
	asked  [snapshot.NumTypes]bool
	have   [snapshot.NumTypes]map[string]string // name → version it runs
	got    int                                  // resources received
}

func (h *harness) envoy(id, cluster string, opts ...grpc.DialOption) *envoy {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	h.t.Cleanup(cancel)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(h.dial(opts...)).DeltaAggregatedResources(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	e := &envoy{t: h.t, stream: stream, cancel: cancel, node: &corev3.Node{Id: id, Cluster: cluster}}
	for t := range snapshot.Types() {
		e.have[t] = map[string]string{}
	}
	return e
}

func (e *envoy) send(r *discoveryv3.DeltaDiscoveryRequest) {
	e.t.Helper()
	r.Node, e.node = e.node, nil
	if err := e.stream.Send(r); err != nil {
		e.t.Fatalf("send: %v", err)
	}
}

// ask is the first request of a type, with the versions that e runs.
func (e *envoy) ask(t snapshot.Type, names ...string) {
	e.t.Helper()
	e.asked[t] = true
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: t.URL(), ResourceNamesSubscribe: names, InitialResourceVersions: e.have[t]})
}

// subscribe asks for more names of a type.
func (e *envoy) subscribe(t snapshot.Type, names ...string) {
	e.t.Helper()
	if !e.asked[t] {
		e.ask(t, names...)
		return
	}
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: t.URL(), ResourceNamesSubscribe: names})
}

func (e *envoy) recv() *discoveryv3.DeltaDiscoveryResponse {
	e.t.Helper()
	r, err := e.stream.Recv()
	if err != nil {
		e.t.Fatalf("recv: %v", err)
	}
	e.got += len(r.Resources)
	return r
}

func typeOf(t *testing.T, url string) snapshot.Type {
	t.Helper()
	typ, ok := snapshot.TypeOf(url)
	if !ok {
		t.Fatalf("response of type %q", url)
	}
	return typ
}

// ack applies r and says so.
func (e *envoy) ack(r *discoveryv3.DeltaDiscoveryResponse) {
	e.t.Helper()
	t := typeOf(e.t, r.TypeUrl)
	for _, res := range r.Resources {
		e.have[t][res.Name] = res.Version
	}
	for _, name := range r.RemovedResources {
		delete(e.have[t], name)
	}
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
	e.follow(t, r.Resources)
}

func (e *envoy) nack(r *discoveryv3.DeltaDiscoveryResponse, message string) {
	e.t.Helper()
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce,
		ErrorDetail: &statuspb.Status{Code: 13, Message: message}})
}

// follow asks for what the new resources make Envoy ask for.
func (e *envoy) follow(t snapshot.Type, resources []*discoveryv3.Resource) {
	e.t.Helper()
	switch t {
	case snapshot.Cluster:
		var names []string
		for _, r := range resources {
			names = append(names, r.Name)
		}
		if len(names) > 0 {
			e.subscribe(snapshot.Endpoints, names...)
		}
		if !e.asked[snapshot.Listener] && len(resources) > 0 {
			e.ask(snapshot.Listener)
		}
	case snapshot.Listener:
		if !e.asked[snapshot.RouteConfiguration] {
			e.ask(snapshot.RouteConfiguration, "ingress")
			e.ask(snapshot.Secret, "shop.example.com")
			e.ask(snapshot.VirtualHost)
		}
	}
}

// run receives and accepts until e runs all of s.
func (e *envoy) run(s snapshot.Snapshot) {
	e.t.Helper()
	for !e.runs(s) {
		e.ack(e.recv())
	}
}

func (e *envoy) runs(s snapshot.Snapshot) bool {
	for t := range snapshot.Types() {
		want := map[string]string{}
		for name, r := range s.Of(t).All() {
			want[name] = r.Version
		}
		if !maps.Equal(want, e.have[t]) {
			return false
		}
	}
	return true
}

// reconnect is e on a new stream, to any replica: it reports what it runs.
func (h *harness) reconnect(old *envoy, id, cluster string) *envoy {
	h.t.Helper()
	e := h.envoy(id, cluster)
	e.have = old.have
	e.ask(snapshot.Cluster)
	e.ask(snapshot.Endpoints, slices.Sorted(maps.Keys(e.have[snapshot.Cluster]))...)
	e.ask(snapshot.Listener)
	e.ask(snapshot.RouteConfiguration, "ingress")
	e.ask(snapshot.Secret, "shop.example.com")
	e.ask(snapshot.VirtualHost)
	return e
}

// world is a closed snapshot: n Services behind n hosts, one of them with TLS.
// generation changes the endpoints of every Service.
func world(t testing.TB, n, generation int) snapshot.Snapshot {
	t.Helper()
	var s snapshot.Snapshot
	for i := range n {
		s = withService(t, s, i, generation)
	}
	add := func(r *snapshot.Resource) { s = s.With(r.Type, s.Of(r.Type).Set(r.Name, r)) }
	add(resource(t, snapshot.RouteConfiguration, "ingress", &routev3.RouteConfiguration{Name: "ingress"}, snapshot.Meta{}))
	add(resource(t, snapshot.Secret, "shop.example.com", certificateSecret(), snapshot.Meta{From: []object.Ref{{Kind: object.KindSecret, Namespace: "shop", Name: "tls"}}}))
	rc := snapshot.Ref{Type: snapshot.RouteConfiguration, Name: "ingress"}
	add(resource(t, snapshot.Listener, "http", &listenerv3.Listener{Name: "http"}, snapshot.Meta{Pulls: []snapshot.Ref{rc}}))
	add(resource(t, snapshot.Listener, "https", &listenerv3.Listener{Name: "https"},
		snapshot.Meta{Pulls: []snapshot.Ref{rc, {Type: snapshot.Secret, Name: "shop.example.com"}}}))
	return s
}

func serviceName(i int) string { return fmt.Sprintf("shop/service-%05d/http", i) }

// withService is s with Service i, its endpoints and its host.
func withService(t testing.TB, s snapshot.Snapshot, i, generation int) snapshot.Snapshot {
	t.Helper()
	name, host := serviceName(i), fmt.Sprintf("ingress/host-%05d.example.com", i)
	from := []object.Ref{{Kind: object.KindService, Namespace: "shop", Name: "service"},
		{Kind: object.KindIngress, Namespace: "shop", Name: fmt.Sprintf("host-%05d", i)}}
	ref := snapshot.Ref{Type: snapshot.Cluster, Name: name}
	for _, r := range []*snapshot.Resource{
		resource(t, snapshot.Cluster, name, edsCluster(name), snapshot.Meta{From: from, Pulls: []snapshot.Ref{{Type: snapshot.Endpoints, Name: name}}}),
		resource(t, snapshot.Endpoints, name, assignment(name, generation), snapshot.Meta{From: from}),
		resource(t, snapshot.VirtualHost, host, virtualHost(host, name), snapshot.Meta{From: from, Needs: []snapshot.Ref{ref}}),
	} {
		s = s.With(r.Type, s.Of(r.Type).Set(r.Name, r))
	}
	return s
}

func edsCluster(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{Name: name, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}}
}

func assignment(name string, generation int) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{
		LoadBalancingWeight: wrapperspb.UInt32(uint32(generation + 1))}}}
}

func virtualHost(name, cluster string) *routev3.VirtualHost {
	return &routev3.VirtualHost{Name: name, Domains: []string{name[len("ingress/"):]}, Routes: []*routev3.Route{{
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}}}}}
}

// rawCodec is the server's codec, and raw goes as it is.
type rawCodec struct{ codec }

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.(raw); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.codec.Marshal(v)
}
