package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"legation.dev/xds/observed"
)

// trafficMetrics says what Envoys reported, when it is scraped. What they counted of a
// Service is at their own /metrics, so here it is only how they report.
type trafficMetrics struct{ book *observed.Book }

var (
	observedTotals = []struct {
		desc *prometheus.Desc
		of   func(observed.Stats) uint64
	}{
		{observedDesc("reports_total", "Requests in which Envoys reported of traffic."), func(s observed.Stats) uint64 { return s.Reports }},
		{observedDesc("reports_refused_total", "Of these, those of no fleet that is served, or of an Envoy too many."), func(s observed.Stats) uint64 { return s.Refused }},
		{observedDesc("points_total", "Numbers in them that were taken."), func(s observed.Stats) uint64 { return s.Points }},
		{observedDesc("points_unknown_total", "Numbers of clusters that the fleet is not served any more, or of other statistics."), func(s observed.Stats) uint64 { return s.Unknown }},
		{observedDesc("points_cut_total", "Numbers that count for their Service and not for their Envoy, since there are too many pairs of both; and those of listeners too many."), func(s observed.Stats) uint64 { return s.Cut }},
	}
	observedEnvoys = observedDesc("envoys", "Envoys that reported to this replica in the last whole minute.")
)

func observedDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("legation_observed_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (m trafficMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, t := range observedTotals {
		descs <- t.desc
	}
	descs <- observedEnvoys
}

// Collect implements prometheus.Collector.
func (m trafficMetrics) Collect(metrics chan<- prometheus.Metric) {
	s := m.book.Stats()
	for _, t := range observedTotals {
		metrics <- prometheus.MustNewConstMetric(t.desc, prometheus.CounterValue, float64(t.of(s)))
	}
	metrics <- prometheus.MustNewConstMetric(observedEnvoys, prometheus.GaugeValue, float64(m.book.Heard(time.Now())))
}
