package render

import (
	"time"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	uuidv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	samplersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/samplers/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// exportTimeout ends a call to the collector: 10 s, as OTEL_EXPORTER_OTLP_TIMEOUT is by
// default (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
const exportTimeout = 10 * time.Second

// traced has requests traced, if the class has a collector.
//
// Envoy's own way to choose requests is off. It lets a client's X-Request-ID choose, and
// writes the choice into the ID that backends get (both measured on 1.40). So Envoy makes a
// span of each request, and the sampler says which are sent.
func traced(m *hcmv3.HttpConnectionManager, t *policy.Tracing, trusted bool) {
	to, ok := route.Collector(t)
	if !ok {
		return
	}
	m.RequestIdExtension = &hcmv3.RequestIDExtension{TypedConfig: packed(&uuidv3.UuidRequestIdConfig{
		PackTraceReason: no(), UseRequestIdForTraceSampling: no()})}
	m.Tracing = &hcmv3.HttpConnectionManager_Tracing{
		ClientSampling: percent(0), // by a header of the client
		Operation:      "%REQ(:METHOD)% %ROUTE_NAME%",
		CustomTags:     []*tracingv3.CustomTag{tag("http.host", "%REQ(:AUTHORITY)%"), tag("legation.route", "%ROUTE_NAME%")},
		Provider: &tracev3.Tracing_Http{Name: "envoy.tracers.opentelemetry", ConfigType: &tracev3.Tracing_Http_TypedConfig{
			TypedConfig: packed(&tracev3.OpenTelemetryConfig{
				GrpcService: &corev3.GrpcService{Timeout: seconds(exportTimeout), TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
					EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: to.Cluster()}}},
				ServiceName: t.TracingService,
				Sampler:     sampler(t, continues(t, trusted)),
			})}},
	}
}

// continues reports whether traces of those who come are continued.
func continues(t *policy.Tracing, trusted bool) bool {
	return trusted || t.TracingParents == policy.ParentsOfAll
}

// foreignTraces are dropped of clients that are not believed: not only would they decide which
// requests are sampled, they could choose an ID that every sampler takes.
func foreignTraces(t *policy.Tracing, trusted bool) []*mutationv3.HeaderMutation {
	if _, ok := route.Collector(t); !ok || continues(t, trusted) {
		return nil
	}
	return []*mutationv3.HeaderMutation{drop("traceparent"), drop("tracestate")}
}

// sampler takes a share of the traces that begin here, and of others what their parents say.
func sampler(t *policy.Tracing, parents bool) *corev3.TypedExtensionConfig {
	share := &corev3.TypedExtensionConfig{Name: "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
		TypedConfig: packed(&samplersv3.TraceIdRatioBasedSamplerConfig{SamplingPercentage: &typev3.FractionalPercent{
			Numerator: t.TracingSampling, Denominator: typev3.FractionalPercent_MILLION}})}
	if !parents {
		return share
	}
	return &corev3.TypedExtensionConfig{Name: "envoy.tracers.opentelemetry.samplers.parent_based",
		TypedConfig: packed(&samplersv3.ParentBasedSamplerConfig{WrappedSampler: share})}
}

// tag is an attribute of a span, by a command operator.
func tag(name, value string) *tracingv3.CustomTag {
	return &tracingv3.CustomTag{Tag: name, Type: &tracingv3.CustomTag_Value{Value: value}}
}
