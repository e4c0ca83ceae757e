//go:build real

package badclient

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// base is a world without any change.
var base snapshot.Snapshot

func serviceName(i int) string { return fmt.Sprintf("shop/service-%05d/http", i) }

// world has the endpoints of one Service changed.
func world(t *testing.T, change int) snapshot.Snapshot {
	t.Helper()
	if base.Of(snapshot.Cluster).Len() == 0 {
		for i := range services {
			name := serviceName(i)
			base = with(t, base, snapshot.Cluster, name, &clusterv3.Cluster{Name: name, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}},
				snapshot.Meta{Pulls: []snapshot.Ref{{Type: snapshot.Endpoints, Name: name}}})
			base = with(t, base, snapshot.Endpoints, name, &endpointv3.ClusterLoadAssignment{ClusterName: name}, snapshot.Meta{})
		}
	}
	return with(t, base, snapshot.Endpoints, serviceName(0), &endpointv3.ClusterLoadAssignment{ClusterName: serviceName(0),
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LoadBalancingWeight: wrapperspb.UInt32(uint32(change + 1))}}}, snapshot.Meta{})
}

func with(t *testing.T, s snapshot.Snapshot, typ snapshot.Type, name string, m proto.Message, meta snapshot.Meta) snapshot.Snapshot {
	t.Helper()
	r, err := snapshot.New(typ, name, m, meta)
	if err != nil {
		t.Fatal(err)
	}
	return s.With(typ, s.Of(typ).Set(name, r))
}

// envoy is one that behaves: it takes clusters and the endpoints of the first Service,
// and acknowledges.
type envoy struct {
	p       *plane
	conn    *grpc.ClientConn
	stream  discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	cancel  context.CancelFunc
	streams int
	weight  uint32 // of the first Service's endpoints
}

// envoy starts one and has it served.
func (p *plane) envoy(id string) *envoy {
	p.Helper()
	folder, err := identity.Open(p.pair(identity.Fleet(fleetName)), slog.New(slog.DiscardHandler))
	if err != nil {
		p.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+p.address, grpc.WithTransportCredentials(identity.Dial(folder)))
	if err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithCancel(p.Context())
	e := &envoy{p: p, conn: conn, cancel: cancel, streams: 1}
	p.Cleanup(e.end)
	if e.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx); err != nil {
		p.Fatal(err)
	}
	e.send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: id, Cluster: fleetName}, TypeUrl: snapshot.Cluster.URL()})
	for seen := 0; seen < services; {
		seen += len(e.take().Resources)
	}
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Endpoints.URL(), ResourceNamesSubscribe: []string{serviceName(0)}})
	e.await(p.change)
	return e
}

func (e *envoy) end() {
	e.cancel()
	_ = e.conn.Close() // it may be closed already
}

func (e *envoy) send(r *discoveryv3.DeltaDiscoveryRequest) {
	e.p.Helper()
	if err := e.stream.Send(r); err != nil {
		e.p.Fatal(err)
	}
}

// take takes a response and acknowledges it.
func (e *envoy) take() *discoveryv3.DeltaDiscoveryResponse {
	e.p.Helper()
	r, err := e.stream.Recv()
	if err != nil {
		e.p.Fatal(err)
	}
	for _, one := range r.Resources {
		var a endpointv3.ClusterLoadAssignment
		if r.TypeUrl == snapshot.Endpoints.URL() && one.Resource.UnmarshalTo(&a) == nil && len(a.Endpoints) > 0 {
			e.weight = a.Endpoints[0].LoadBalancingWeight.GetValue()
		}
	}
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
	return r
}

// await takes responses until a change is there.
func (e *envoy) await(change int) {
	e.p.Helper()
	for e.weight != uint32(change+1) {
		e.take()
	}
}
