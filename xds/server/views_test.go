package server

import (
	"bytes"
	"context"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/redact"
	"legation.dev/xds/snapshot"
)

type fetcher = func(context.Context, *discoveryv3.DiscoveryRequest, ...grpc.CallOption) (*discoveryv3.DiscoveryResponse, error)

// fetchers is the Fetch method of each type that has one.
func fetchers(conn *grpc.ClientConn) map[snapshot.Type]fetcher {
	return map[snapshot.Type]fetcher{
		snapshot.Cluster:            clusterservice.NewClusterDiscoveryServiceClient(conn).FetchClusters,
		snapshot.Endpoints:          endpointservice.NewEndpointDiscoveryServiceClient(conn).FetchEndpoints,
		snapshot.Listener:           listenerservice.NewListenerDiscoveryServiceClient(conn).FetchListeners,
		snapshot.RouteConfiguration: routeservice.NewRouteDiscoveryServiceClient(conn).FetchRoutes,
		snapshot.Secret:             secretservice.NewSecretDiscoveryServiceClient(conn).FetchSecrets,
	}
}

func checkView(t *testing.T, s snapshot.Snapshot, typ snapshot.Type, got *discoveryv3.DiscoveryResponse) {
	t.Helper()
	if got.TypeUrl != typ.URL() || got.VersionInfo != s.Of(typ).Digest().String() || len(got.Resources) != s.Of(typ).Len() {
		t.Errorf("%s: %d resources of %q, version %q", typ, len(got.Resources), got.TypeUrl, got.VersionInfo)
	}
	b, err := proto.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte(keyText)) {
		t.Errorf("%s: the view contains key bytes", typ)
	}
	if typ == snapshot.Secret && !bytes.Contains(b, []byte(redact.Text)) {
		t.Error("the view of a secret has no redacted key: the test proves nothing")
	}
}

func TestFetch(t *testing.T) {
	h, s := serve(t), world(t, 3, 0)
	h.store.Publish("nginx", s, "start")
	for typ, fetch := range fetchers(h.dial()) {
		got, err := fetch(t.Context(), &discoveryv3.DiscoveryRequest{})
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		checkView(t, s, typ, got)
	}
}

func TestFetchNames(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 3, 0), "start")
	got, err := fetchers(h.dial())[snapshot.Cluster](t.Context(), &discoveryv3.DiscoveryRequest{
		ResourceNames: []string{serviceName(2), "no/such/one", serviceName(0), serviceName(2)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Resources) != 2 {
		t.Errorf("got %d resources, want the two that exist", len(got.Resources))
	}
}

func TestFetchChoosesTheFleet(t *testing.T) {
	h := serve(t)
	fetch := fetchers(h.dial())[snapshot.Cluster]
	ask := func(fleet string) (*discoveryv3.DiscoveryResponse, error) {
		return fetch(t.Context(), &discoveryv3.DiscoveryRequest{Node: &corev3.Node{Cluster: fleet}})
	}
	wantCode := func(fleet string, want codes.Code) {
		t.Helper()
		if _, err := ask(fleet); status.Code(err) != want {
			t.Errorf("fleet %q: %v, want %v", fleet, err, want)
		}
	}
	wantCode("", codes.Unavailable)
	h.store.Publish("a", world(t, 1, 0), "start")
	wantCode("", codes.OK)
	wantCode("c", codes.NotFound)
	h.store.Publish("b", world(t, 2, 0), "start")
	wantCode("", codes.InvalidArgument)
	if got, err := ask("b"); err != nil || len(got.Resources) != 2 {
		t.Errorf("fleet b has %d clusters, %v", len(got.GetResources()), err)
	}
	if _, err := fetch(t.Context(), &discoveryv3.DiscoveryRequest{Node: &corev3.Node{Cluster: "a"}, TypeUrl: snapshot.Secret.URL()}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("secrets from FetchClusters: %v", err)
	}
}

// TestFollow: the state-of-the-world stream shows each type that was asked for,
// and again when it changes; an ACK is not answered.
func TestFollow(t *testing.T) {
	h, s := serve(t), world(t, 2, 0)
	h.store.Publish("nginx", s, "start")
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(h.dial()).StreamAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send := func(r *discoveryv3.DiscoveryRequest) {
		t.Helper()
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
	}
	recv := func(typ snapshot.Type) *discoveryv3.DiscoveryResponse {
		t.Helper()
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		checkView(t, s, typ, got)
		return got
	}
	for typ := range snapshot.Types() {
		send(&discoveryv3.DiscoveryRequest{TypeUrl: typ.URL()})
		got := recv(typ)
		send(&discoveryv3.DiscoveryRequest{TypeUrl: typ.URL(), ResponseNonce: got.Nonce, VersionInfo: got.VersionInfo})
	}
	s = withService(t, s, 1, 9)
	h.store.Publish("nginx", s, "endpoints")
	recv(snapshot.Endpoints) // and of no other type
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); got != nil || status.Code(err) == codes.OK {
		t.Errorf("after the last request: %v, %v", got, err)
	}
}

// TestPerTypeStreams: the Stream method of each type shows that type.
func TestPerTypeStreams(t *testing.T) {
	h, s := serve(t), world(t, 2, 0)
	h.store.Publish("nginx", s, "start")
	conn, ctx := h.dial(), t.Context()
	open := map[snapshot.Type]func() (grpc.BidiStreamingClient[discoveryv3.DiscoveryRequest, discoveryv3.DiscoveryResponse], error){
		snapshot.Cluster: func() (clusterservice.ClusterDiscoveryService_StreamClustersClient, error) {
			return clusterservice.NewClusterDiscoveryServiceClient(conn).StreamClusters(ctx)
		},
		snapshot.Endpoints: func() (endpointservice.EndpointDiscoveryService_StreamEndpointsClient, error) {
			return endpointservice.NewEndpointDiscoveryServiceClient(conn).StreamEndpoints(ctx)
		},
		snapshot.Listener: func() (listenerservice.ListenerDiscoveryService_StreamListenersClient, error) {
			return listenerservice.NewListenerDiscoveryServiceClient(conn).StreamListeners(ctx)
		},
		snapshot.RouteConfiguration: func() (routeservice.RouteDiscoveryService_StreamRoutesClient, error) {
			return routeservice.NewRouteDiscoveryServiceClient(conn).StreamRoutes(ctx)
		},
		snapshot.Secret: func() (secretservice.SecretDiscoveryService_StreamSecretsClient, error) {
			return secretservice.NewSecretDiscoveryServiceClient(conn).StreamSecrets(ctx)
		},
	}
	for typ, open := range open {
		stream, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(new(discoveryv3.DiscoveryRequest)); err != nil {
			t.Fatal(err)
		}
		got, err := stream.Recv()
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		checkView(t, s, typ, got)
	}
}

// TestFollowIsNoADS: an Envoy that is set to state of the world learns why it
// gets nothing to live on.
func TestFollowIsNoADS(t *testing.T) {
	h := serve(t)
	h.store.Publish("nginx", world(t, 1, 0), "start")
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(h.dial()).StreamAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"", "type.googleapis.com/envoy.service.runtime.v3.Runtime"} {
		if err := stream.Send(&discoveryv3.DiscoveryRequest{TypeUrl: url}); err != nil {
			break // the first one ended the stream
		}
	}
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an unknown type: %v", err)
	}
}
