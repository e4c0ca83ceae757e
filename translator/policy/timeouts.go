package policy

import "time"

// Timeouts of a request; zero is no limit.
type Timeouts struct {
	IdleTimeout       time.Duration
	MaxStreamDuration time.Duration
	RequestTimeout    time.Duration
}

// timeoutsSettings are the rows of Timeouts.
var timeoutsSettings = []Setting{
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
		Name: "request-timeout", Type: durationOrOff(func(v *Values) *time.Duration { return &v.RequestTimeout }, 10*time.Millisecond, day),
		Default: "off", Why: "As ingress-nginx. Envoy's own 15 s would cut downloads and event streams.",
		Envoy: "RouteAction.timeout",
		Doc:   "How long the whole answer may take, tries included, counted from the end of the request: 504, or the connection is reset if it has begun. It does not end WebSockets.",
	},
}
