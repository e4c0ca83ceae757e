package render

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	statslogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stats/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// What servers announce of their keep-alive ("Keep-Alive: timeout=5") is not obeyed by
// Envoy, and taken out of the answer before anybody else sees it: a log between Envoy
// and the endpoint does. It counts
//
//	envoy_server_keepalive_announced{envoy_cluster_name="shop/web/80",seconds="5"}
//
// so that who keeps connections longer than the server does can be told of it. The
// label is what a server says, hence the bounds.
const (
	// announcedSample is of how many answers in a hundred it is read. A server says it
	// with each, and to look costs expressions: of ten it was a sixth of the CPU time of
	// a worker for a small request, of one a twentieth (measured).
	announcedSample = 1
	// announcedSeries is how many there are at most, in an Envoy; those above it are not
	// made. One that nothing counted up for Bootstrap.stats_eviction_interval goes.
	announcedSeries = 1000
	// announced is the time in seconds that stands in an answer: at most six digits.
	announced = `%CEL(re.extract(response.headers['keep-alive'],'(?i)timeout=([0-9]{1,6})',r'\1'))%`
	announces = `response.headers['keep-alive'].matches('(?i)timeout=[0-9]')`
)

// upstreamLog is what the router says of each answer of an endpoint.
func upstreamLog() []*accesslogv3.AccessLog {
	return []*accesslogv3.AccessLog{{
		Name:       "envoy.access_loggers.stats",
		Filter:     allOf(sampled(announcedSample), details(announces)),
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(keepAliveCounter())},
	}}
}

// keepAliveCounter is one for the whole Envoy, in however many chains it stands.
func keepAliveCounter() *statslogv3.Config {
	return &statslogv3.Config{
		StatsScope: &typev3.Scope{Prefix: "server_keepalive", SharingName: "legation.server_keepalive",
			MaxCounters: number(announcedSeries), EnableEviction: true},
		Counters: []*statslogv3.Config_Counter{{
			Stat: &statslogv3.Config_Stat{Name: "announced", Tags: []*statslogv3.Config_Tag{
				{Name: "envoy.cluster_name", ValueFormat: "%UPSTREAM_CLUSTER%"},
				{Name: "seconds", ValueFormat: announced},
			}},
			ValueFixed: wrapperspb.UInt64(1),
		}},
	}
}

func allOf(filters ...*accesslogv3.AccessLogFilter) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{
		AndFilter: &accesslogv3.AndFilter{Filters: filters}}}
}

// sampled lets so many of a hundred through.
func sampled(share uint32) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_RuntimeFilter{
		RuntimeFilter: &accesslogv3.RuntimeFilter{RuntimeKey: "legation.server_keepalive.sample", UseIndependentRandomness: true,
			PercentSampled: &typev3.FractionalPercent{Numerator: share, Denominator: typev3.FractionalPercent_HUNDRED}}}}
}
