package policy

import (
	"fmt"
	"time"
)

// Timeouts bound a request. Zero is no limit.
type Timeouts struct {
	IdleTimeout       time.Duration // without a byte in either direction; never zero
	RequestTimeout    time.Duration // from the end of the request to the end of the answer
	PerTryTimeout     time.Duration // from the end of the request to the beginning of the answer
	MaxStreamDuration time.Duration // from the first byte to the last
}

// timeoutRows are the settings of Timeouts.
var timeoutRows = []Setting{
	{
		Name: "idle-timeout", Type: duration(func(v *Values) *time.Duration { return &v.IdleTimeout }, 100*time.Millisecond, 7*day),
		Default: "60s", Why: "As ingress-nginx (proxy-read-timeout, proxy-send-timeout), which cuts idle WebSockets too.",
		Envoy: "RouteAction.idle_timeout",
		Doc:   "How long a request, response or WebSocket may stand still.",
	},
	{
		Name: "max-stream-duration", Type: durationOrOff(func(v *Values) *time.Duration { return &v.MaxStreamDuration }, 10*time.Millisecond, 30*day),
		Default: "off", Why: "Envoy ends no WebSocket, download or event stream by its age.",
		Envoy: "RouteAction.max_stream_duration",
		Doc:   "How long a request may last from its first byte, upload, answer and WebSocket alike. It is a hard end: what is not done is cut.",
	},
	{
		Name: "per-try-timeout", Type: durationOrOff(func(v *Values) *time.Duration { return &v.PerTryTimeout }, 10*time.Millisecond, day),
		Default: "off", Why: "As ingress-nginx: idle-timeout ends a try that stands still.",
		Envoy: "RetryPolicy.per_try_timeout",
		Doc:   "How long an endpoint may take to begin its answer, counted from the end of the request. Then the request is tried again if `retry-idempotent` says so, else answered 504.",
	},
	{
		Name: "request-timeout", Type: durationOrOff(func(v *Values) *time.Duration { return &v.RequestTimeout }, 10*time.Millisecond, day),
		Default: "off", Why: "As ingress-nginx. Envoy's own 15 s would cut downloads and event streams.",
		Envoy: "RouteAction.timeout",
		Doc:   "How long the whole answer may take, tries included, counted from the end of the request: 504, or the connection is reset if it has begun. It does not end WebSockets.",
	},
}

// A timeout that another ends first would never be seen.
var timeoutContradictions = []contradiction{
	{"per-try-timeout", "request-timeout", func(v Values) error {
		if v.RequestTimeout > 0 && v.PerTryTimeout >= v.RequestTimeout {
			return fmt.Errorf("not below the request-timeout of %v beside it", v.RequestTimeout)
		}
		return nil
	}},
	{"request-timeout", "max-stream-duration", func(v Values) error {
		if v.MaxStreamDuration > 0 && v.RequestTimeout >= v.MaxStreamDuration {
			return fmt.Errorf("not below the max-stream-duration of %v beside it", v.MaxStreamDuration)
		}
		return nil
	}},
}
