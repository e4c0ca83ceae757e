package render

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamlogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	setmetadatav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_metadata/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/translator/policy"
)

// logFields are what a line of the access log may have, in Envoy's command
// operators (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage).
// The name of a route begins with its Ingress, that of a cluster is
// namespace/service/port.
var logFields = map[policy.LogField]string{
	"time":              "%START_TIME%",
	"method":            "%REQ(:METHOD)%",
	"host":              "%REQ(:AUTHORITY)%",
	"path":              "%REQ(:PATH)%",
	"protocol":          "%PROTOCOL%",
	"status":            "%RESPONSE_CODE%",
	"flags":             "%RESPONSE_FLAGS%",
	"details":           "%RESPONSE_CODE_DETAILS%",
	"termination":       "%CONNECTION_TERMINATION_DETAILS%",
	"received":          "%BYTES_RECEIVED%",
	"sent":              "%BYTES_SENT%",
	"duration":          "%DURATION%",
	"upstream_duration": "%RESPONSE_DURATION%",
	"client":            "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
	"route":             "%ROUTE_NAME%",
	"cluster":           "%UPSTREAM_CLUSTER%",
	"upstream":          "%UPSTREAM_HOST%",
	"upstream_failure":  "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
	"tries":             "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
	"tls":               "%DOWNSTREAM_TLS_VERSION%",
	"sni":               "%REQUESTED_SERVER_NAME%",
	"request_id":        "%REQ(X-REQUEST-ID)%",
	"user_agent":        "%REQ(USER-AGENT)%",
	"referer":           "%REQ(REFERER)%",
}

// unlogged marks requests of a route that are not to be logged.
var unlogged = part{
	differs: func(route, _ *policy.Route) bool { return !route.LogRequests },
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if s.LogRequests {
			return nil
		}
		return &corev3.TypedExtensionConfig{Name: "legation.unlogged", TypedConfig: packed(&setmetadatav3.Config{Metadata: []*setmetadatav3.Metadata{{
			MetadataNamespace: unloggedNamespace, Value: &structpb.Struct{Fields: map[string]*structpb.Value{"off": structpb.NewBoolValue(true)}}}}})}
	},
}

const unloggedNamespace = "legation.log"

// wanted lets requests be logged that no route has marked.
func wanted() *accesslogv3.AccessLogFilter {
	unmarked := &matcherv3.MetadataMatcher{Filter: unloggedNamespace, // Envoy ignores an invert here (measured)
		Path:  []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: "off"}}},
		Value: &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_BoolMatch{BoolMatch: false}}}
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_MetadataFilter{
		MetadataFilter: &accesslogv3.MetadataFilter{Matcher: unmarked, MatchIfKeyNotFound: yes()}}}
}

// accessLog is one line of JSON for each request.
func accessLog(s *policy.Listener) []*accesslogv3.AccessLog {
	if s.AccessLog == "off" {
		return nil
	}
	log := &accesslogv3.AccessLog{Filter: logged(s.AccessLogFilter)}
	format := &corev3.SubstitutionFormatString{OmitEmptyValues: true,
		Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: logLine(s.AccessLogFields)}}
	if s.AccessLog == policy.Stdout { // by the descriptor: to open it anew needs rights that a user without any lacks
		log.Name = "envoy.access_loggers.stdout"
		log.ConfigType = &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&streamlogv3.StdoutAccessLog{
			AccessLogFormat: &streamlogv3.StdoutAccessLog_LogFormat{LogFormat: format}})}
	} else {
		log.Name = "envoy.access_loggers.file"
		log.ConfigType = &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&filelogv3.FileAccessLog{
			Path: s.AccessLog, AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: format}})}
	}
	return []*accesslogv3.AccessLog{log}
}

func logLine(fields []policy.LogField) *structpb.Struct {
	line := map[string]*structpb.Value{}
	for _, name := range fields {
		line[string(name)] = structpb.NewStringValue(logFields[name])
	}
	return &structpb.Struct{Fields: line}
}

// serverErrors are the statuses that are somebody's fault here.
const serverErrors = 500

// logged says which requests are logged.
func logged(filter policy.LogFilter) *accesslogv3.AccessLogFilter {
	if filter == policy.LogAll {
		return wanted()
	}
	failed := &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{
		StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: &accesslogv3.ComparisonFilter{
			Op: accesslogv3.ComparisonFilter_GE, Value: &corev3.RuntimeUInt32{DefaultValue: serverErrors, RuntimeKey: "legation.access_log.errors"}}}}}
	bad := &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_OrFilter{
		OrFilter: &accesslogv3.OrFilter{Filters: []*accesslogv3.AccessLogFilter{failed, flagged()}}}}
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{
		AndFilter: &accesslogv3.AndFilter{Filters: []*accesslogv3.AccessLogFilter{wanted(), bad}}}}
}
