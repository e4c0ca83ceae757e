package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"legation.dev/controller"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
)

// streamMetrics says what was said on the streams of Envoys, when it is scraped.
type streamMetrics struct{ server *server.Server }

var (
	xdsStreams = wireDesc("streams", "Streams of Envoys that are open.")
	xdsWaiting = wireDesc("streams_waiting", "Of these, those that are served nothing: their fleet does not exist yet, or what it would be served was only stored and they have a configuration.")
	xdsToACK   = wireDesc("update_to_ack_duration_seconds", "From the publication of a version to the ACK of each response that it led to, on streams that were open by then.")

	xdsTotals = []struct {
		desc *prometheus.Desc
		of   func(server.Stats) uint64
	}{
		{wireDesc("streams_opened_total", "Streams that were opened."), func(s server.Stats) uint64 { return s.StreamsOpened }},
		{wireDesc("requests_total", "Requests that were read."), func(s server.Stats) uint64 { return s.Requests }},
		{wireDesc("requests_undecodable_total", "Requests whose bytes were none."), func(s server.Stats) uint64 { return s.Undecodable }},
		{wireDesc("requests_stale_total", "Answers to a response that was not sent on that stream, or was answered already."), func(s server.Stats) uint64 { return s.StaleNonces }},
		{wireDesc("requests_of_unknown_type_total", "Requests for a type that is not served."), func(s server.Stats) uint64 { return s.UnknownTypes }},
	}
	xdsOfType = []struct {
		desc *prometheus.Desc
		of   func(server.TypeStats) uint64
	}{
		{wireDesc("responses_total", "Responses that were sent.", "type"), func(s server.TypeStats) uint64 { return s.Responses }},
		{wireDesc("resources_sent_total", "Resources in them.", "type"), func(s server.TypeStats) uint64 { return s.Resources }},
		{wireDesc("resources_removed_total", "Removals in them.", "type"), func(s server.TypeStats) uint64 { return s.Removed }},
		{wireDesc("sent_bytes_total", "Bytes of them, without the framing of gRPC.", "type"), func(s server.TypeStats) uint64 { return s.Bytes }},
		{wireDesc("acks_total", "Responses that Envoys accepted.", "type"), func(s server.TypeStats) uint64 { return s.ACKs }},
		{wireDesc("nacks_total", "Responses that Envoys rejected.", "type"), func(s server.TypeStats) uint64 { return s.NACKs }},
	}
)

// Describe implements prometheus.Collector.
func (m streamMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{xdsStreams, xdsWaiting, xdsToACK} {
		descs <- d
	}
	for _, c := range xdsTotals {
		descs <- c.desc
	}
	for _, c := range xdsOfType {
		descs <- c.desc
	}
}

// Collect implements prometheus.Collector.
func (m streamMetrics) Collect(metrics chan<- prometheus.Metric) {
	s := m.server.Stats()
	metrics <- prometheus.MustNewConstMetric(xdsStreams, prometheus.GaugeValue, float64(s.Streams))
	metrics <- prometheus.MustNewConstMetric(xdsWaiting, prometheus.GaugeValue, float64(s.Waiting))
	for _, c := range xdsTotals {
		metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.of(s)))
	}
	for t := range snapshot.Types() {
		for _, c := range xdsOfType {
			metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.of(s.Types[t])), t.String())
		}
	}
	metrics <- histogram(xdsToACK, s.UpdateToACK)
}

// histogram is d with every second of its buckets, from 128 µs up.
func histogram(desc *prometheus.Desc, d server.Durations) prometheus.Metric {
	const first, step = 7, 2
	below, sum := map[float64]uint64{}, uint64(0)
	for i, n := range d.Buckets[:len(d.Buckets)-1] { // the last one has no bound
		sum += n
		if i >= first && (i-first)%step == 0 {
			below[(time.Microsecond << i).Seconds()] = sum
		}
	}
	return prometheus.MustNewConstHistogram(desc, d.Count, d.Sum.Seconds(), below)
}

// passMetrics count what the loop does, as it does it.
type passMetrics struct {
	translation, publication prometheus.Histogram
	resources                prometheus.Counter
	waiting                  prometheus.Gauge
	merged                   prometheus.Counter
	before                   uint64 // of Pass.Merged: by the loop alone
}

func newPassMetrics() *passMetrics {
	buckets := prometheus.ExponentialBuckets(0.0001, 4, 9) // 100 µs to 6.6 s
	return &passMetrics{
		translation: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "legation_translation_duration_seconds", Buckets: buckets,
			Help: "How long it took to translate what had changed."}),
		publication: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "legation_publication_duration_seconds", Buckets: buckets,
			Help: "How long it took to lay holds over that and to hand it to the streams, which then send it."}),
		resources: prometheus.NewCounter(prometheus.CounterOpts{Name: "legation_translated_resources_total",
			Help: "Resources and filter chains that were computed, whether or not they came out as they were."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "legation_changes_waiting",
			Help: "Objects whose changes wait, since their namespace makes more than namespace-changes."}),
		merged: prometheus.NewCounter(prometheus.CounterOpts{Name: "legation_changes_merged_total",
			Help: "Changes that a newer one of the same object replaced while they waited."}),
	}
}

func (m *passMetrics) observe(p controller.Pass) {
	m.translation.Observe(p.Translation.Seconds())
	m.publication.Observe(p.Publication.Seconds())
	m.resources.Add(float64(p.Stats.Resources))
	m.waiting.Set(float64(p.Waiting))
	m.merged.Add(float64(p.Merged - m.before))
	m.before = p.Merged
}

func (m *passMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.translation, m.publication, m.resources, m.waiting, m.merged}
}
