package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"legation.dev/watcher/status"
)

// statusMetrics says what is written to Kubernetes, when it is scraped.
type statusMetrics struct{ writer *status.Writer }

// contestedShown bounds the objects that a metric names: the number of series must
// not follow that of Ingresses. The log and Events name all.
const contestedShown = 20

func statusDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("legation_status_"+name, help, labels, nil)
}

var (
	statusLeader    = statusDesc("leader", "1 if this replica writes to Kubernetes, else 0.")
	statusWaiting   = statusDesc("waiting", "New Ingresses that wait for their address until all Envoys serve them.")
	statusContested = statusDesc("contested_objects", "Objects that other controllers rewrite and that are left to them: Ingresses that are not written any more, Services whose address is not followed.")
	statusFight     = statusDesc("contested", "One such object and the field managers of the others; at most 20 of them.", "kind", "namespace", "name", "managers")

	statusCounters = []struct {
		desc *prometheus.Desc
		of   func(status.Stats) int
	}{
		{statusDesc("terms_total", "How often this replica began to write."), func(s status.Stats) int { return s.Terms }},
		{statusDesc("writes_total", "Writes of the status of Ingresses."), func(s status.Stats) int { return s.Writes }},
		{statusDesc("conflicts_total", "Writes that were refused because the Ingress had changed, and are decided anew."), func(s status.Stats) int { return s.Conflicts }},
		{statusDesc("failures_total", "Writes that failed otherwise and are tried again."), func(s status.Stats) int { return s.Failures }},
		{statusDesc("flips_total", "How often another controller undid what was written."), func(s status.Stats) int { return s.Flips }},
		{statusDesc("addresses_total", "Addresses that were taken over from a Service, from nodes or from a flag."), func(s status.Stats) int { return s.Follows }},
		{statusDesc("events_total", "Events that were written or renewed."), func(s status.Stats) int { return s.Events }},
		{statusDesc("event_failures_total", "Events that could not be written and are tried again."), func(s status.Stats) int { return s.EventFailures }},
	}
)

// Describe implements prometheus.Collector.
func (m statusMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{statusLeader, statusWaiting, statusContested, statusFight} {
		descs <- d
	}
	for _, c := range statusCounters {
		descs <- c.desc
	}
}

// Collect implements prometheus.Collector.
func (m statusMetrics) Collect(metrics chan<- prometheus.Metric) {
	s := m.writer.Stats()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	leader := 0.0
	if s.Leader {
		leader = 1
	}
	gauge(statusLeader, leader)
	gauge(statusWaiting, float64(s.Waiting))
	gauge(statusContested, float64(len(s.Fights)))
	for _, f := range s.Fights[:min(len(s.Fights), contestedShown)] {
		gauge(statusFight, 1, string(f.Object.Kind), f.Object.Namespace, f.Object.Name, strings.Join(f.Managers, ","))
	}
	for _, c := range statusCounters {
		metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.of(s)))
	}
}
