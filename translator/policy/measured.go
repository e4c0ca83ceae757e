package policy

import "time"

// Measured is how much is counted of a Service.
type Measured struct {
	AllMetricsUntil time.Time // zero: no more than of others
}

// measuredRows are the settings of Measured. A Service alone has them: what an Ingress or a
// class says would be of many.
var measuredRows = []Setting{
	{
		Name: "all-metrics-until", Type: moment(func(v *Values) *time.Time { return &v.AllMetricsUntil }),
		Default: "", Why: "A busy Service would have 168 series in each Envoy instead of at most 54 (measured), and histograms among them.",
		Envoy: "Cluster.stats_matcher",
		Doc: "Until this moment Envoy's metrics have all statistics that it has of the clusters of the Service, for whoever looks for something there; then they end by themselves. " +
			"When it begins and when it ends, connections to endpoints are replaced as with any change of a setting of connections: requests under way are finished, and counters begin at zero.",
	},
}
