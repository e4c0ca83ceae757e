package observed

import (
	"math"
	"reflect"
	"regexp"
	"slices"
	"testing"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// request is one of Envoy's, as it was seen from 1.40.0.
func request(metrics ...*metricsv1.Metric) *metricsv1.MetricsData {
	attribute := func(key, value string) *commonv1.KeyValue {
		return &commonv1.KeyValue{Key: key, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}}}
	}
	return &metricsv1.MetricsData{ResourceMetrics: []*metricsv1.ResourceMetrics{{
		Resource: &resourcev1.Resource{Attributes: []*commonv1.KeyValue{attribute("telemetry.sdk.name", "envoy"),
			attribute(EnvoyAttribute, "node-a"), attribute(FleetAttribute, "edge")}},
		ScopeMetrics: []*metricsv1.ScopeMetrics{{Metrics: metrics}},
	}}}
}

const delta, cumulative = metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE

func number(n int64) []*metricsv1.NumberDataPoint {
	return []*metricsv1.NumberDataPoint{{Value: &metricsv1.NumberDataPoint_AsInt{AsInt: n}}}
}

func counter(name string, n int64, temporality metricsv1.AggregationTemporality) *metricsv1.Metric {
	return &metricsv1.Metric{Name: name, Data: &metricsv1.Metric_Sum{Sum: &metricsv1.Sum{AggregationTemporality: temporality, DataPoints: number(n)}}}
}

func gauge(name string, n int64) *metricsv1.Metric {
	return &metricsv1.Metric{Name: name, Data: &metricsv1.Metric_Gauge{Gauge: &metricsv1.Gauge{DataPoints: number(n)}}}
}

func lengths(name string, total float64, bounds []float64, counts ...uint64) *metricsv1.Metric {
	p := &metricsv1.HistogramDataPoint{Sum: &total, ExplicitBounds: bounds, BucketCounts: counts}
	for _, n := range counts {
		p.Count += n
	}
	return &metricsv1.Metric{Name: name, Data: &metricsv1.Metric_Histogram{Histogram: &metricsv1.Histogram{AggregationTemporality: delta, DataPoints: []*metricsv1.HistogramDataPoint{p}}}}
}

