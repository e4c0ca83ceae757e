package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"legation.dev/xds/identity"
)

// wireMetrics says how it is with certificates, when it is scraped.
type wireMetrics struct {
	folder *identity.Folder
	gate   *identity.Gate
}

func wireDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("legation_xds_"+name, help, labels, nil)
}

var (
	certificateEnd = wireDesc("certificate_end_timestamp_seconds", "When a certificate of --tls ends: tls.crt, or the first in ca.crt. Nobody new can connect then.", "file")
	certificateBad = wireDesc("certificates_unusable", "1 if the files of --tls cannot be used now and the last ones are in force, else 0.")
	clientsRefused = wireDesc("clients_refused_total", "Connections and calls that were refused, by reason.", "reason")
)

// Describe implements prometheus.Collector.
func (m wireMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{certificateEnd, certificateBad, clientsRefused} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (m wireMetrics) Collect(metrics chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	certificate, ca := m.folder.Ends()
	send(certificateEnd, prometheus.GaugeValue, float64(certificate.Unix()), identity.CertificateFile)
	send(certificateEnd, prometheus.GaugeValue, float64(ca.Unix()), identity.CAFile)
	bad := 0.0
	if m.folder.Failure() != "" {
		bad = 1
	}
	send(certificateBad, prometheus.GaugeValue, bad)
	for reason, n := range m.gate.Refused() {
		send(clientsRefused, prometheus.CounterValue, float64(n), identity.Reason(reason).String())
	}
}
