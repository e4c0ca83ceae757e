package policy

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// Tracing is what is told of requests to a collector of OpenTelemetry.
type Tracing struct {
	TracingCollector ServicePort // that spans are sent to; zero: none, and requests are not traced
	TracingSampling  uint32      // of a million requests, how many are traced
	TracingService   string      // service.name of the spans
	TracingParents   Parents
}

// Parents says whose traces are continued: those with a parent span that they name.
type Parents string

// Whose.
const (
	ParentsOfProxies Parents = "proxies"   // those of trusted-proxies or trusted-hops
	ParentsOfAll     Parents = "everybody" // clients, too
)

// tracingRows are the settings of Tracing.
var tracingRows = []Setting{
	{
		Name: "tracing-collector", Type: collector(func(v *Values) *ServicePort { return &v.TracingCollector }),
		Default: "", Why: "Traces cost something for each request, and change what backends are told. As ingress-nginx without enable-opentelemetry.",
		Envoy: "HttpConnectionManager.tracing: envoy.tracers.opentelemetry",
		Doc: "The Service to which Envoy sends spans of requests, by OTLP over gRPC: `observability/otel-collector:4317`. HTTP/2 is spoken to it, with TLS if the Service says so (`appProtocol: grpcs`, or `upstream-protocol: h2`). " +
			"If it is missing, dead or slow, spans are lost and requests are served as ever. See [tracing](tracing.md).",
	},
	{
		Name: "tracing-parents", Type: oneOf(func(v *Values) *Parents { return &v.TracingParents }, ParentsOfProxies, ParentsOfAll),
		Default: string(ParentsOfProxies), Why: "A client could have each of its requests traced, and pass for a part of any trace.",
		Envoy: "OpenTelemetryConfig.sampler: parent_based; early_header_mutation",
		Doc: "Whose `traceparent` is continued, with what it says about sampling: that of proxies which the class trusts (`trusted-proxies`, `trusted-hops`), or everybody's. " +
			"What another client says is removed, together with its `tracestate`, and its request begins a trace. Without `tracing-collector` nothing of that happens.",
	},
	{
		Name: "tracing-sampling", Type: millionths(func(v *Values) *uint32 { return &v.TracingSampling }),
		Default: "1", Why: "As ingress-nginx (otel-sampler-ratio: 0.01). One request in a hundred shows what is slow, and costs next to nothing.",
		Envoy: "OpenTelemetryConfig.sampler: trace_id_ratio_based",
		Doc:   "The share of requests that are traced, if nobody who is believed has decided already.",
	},
	{
		Name: "tracing-service", Type: headerText(func(v *Values) *string { return &v.TracingService }),
		Default: "ingress", Why: "What Envoy is to the services behind it.",
		Envoy: "OpenTelemetryConfig.service_name",
		Doc:   "The name under which a collector finds the spans (`service.name`). Which pod it was is in `node_id`.",
	},
}

// collector is a servicePort whose names are valid: there is nothing else to do than to
// ignore it.
func collector(field func(*Values) *ServicePort) Type {
	t := servicePort(field)
	parse := t.parse
	t.parse = func(text string) (given, error) {
		if text != "" && !collectorText.MatchString(text) {
			return given{}, errors.New("not namespace/service:port")
		}
		return parse(text)
	}
	return t
}

// collectorText are labels of DNS, and a port by number or name.
var collectorText = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// millionths is a share in percent, with at most four decimals; it is kept in millionths.
func millionths(field func(*Values) *uint32) Type {
	parse := func(text string) (uint32, error) {
		whole, part, _ := strings.Cut(text, ".")
		n, err := strconv.ParseUint(whole, 10, 8)
		if err != nil || n > 100 || len(part) > 4 || strings.HasSuffix(text, ".") {
			return 0, errors.New("not a number from 0 to 100 with at most four decimals")
		}
		rest, err := strconv.ParseUint(part+strings.Repeat("0", 4-len(part)), 10, 32)
		if err != nil || n*10_000+rest > 1_000_000 {
			return 0, errors.New("not a number from 0 to 100 with at most four decimals")
		}
		return uint32(n*10_000 + rest), nil
	}
	show := func(n uint32) string { return strconv.FormatFloat(float64(n)/10_000, 'f', -1, 64) }
	return typeOf("percent", "0 to 100, with at most four decimals", field, parse, show)
}
