package observed

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// The attributes of a report that say which Envoy it comes from: node.cluster and node.id.
const (
	FleetAttribute = "legation.dev/fleet"
	EnvoyAttribute = "legation.dev/envoy"
)

// PointsOfRequest is how many numbers an Envoy puts into a request. Those of the longest
// names take 110 kB so, and usual ones 20 kB, which is less than a flow-control window.
const PointsOfRequest = 250

const (
	// maxName bounds the name of an Envoy, in bytes; that of a pod has at most 253.
	maxName = 1 << 10
	// maxListenerName bounds that of a listener, in bytes; ours have at most 7.
	maxListenerName = 32
	// maxValue bounds one number: nothing is counted as often between two reports, and
	// sums of it overflow after 16 million.
	maxValue = 1 << 40
)

// prefix is what Envoy puts before the names of statistics of clusters.
const prefix = "cluster."

// Pattern is an expression for the names of all statistics that Envoys report.
func Pattern() string {
	quoted := func(text string) string { return strings.ReplaceAll(text, ".", `\.`) }
	return `cluster\.[^/]*/[^/]*/[^.]*\.(` + quoted(strings.Join(names[:], "|")) + `)|` + quoted(announced+ofCluster) + `.*|` +
		quoted(ofListener) + `[^.]*` + quoted("."+connections)
}

// ReportOf reads a request of Envoy's sink for OpenTelemetry, in which a metric has the
// whole name of a statistic, no attributes, and what was counted since the last report.
// It refers to the strings of the request.
func ReportOf(m *metricsv1.MetricsData) (Report, error) {
	if len(m.GetResourceMetrics()) != 1 {
		return Report{}, fmt.Errorf("it has %d resources, want one: the Envoy that reports", len(m.GetResourceMetrics()))
	}
	of := m.GetResourceMetrics()[0]
	r := Report{}
	for _, a := range of.GetResource().GetAttributes() {
		switch a.GetKey() {
		case FleetAttribute:
			r.Fleet = text(a)
		case EnvoyAttribute:
			r.Envoy = text(a)
		}
	}
	if r.Fleet == "" || r.Envoy == "" || len(r.Envoy) > maxName {
		return Report{}, fmt.Errorf("its resource must name the Envoy in the attributes %s and %s", FleetAttribute, EnvoyAttribute)
	}
	for _, scope := range of.GetScopeMetrics() {
		for _, m := range scope.GetMetrics() {
			p, err := pointOf(m)
			if err != nil {
				r.Unknown++
				continue
			}
			r.Points = append(r.Points, p)
		}
	}
	return r, nil
}

func text(a *commonv1.KeyValue) string { return a.GetValue().GetStringValue() }

var errUnknown = errors.New("not a number of ours")

func pointOf(m *metricsv1.Metric) (Point, error) {
	if labels, ok := strings.CutPrefix(m.GetName(), announced+ofCluster); ok {
		return announcedOf(labels, m)
	}
	if listener, ok := strings.CutPrefix(m.GetName(), ofListener); ok {
		return connectionsOf(listener, m)
	}
	name, ok := strings.CutPrefix(m.GetName(), prefix)
	cluster, stat, dot := strings.Cut(name, ".")
	if !ok || !dot {
		return Point{}, errUnknown
	}
	for s := range NumStats {
		if names[s] == stat {
			p := Point{Cluster: cluster, Stat: s}
			return p, p.read(m)
		}
	}
	return Point{}, errUnknown
}

// announcedOf reads what endpoints of a cluster announce. It may be anything: it is what a
// server says.
func announcedOf(labels string, m *metricsv1.Metric) (Point, error) {
	cluster, text, ok := strings.Cut(labels, ofSeconds)
	seconds, err := strconv.ParseUint(text, 10, 32)
	if !ok || err != nil {
		return Point{}, errUnknown
	}
	p := Point{Cluster: cluster, Stat: Announced, Seconds: uint32(seconds)}
	return p, p.read(m)
}

// connectionsOf reads how many connections a listener has. Its name is that before the first dot, as
// Envoy's statistics have it.
func connectionsOf(name string, m *metricsv1.Metric) (Point, error) {
	listener, stat, _ := strings.Cut(name, ".")
	if stat != connections || len(listener) > maxListenerName {
		return Point{}, errUnknown
	}
	p := Point{Listener: listener, Stat: Connections}
	return p, p.read(m)
}

// read takes the number of a metric.
func (p *Point) read(m *metricsv1.Metric) error {
	switch {
	case p.Stat == CxLength:
		p.Buckets = new(Buckets)
		return p.histogram(m.GetHistogram(), LengthBounds[:], p.Buckets[:])
	case p.Stat == RqTime:
		p.Buckets = new(Buckets)
		return p.histogram(m.GetHistogram(), TimeBounds[:], p.Buckets[:])
	case p.Stat == CxRequests:
		return p.histogram(m.GetHistogram(), RequestBounds[:], make([]uint64, len(RequestBounds)+1))
	case p.Stat == Ejected, p.Stat == Connections:
		return p.number(m.GetGauge().GetDataPoints())
	case m.GetSum().GetAggregationTemporality() != metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA:
		return errUnknown // a total since Envoy's start would count again and again
	}
	return p.number(m.GetSum().GetDataPoints())
}

func (p *Point) number(points []*metricsv1.NumberDataPoint) error {
	if len(points) != 1 || points[0].GetAsInt() < 0 || points[0].GetAsInt() > maxValue {
		return errUnknown
	}
	p.Value = uint64(points[0].GetAsInt())
	return nil
}

// histogram reads one with these bounds.
func (p *Point) histogram(h *metricsv1.Histogram, bounds []float64, buckets []uint64) error {
	points := h.GetDataPoints()
	if len(points) != 1 || h.GetAggregationTemporality() != metricsv1.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA {
		return errUnknown
	}
	of := points[0]
	counts := of.GetBucketCounts()
	if of.GetCount() > maxValue || !(of.GetSum() >= 0 && of.GetSum() <= maxValue) ||
		len(counts) != len(buckets) || !slices.Equal(of.GetExplicitBounds(), bounds) || slices.Max(counts) > of.GetCount() {
		return errUnknown
	}
	copy(buckets, counts)
	p.Lengths = Lengths{Count: of.GetCount(), Sum: uint64(of.GetSum())}
	return nil
}
