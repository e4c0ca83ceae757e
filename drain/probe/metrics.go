package probe

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/drain/host"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("shutdown_manager_"+name, help, labels, nil)
}

var (
	readable = desc("envoy_readable",
		"Whether the statistics of Envoy's data listeners could be read at this scrape. If not, what is active is unknown and has no series.")
	draining    = desc("draining", "Whether Envoy drains. No series if it does not answer.")
	requests    = desc("requests_active", "Requests that are active on data listeners, WebSockets included.")
	upgrades    = desc("upgrades_active", "WebSockets that are open on data listeners.")
	connections = desc("connections_open", "Connections that are open on data listeners.")
	limit       = desc("connections_limit", "Connections that Envoy takes at most, on all listeners. No series if it has no limit.")
	start       = desc("drain_start_timestamp_seconds", "When the drain began.")
	deadline    = desc("drain_deadline_timestamp_seconds", "When Envoy is ended whatever is active.")
	finished    = desc("drain_requests_finished_total", "Requests that ended during the drain.")
	closed      = desc("drain_connections_closed_gracefully_total",
		"Connections that ended without a request under way during the drain, those that were idle at its end included.")
	cut = desc("drain_requests_cut_total",
		"Requests that were active when Envoy was ended; upgrades are WebSockets.", "kind")
	cutFrom = desc("drain_cut_from_requests",
		"Requests that were active when Envoy was ended, by the endpoint they were with: at most 20, the others as cluster \"others\".", "cluster", "upstream")
)

// Metrics is a prometheus.Collector of what is active and how far a drain is. It
// asks Envoy when it is scraped.
type Metrics struct {
	Envoy    *admin.Client
	Ignored  []string // names of listeners that are no data listeners
	Progress *drain.Progress

	most atomic.Int64 // the limit of connections, which the bootstrap says for the life of Envoy; 0: not asked yet, -1: none
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readable, draining, requests, upgrades, connections, limit, start, deadline, finished, closed, cut, cutFrom} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), admin.Timeout)
	defer cancel()
	m.active(ctx, metrics)
	if s := m.Progress.State(); s.Begun {
		progress(metrics, s)
	}
}

func (m *Metrics) active(ctx context.Context, metrics chan<- prometheus.Metric) {
	if info, err := m.Envoy.Info(ctx); err == nil {
		host.Gauge(metrics, draining, host.Truth(info.State == admin.Draining))
	}
	reading, err := m.Envoy.Reading(ctx, m.Ignored)
	host.Gauge(metrics, readable, host.Truth(err == nil))
	if err != nil {
		return
	}
	host.Gauge(metrics, requests, float64(reading.Requests))
	host.Gauge(metrics, upgrades, float64(reading.Upgrades))
	host.Gauge(metrics, connections, float64(reading.Connections))
	if n := m.limit(ctx); n > 0 {
		host.Gauge(metrics, limit, float64(n))
	}
}

// limit asks Envoy once how many connections it takes.
func (m *Metrics) limit(ctx context.Context) int64 {
	if n := m.most.Load(); n != 0 {
		return n
	}
	n, err := m.Envoy.ConnectionLimit(ctx)
	switch {
	case err == nil:
		m.most.Store(int64(n))
	case errors.Is(err, admin.ErrNoLimit):
		m.most.Store(-1)
	}
	return m.most.Load()
}

func progress(metrics chan<- prometheus.Metric, s drain.State) {
	if !s.Start.IsZero() {
		host.Gauge(metrics, start, float64(s.Start.UnixMilli())/1000)
		host.Gauge(metrics, deadline, float64(s.Deadline.UnixMilli())/1000)
	}
	counter(metrics, finished, s.Report.RequestsFinished)
	counter(metrics, closed, s.Report.ClosedGracefully)
	if s.Report.Reason == "" {
		return // nothing is cut before the end
	}
	counter(metrics, cut, s.Report.RequestsCut, "request")
	counter(metrics, cut, s.Report.UpgradesCut, "upgrade")
	for _, u := range s.Report.CutFrom {
		host.Gauge(metrics, cutFrom, float64(u.Requests), u.Cluster, u.Address)
	}
	if s.Report.CutFromOthers > 0 {
		host.Gauge(metrics, cutFrom, float64(s.Report.CutFromOthers), "others", "")
	}
}

func counter(metrics chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}
