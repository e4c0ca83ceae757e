package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"legation.dev/object"
)

// sourceMetrics says how the source is, when it is scraped.
type sourceMetrics struct{ source *source }

// notFollowed counts by kind what cannot be read now: 0 for each kind if all is
// well.
var notFollowed = prometheus.NewDesc("legation_source_not_followed",
	"What of a kind was not read yet or cannot be followed now: listings, or objects that are fetched by name. What was read before is served on.",
	[]string{"kind"}, nil)

// Describe implements prometheus.Collector.
func (m sourceMetrics) Describe(descs chan<- *prometheus.Desc) { descs <- notFollowed }

// Collect implements prometheus.Collector.
func (m sourceMetrics) Collect(metrics chan<- prometheus.Metric) {
	counts := map[object.Kind]int{}
	for _, c := range m.source.waiting() {
		counts[c.Kind]++
	}
	for _, of := range object.Kinds {
		metrics <- prometheus.MustNewConstMetric(notFollowed, prometheus.GaugeValue, float64(counts[of.Kind]), string(of.Kind))
	}
}
