package policy

import (
	"fmt"
	"time"
)

// Health is which endpoints are left out: those that fail requests (outliers),
// and those that fail checks.
type Health struct {
	OutlierErrors       uint32        // in a row; zero: none is left out for errors
	OutlierEjectionTime time.Duration // the first time
	OutlierMaxEjected   uint32        // percent of the endpoints
	HealthCheckPath     string        // or "off"
	HealthCheckInterval time.Duration
	HealthCheckTimeout  time.Duration // below the interval
}

// HealthChecked reports whether endpoints are asked for their health, and where.
func (h Health) HealthChecked() (path string, interval, timeout time.Duration, ok bool) {
	return h.HealthCheckPath, h.HealthCheckInterval, h.HealthCheckTimeout, h.HealthCheckPath != off
}

// WithoutChecks is h, and no endpoint is asked for its health.
func (h Health) WithoutChecks() Health {
	h.HealthCheckPath = off
	return h
}

// healthRows are the settings of Health.
var healthRows = []Setting{
	{
		Name: "health-check-interval", Type: duration(func(v *Values) *time.Duration { return &v.HealthCheckInterval }, time.Second, time.Hour),
		Default: "10s", Why: "As Kubernetes' own probes (periodSeconds).",
		Envoy: "HealthCheck.interval, no_traffic_interval",
		Doc:   "How often each endpoint is asked, by each Envoy. Three failures in a row take it out, one success brings it back.",
	},
	{
		Name: "health-check-path", Type: checkPath(func(v *Values) *string { return &v.HealthCheckPath }),
		Default: "off", Why: "Kubernetes probes the endpoints, and takes away those that are not ready.",
		Envoy: "HealthCheck.http_health_check.path",
		Doc:   "The path at which Envoy asks each endpoint whether it is well; anything but 200 is a failure. The Host is `SERVICE.NAMESPACE`.",
	},
	{
		Name: "health-check-timeout", Type: duration(func(v *Values) *time.Duration { return &v.HealthCheckTimeout }, 10*time.Millisecond, time.Second),
		Default: "1s", Why: "As Kubernetes' own probes (timeoutSeconds). It is not more, since the first check of a new cluster holds back the answers of all clusters that long (measured).",
		Envoy: "HealthCheck.timeout",
		Doc:   "How long an endpoint may take to answer a check.",
	},
	{
		Name: "outlier-ejection-time", Type: duration(func(v *Values) *time.Duration { return &v.OutlierEjectionTime }, time.Second, time.Hour),
		Default: "30s", Why: "Envoy's own.",
		Envoy: "OutlierDetection.base_ejection_time",
		Doc:   "How long an endpoint is left out the first time; each further time takes longer, up to ten times.",
	},
	{
		Name: "outlier-errors", Type: wholeOrOff(func(v *Values) *uint32 { return &v.OutlierErrors }, "errors in a row", 1, 1000),
		Default: "off", Why: "As ingress-nginx, which leaves out none. An application that answers 503 to a few would lose its endpoints.",
		Envoy: "OutlierDetection.consecutive_gateway_failure",
		Doc:   "After how many 502, 503, 504, resets or failed connections in a row Envoy leaves an endpoint out for a while. A 500 does not count.",
	},
	{
		Name: "outlier-max-ejected", Type: whole(func(v *Values) *uint32 { return &v.OutlierMaxEjected }, "percent", 1, 100),
		Default: "50", Why: "Half of the endpoints must be able to carry the load. Envoy's own 10 leaves out none of a few.",
		Envoy: "OutlierDetection.max_ejection_percent",
		Doc:   "The share of endpoints that may be left out at once.",
	},
}

// A check ends before the next begins.
var healthContradictions = []contradiction{
	{"health-check-timeout", "health-check-interval", func(v Values) error {
		if v.HealthCheckTimeout >= v.HealthCheckInterval {
			return fmt.Errorf("not below the health-check-interval of %v beside it", v.HealthCheckInterval)
		}
		return nil
	}},
}
