package server

import (
	"context"
	"strings"
	"testing"
	"time"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"legation.dev/xds/identity"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
)

// reportOf says that there was one request to each cluster.
func reportOf(fleet string, clusters ...string) *metricsv1.MetricsData {
	attribute := func(key, value string) *commonv1.KeyValue {
		return &commonv1.KeyValue{Key: key, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}}}
	}
	scope := &metricsv1.ScopeMetrics{}
	for _, c := range clusters {
		scope.Metrics = append(scope.Metrics, &metricsv1.Metric{Name: "cluster." + c + "." + observed.RqCompleted.String(), Data: &metricsv1.Metric_Sum{Sum: &metricsv1.Sum{
			AggregationTemporality: metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA,
			DataPoints:             []*metricsv1.NumberDataPoint{{Value: &metricsv1.NumberDataPoint_AsInt{AsInt: 1}}}}}})
	}
	return &metricsv1.MetricsData{ResourceMetrics: []*metricsv1.ResourceMetrics{{ScopeMetrics: []*metricsv1.ScopeMetrics{scope},
		Resource: &resourcev1.Resource{Attributes: []*commonv1.KeyValue{attribute(observed.FleetAttribute, fleet), attribute(observed.EnvoyAttribute, "node-a")}}}}}
}

// report sends one, as a client that dials so.
func (h *harness) report(m *metricsv1.MetricsData, opts ...grpc.DialOption) codes.Code {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), hang)
	defer cancel()
	return status.Code(h.dial(opts...).Invoke(ctx, reportMethod, m, &emptypb.Empty{}))
}

// TestReports: what an Envoy may say of its own fleet is counted, and nothing else that
// clients say.
func TestReports(t *testing.T) {
	a := authority(t)
	h, _, _ := gated(t, a)
	var cluster string
	for name := range world(t, 1, 0).Of(snapshot.Cluster).All() {
		cluster = name
	}
	edge := by(t, issue(t, a, identity.Fleet("edge"), time.Hour), a)
	operator := by(t, issue(t, a, identity.Operator, time.Hour), a)
	wait := by(t, issue(t, a, identity.Fleet("waiting"), time.Hour), a)
	for name, c := range map[string]struct {
		message *metricsv1.MetricsData
		by      grpc.DialOption
		want    codes.Code
	}{
		"its own fleet":           {reportOf("edge", cluster, "made/up/http"), edge, codes.OK},
		"another fleet":           {reportOf("waiting", cluster), edge, codes.PermissionDenied},
		"an operator":             {reportOf("edge", cluster), operator, codes.PermissionDenied},
		"a fleet that is not yet": {reportOf("waiting", cluster), wait, codes.FailedPrecondition},
		"nobody":                  {&metricsv1.MetricsData{}, edge, codes.InvalidArgument},
		"too much":                {reportOf("edge", strings.Repeat("x", maxReport)), edge, codes.Internal},
	} {
		if got := h.report(c.message, c.by); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got, want := h.server.observed.Stats(), (observed.Stats{Reports: 2, Refused: 1, Points: 1, Unknown: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := h.server.observed.Total(observed.Asked{}); len(got) != 1 || got[0].Service != observed.ServiceOf(cluster) || got[0].Requests != 1 {
		t.Errorf("%+v", got)
	}
}
