package server

import (
	"context"
	"time"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

const (
	reportService = "opentelemetry.proto.collector.metrics.v1.MetricsService"
	// reportMethod is the one to which Envoy's sink for OpenTelemetry sends.
	reportMethod = "/" + reportService + "/Export"
)

// reports takes what Envoys report of the traffic to Services. Every replica gets some
// of the reports of each Envoy, which sends them to one after the other.
type reports struct{ server *Server }

// reportsDesc is what the generated code of OpenTelemetry has, without the HTTP gateway
// that comes with it: the request is MetricsData under another name, and of the
// response, Envoy only looks whether it is empty.
var reportsDesc = grpc.ServiceDesc{
	ServiceName: reportService,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		m := new(metricsv1.MetricsData)
		if err := decode(m); err != nil {
			return nil, err
		}
		return srv.(reports).export(ctx, m)
	}}},
}

// errUnheard refuses a report that is not counted.
var errUnheard = status.Error(codes.FailedPrecondition, "there is no such fleet, or too many of its Envoys report")

func (r reports) export(ctx context.Context, m *metricsv1.MetricsData) (*emptypb.Empty, error) {
	report, err := observed.ReportOf(m)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := r.server.allow(ctx, report.Fleet); err != nil {
		return nil, err
	}
	if !r.server.observed.Add(report, time.Now()) {
		return nil, errUnheard
	}
	return &emptypb.Empty{}, nil
}

// Known says of a fleet which clusters it is served now; nil if there is no such fleet.
// It is for observed.Config.
func Known(of *store.Store) func(fleet string) func(cluster string) bool {
	return func(fleet string) func(string) bool {
		view, ok := of.Watch(fleet)
		if !ok {
			return nil
		}
		return func(cluster string) bool {
			_, ok := view.Snapshot.Get(snapshot.Ref{Type: snapshot.Cluster, Name: cluster})
			return ok
		}
	}
}
