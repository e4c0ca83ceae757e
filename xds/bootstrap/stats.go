package bootstrap

import (
	"regexp"
	"slices"
	"strings"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"legation.dev/xds/observed"
)

// clusterStats are the statistics that there are of a Service's cluster: what
// explains a failure, and the load. Envoy has a hundred more, and four histograms;
// with them a busy Service had 168 series for Prometheus (measured), with these it
// has at most SeriesOfService.
var clusterStats = []string{
	"bind_errors", "membership_change", "membership_healthy", "membership_total", "update_attempt", "update_failure", "update_success", "warming_state",
	"circuit_breakers.default.remaining_cx", "circuit_breakers.default.cx_open", "circuit_breakers.default.rq_open", "circuit_breakers.default.rq_pending_open",
	"health_check.failure", "health_check.success", "outlier_detection.ejections_active", "lb_healthy_panic",
	"ssl.connection_error", "ssl.fail_verify_error",
	"upstream_cx_active", "upstream_cx_connect_fail", "upstream_cx_connect_timeout", "upstream_cx_total",
	"upstream_cx_destroy_remote", "upstream_cx_destroy_remote_with_active_rq", "upstream_cx_length_ms", "upstream_rq_per_cx",
	"upstream_cx_idle_timeout", "upstream_cx_max_requests", "upstream_cx_max_duration_reached", "upstream_cx_rx_bytes_total", "upstream_cx_tx_bytes_total",
	"upstream_rq_1xx", "upstream_rq_2xx", "upstream_rq_3xx", "upstream_rq_4xx", "upstream_rq_5xx",
	"upstream_rq_active", "upstream_rq_pending_active", "upstream_rq_pending_overflow", "upstream_rq_per_try_timeout", "upstream_rq_retry", "upstream_rq_retry_success",
	"upstream_rq_rx_reset", "upstream_rq_time", "upstream_rq_timeout", "upstream_rq_total",
}

// ClusterStatistics are the names of the statistics that there are of a Service's cluster.
func ClusterStatistics() []string { return slices.Clone(clusterStats) }

// SeriesOfService is how many series one Service has for Prometheus at most, where a
// few things go wrong; one in trouble of every sort has more.
const SeriesOfService = 54

// statsEviction is how long a series of which there may be only so many (what servers
// announce, in translator/render) stays without being counted up: one to two of it.
const statsEviction = time.Hour

// counted says which statistics Envoy keeps, and for how long. Of the hundred counters
// of a cluster most stay at zero for ever; they come into being when they are first
// counted up.
func counted(b *bootstrapv3.Bootstrap) {
	b.StatsConfig = stats()
	b.StatsEviction = &bootstrapv3.Bootstrap_StatsEvictionInterval{StatsEvictionInterval: durationpb.New(statsEviction)}
	b.DeferredStatOptions = &bootstrapv3.Bootstrap_DeferredStatOptions{EnableDeferredCreationStats: true}
}

// stats says which statistics there are, and what in a name is a label. Of a TLS host
// there are none: Envoy has 27 for each, with the host in their names (of its secret, and
// of its certificate in each listener), so that 1,000 hosts made 27,000 series of as many
// names. What they would tell, legation_fleet_rejected_resources and
// legation_fleet_certificate_end_timestamp_seconds do.
func stats() *metricsv3.StatsConfig {
	return &metricsv3.StatsConfig{
		StatsMatcher: &metricsv3.StatsMatcher{StatsMatcher: &metricsv3.StatsMatcher_InclusionList{
			InclusionList: &matcherv3.ListStringMatcher{Patterns: []*matcherv3.StringMatcher{
				expression(beginsWithNone("cluster.", "listener.", "sds.")),
				expression(`listener\.[^.]*\.(` + beginsWithNone("ssl.certificate.") + `)`),
				expression(`sds\.(` + pairName + `|` + rootsName + `)\..*`), // of the wire
				expression(`cluster\.[^/]*`),                                // of a cluster of the bootstrap
				expression(observed.Pattern()),                              // what is reported, without Envoy's copies for requests from outside
				expression(`cluster\.[^/]*/[^/]*/.*\.(` + strings.ReplaceAll(strings.Join(ClusterStatistics(), "|"), ".", `\.`) + `)`),
			}}}},
		// The name of a Service's cluster is namespace/service/port[/policy].
		StatsTags: []*metricsv3.TagSpecifier{
			tag("namespace", `^cluster\.(([^/.]+)/[^/.]+/[^.]+\.)`),
			tag("service", `^cluster\.([^/.]+/([^/.]+)/[^.]+\.)`),
		},
		HistogramBucketSettings: []*metricsv3.HistogramBucketSettings{{
			Match: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: "." + observed.CxLength.String()}}, Buckets: observed.LengthBounds[:],
		}, {
			Match: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: "." + observed.CxRequests.String()}}, Buckets: observed.RequestBounds[:],
		}, {
			Match: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "cluster."}}, Buckets: observed.TimeBounds[:],
		}},
	}
}

// beginsWithNone is an expression for whole names that begin with none of the prefixes,
// whose first letters differ: RE2 has no word for "not". It takes no name that is a part
// of one of them.
func beginsWithNone(prefixes ...string) string {
	var first strings.Builder
	var others []string
	for _, p := range prefixes {
		first.WriteByte(p[0])
		for i := 1; i < len(p); i++ {
			others = append(others, regexp.QuoteMeta(p[:i])+"[^"+regexp.QuoteMeta(p[i:i+1])+"]")
		}
	}
	return "([^" + first.String() + "]|" + strings.Join(others, "|") + ").*"
}

// expression must match a whole name.
func expression(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: text}}}
}

func tag(name, regex string) *metricsv3.TagSpecifier {
	return &metricsv3.TagSpecifier{TagName: name, TagValue: &metricsv3.TagSpecifier_Regex{Regex: regex}}
}
