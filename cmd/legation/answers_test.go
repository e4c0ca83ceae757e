package main

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// answers is a server that says one thing of everything, so that what is printed is known.
type answers struct {
	adminv1.UnimplementedAdminServer
}

// answering serves until the test ends, and says where.
func answering(t *testing.T, s adminv1.AdminServer) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	adminv1.RegisterAdminServer(server, s)
	go func() { _ = server.Serve(listener) }() // that of Stop
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

var (
	begun    = timestamppb.New(time.Unix(1_700_000_000, 0))
	replicas = []*adminv1.Replica{{Instance: "first", Fleets: []*adminv1.Fleet{{Name: "edge", Version: seventh, Envoys: 1}}}}
	seventh  = &adminv1.Version{Number: 7, Time: begun, Cause: "Service shop/web", Digest: "0123456789abcdef", Resources: 3}
	made     = &adminv1.Resource{TypeUrl: snapshot.Cluster.URL(), Name: "shop/web/80", Version: "v1"}
	origin   = []string{"Service shop/web"}
)

func (*answers) Envoys(context.Context, *adminv1.EnvoysRequest) (*adminv1.EnvoysResponse, error) {
	return &adminv1.EnvoysResponse{Replicas: replicas, Envoys: []*adminv1.Envoy{{Fleet: "edge", Id: "one", Zone: "a", Peer: "192.0.2.1:5", Instance: "first", Since: begun, Bootstrap: 1,
		Rejected: []*adminv1.Rejection{{TypeUrl: made.GetTypeUrl(), Name: made.GetName(), Message: "bad"}}}},
		Gone: []*adminv1.GoneEnvoy{{Fleet: "edge", Id: "two", Instance: "first", Since: begun, Left: begun}}}, nil
}

func (*answers) Problems(_ context.Context, r *adminv1.ProblemsRequest) (*adminv1.ProblemsResponse, error) {
	if r.GetNamespace() != "" && r.GetNamespace() != "shop" {
		return &adminv1.ProblemsResponse{Replicas: replicas}, nil
	}
	return &adminv1.ProblemsResponse{Replicas: replicas, Problems: []*adminv1.Problem{
		{Object: "Ingress shop/a", Code: "RestrictsNobody", Severity: "info", Message: "m1", Since: begun},
		{Object: "Ingress shop/b", Code: "CertificateEnds", Severity: "warning", Message: "m2", Since: begun},
		{Object: "Ingress shop/c", Code: "NoService", Severity: "error", Field: "spec.x", Value: "shop/s", Message: "m3", File: "c.yaml:3", Since: begun}}}, nil
}

func (*answers) History(context.Context, *adminv1.HistoryRequest) (*adminv1.HistoryResponse, error) {
	return &adminv1.HistoryResponse{Instance: "first", Versions: []*adminv1.Version{seventh}}, nil
}

func (*answers) Holds(context.Context, *adminv1.HoldsRequest) (*adminv1.HoldsResponse, error) {
	return &adminv1.HoldsResponse{Replicas: replicas, Holds: []*adminv1.Hold{{Kind: "certificate", Fleet: "edge", Object: "Secret shop/web", Reason: "it is missing", Since: begun, Digest: "0123456789abcdef", Instances: []string{"first"}}}}, nil
}

func (*answers) Traffic(context.Context, *adminv1.TrafficRequest) (*adminv1.TrafficResponse, error) {
	return &adminv1.TrafficResponse{Replicas: replicas, From: begun, To: begun, Traffic: []*adminv1.Traffic{{Fleet: "edge", Service: "shop/web", Requests: 3}}}, nil
}

func (*answers) Resources(r *adminv1.ResourcesRequest, to grpc.ServerStreamingServer[adminv1.ResourcesResponse]) error {
	body, err := anypb.New(&clusterv3.Cluster{Name: made.GetName()})
	if err != nil {
		return err
	}
	return to.Send(&adminv1.ResourcesResponse{Resource: made, From: origin, Body: body})
}

func (*answers) Diff(context.Context, *adminv1.DiffRequest) (*adminv1.DiffResponse, error) {
	return &adminv1.DiffResponse{Fleet: "edge", From: seventh, To: seventh, Changes: []*adminv1.Change{{Kind: "added", Type: "CDS", Name: made.GetName(), From: origin, Effect: "none"}}}, nil
}

func (*answers) Explain(context.Context, *adminv1.ExplainRequest) (*adminv1.ExplainResponse, error) {
	return &adminv1.ExplainResponse{Replicas: replicas, Made: []*adminv1.Made{{Fleet: "edge", Resource: made, Envoys: 1, Running: 1, From: origin}},
		Problems: []*adminv1.Problem{{Object: "Ingress shop/a", Code: "NoService", Severity: "error", Message: "m", Since: begun}}}, nil
}
