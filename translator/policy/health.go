package policy

import (
	"errors"
	"strings"
	"time"
)

// Health is which endpoints are left out.
type Health struct {
	HealthCheckInterval time.Duration
	HealthCheckPath     string // or "off"
	HealthCheckTimeout  time.Duration
	OutlierEjectionTime time.Duration
	OutlierErrors       uint32 // in a row; zero: none is left out
	OutlierMaxEjected   uint32 // percent
}

// healthSettings are the rows of Health.
var healthSettings = []Setting{
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

// checkPath is the path of a health check, or "off".
func checkPath(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		unfit := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }
		if text != off && (!strings.HasPrefix(text, "/") || len(text) > longestPath || strings.ContainsFunc(text, unfit)) {
			return "", errors.New("neither off nor a path such as /healthz")
		}
		return text, nil
	}
	return typeOf("path", "printable ASCII, or off", field, parse, func(s string) string { return s })
}

// longestPath of a health check, in bytes.
const longestPath = 1024

// HealthChecked says whether endpoints are asked for their health, and where.
func (v Values) HealthChecked() (path string, interval, timeout time.Duration, ok bool) {
	return v.HealthCheckPath, v.HealthCheckInterval, v.HealthCheckTimeout, v.HealthCheckPath != off
}