// TestReport: each kind of number is read, and what is none of ours is counted, whatever
// it is.
func TestReport(t *testing.T) {
	const of = "cluster.shop/web/http/0a1b."
	bounds := LengthBounds[:]
	got, err := ReportOf(request(
		counter(of+"upstream_rq_completed", 7, delta),
		gauge(of+"outlier_detection.ejections_active", 2),
		lengths(of+"upstream_cx_length_ms", 2500.5, bounds, 1, 1, 0, 0, 0, 0, 0, 0),
		lengths(of+"upstream_rq_time", 44, TimeBounds[:], 1, 2, 0, 0, 0, 0, 0, 0),

		gauge("listener.https.downstream_cx_active", 1180),
		gauge("listener.http.downstream_cx_active", 0),

		gauge("listener.https.worker_0.downstream_cx_active", 590),
		gauge("listener.https.downstream_pre_cx_active", 1),
		gauge("listener.of-a-name-that-no-listener-of-ours-has.downstream_cx_active", 1),
		gauge("listener.", 1),
		counter("listener.https.downstream_cx_active", 1180, delta),
		lengths(of+"upstream_rq_time", 44, bounds, 1, 2, 0, 0, 0, 0, 0, 0),
		lengths(of+"upstream_rq_per_cx", 101, RequestBounds[:], 1, 1),
		counter("server_keepalive.announced.envoy.cluster_name.shop/web/http/0a1b.seconds.5", 3, delta),
		counter("server_keepalive.announced.envoy.cluster_name.shop/web/http/0a1b.seconds.-5", 3, delta),
		counter("server_keepalive.announced.envoy.cluster_name.shop/web/http/0a1b", 3, delta),
		lengths(of+"upstream_rq_per_cx", 101, bounds, 1, 1, 0, 0, 0, 0, 0, 0),
		counter(of+"upstream_rq_completed", 7, cumulative),
		counter(of+"upstream_rq_completed", -1, delta),
		counter(of+"upstream_rq_completed", math.MaxInt64, delta),
		gauge(of+"upstream_rq_completed", 7),
		counter(of+"outlier_detection.ejections_active", 2, delta),
		counter(of+"upstream_rq_2xx", 7, delta),
		counter("cluster.", 7, delta),
		counter("listener.shop/web/http.upstream_rq_completed", 7, delta),
		lengths(of+"upstream_cx_length_ms", math.NaN(), bounds, 1, 0, 0, 0, 0, 0, 0, 0),
		lengths(of+"upstream_cx_length_ms", 1, bounds, 1),
		lengths(of+"upstream_cx_length_ms", 1, []float64{1, 2, 3, 4, 5, 6, 7}, 1, 0, 0, 0, 0, 0, 0, 0),
		&metricsv1.Metric{Name: of + "upstream_cx_length_ms"}, &metricsv1.Metric{}, nil,
	))
	cluster := "shop/web/http/0a1b"
	want := Report{Fleet: "edge", Envoy: "node-a", Unknown: 23, Points: []Point{{Cluster: cluster, Stat: RqCompleted, Value: 7}, {Cluster: cluster, Stat: Ejected, Value: 2},
		{Cluster: cluster, Stat: CxLength, Lengths: Lengths{Count: 2, Sum: 2500}, Buckets: &Buckets{1, 1}},
		{Cluster: cluster, Stat: RqTime, Lengths: Lengths{Count: 3, Sum: 44}, Buckets: &Buckets{1, 2}},
		{Listener: "https", Stat: Connections, Value: 1180}, {Listener: "http", Stat: Connections},
		{Cluster: cluster, Stat: CxRequests, Lengths: Lengths{Count: 2, Sum: 101}}, {Cluster: cluster, Stat: Announced, Value: 3, Seconds: 5}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	nobody := request()
	nobody.ResourceMetrics[0].Resource = nil
	for _, m := range []*metricsv1.MetricsData{{}, nobody, {ResourceMetrics: []*metricsv1.ResourceMetrics{nil}}} {
		if r, err := ReportOf(m); err == nil {
			t.Errorf("%v is read as %+v", m, r)
		}
	}
}

// TestPattern: it takes the whole names of our statistics, and no others.
func TestPattern(t *testing.T) {
	whole := regexp.MustCompile("^(?:" + Pattern() + ")$")
	for s := range NumStats {
		if name := "cluster.shop/web/http." + s.String(); !whole.MatchString(name) {
			t.Errorf("%s is not taken", name)
		}
	}
	if name := "listener.https." + Connections.String(); !whole.MatchString(name) {
		t.Errorf("%s is not taken", name)
	}
	for _, name := range []string{"listener.https.worker_0.downstream_cx_active", "listener.https.downstream_cx_active.more", "listener.https.downstream_cx_total", "http.https.downstream_cx_active", "cluster.shop/web/http.external.upstream_rq_completed", "cluster.legation-xds.upstream_rq_completed", "cluster.shop/web/http.health_checkXfailure", "http.x.upstream_rq_completed"} {
		if whole.MatchString(name) {
			t.Errorf("%s is taken", name)
		}
	}
	if !slices.IsSorted(LengthBounds[:]) || !slices.IsSorted(TimeBounds[:]) {
		t.Error("bounds are not in order")
	}
}

// FuzzReport: whatever a client sends is read or refused, and can be added.
func FuzzReport(f *testing.F) {
	seed, err := proto.Marshal(request(counter("cluster.shop/web/http.upstream_rq_completed", 7, delta),
		lengths("cluster.shop/web/http.upstream_cx_length_ms", 1, LengthBounds[:], 1, 0, 0, 0, 0, 0, 0, 0), lengths("cluster.shop/web/http.upstream_rq_per_cx", 1, RequestBounds[:], 1, 0),
		counter("cluster.shop/web/http.upstream_cx_destroy_remote", 1, delta), counter("server_keepalive.announced.envoy.cluster_name.shop/web/http.seconds.5", 3, delta),
		gauge("listener.https.downstream_cx_active", 3)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, text []byte) {
		var m metricsv1.MetricsData
		if proto.Unmarshal(text, &m) != nil {
			return
		}
		r, err := ReportOf(&m)
		if err != nil {
			return
		}
		b := New(Config{Known: func(string) func(string) bool { return func(string) bool { return true } }})
		b.Add(r, noon)
		if w, ok := b.Last(noon.Add(DefaultWindow), Asked{}); !ok || len(w.Services) > len(r.Points) {
			t.Errorf("%+v", w)
		}
		if open := b.Open(noon, ""); len(open) > min(len(r.Points), maxListeners) {
			t.Errorf("%+v", open)
		}
	})
}
