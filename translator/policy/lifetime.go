package policy

import "time"

// Lifetime is how long connections to endpoints live. Zero is no limit.
type Lifetime struct {
	UpstreamConnectTimeout time.Duration // until one has come about; never zero
	UpstreamIdleTimeout    time.Duration // between two requests; never zero
	UpstreamMaxLifetime    time.Duration
	UpstreamMaxRequests    uint32
	UpstreamPreset         Preset        // that gave the three before it, or NoPreset
	UpstreamTCPKeepAlive   time.Duration // without traffic until the kernel asks; zero: never
	DrainDuration          time.Duration // of a cluster that no route names any more
}

// lifetimeRows are the settings of Lifetime.
var lifetimeRows = []Setting{
	{
		Name: "drain-duration", Type: duration(func(v *Values) *time.Duration { return &v.DrainDuration }, 5*time.Second, time.Hour),
		Default: "30s", Why: "As Kubernetes' terminationGracePeriodSeconds. Above the 15 s that three tries to connect take at most, each of which needs the cluster.",
		Envoy: "none: when the cluster is removed",
		Doc: "How long the cluster of a Service port outlives the last route that led there, so that requests under way are tried again as they would have been. " +
			"Envoy cuts no request, stream or WebSocket at its end (measured); `max-stream-duration` does. " +
			"A terminating endpoint gets no new requests, unless all of the Service's endpoints terminate, and drains until its pod is gone, however long that takes. A change sends nothing to Envoy.",
	},
	{
		Name: "upstream-connect-timeout", Type: duration(func(v *Values) *time.Duration { return &v.UpstreamConnectTimeout }, 10*time.Millisecond, time.Minute),
		Default: "5s", Why: "As ingress-nginx (proxy-connect-timeout). Above 1 s, or one lost SYN, sent again after 1 s, fails the request.",
		Envoy: "Cluster.connect_timeout",
		Doc:   "How long a connection to an endpoint may take to come about. A request that waited for it is answered 504.",
	},
	{
		Name: "upstream-idle-timeout", Type: duration(func(v *Values) *time.Duration { return &v.UpstreamIdleTimeout }, 10*time.Millisecond, day),
		Default: "1.5s", Why: "Below the shortest common keep-alive, Gunicorn's 2 s (measured), so that Envoy closes before the server does. Where requests are rarer than that, each opens one: at most 0.25 connections/s for each worker and endpoint (docs/upstream.md).",
		Envoy: "HttpProtocolOptions.idle_timeout of the cluster",
		Doc:   "How long a connection to an endpoint may rest between requests. It must stay below the server's own keep-alive timeout, by a quarter of it.",
	},
	{
		Name: "upstream-max-lifetime", Type: durationOrOff(func(v *Values) *time.Duration { return &v.UpstreamMaxLifetime }, 100*time.Millisecond, 7*day),
		Default: "off", Why: "Of the common servers only nginx has such a limit, 1 h, and announces it.",
		Envoy: "HttpProtocolOptions.max_connection_duration of the cluster",
		Doc:   "How old a connection to an endpoint may grow; the request on it is finished first. For servers, or firewalls, that end connections by age.",
	},
	{
		Name: "upstream-max-requests", Type: wholeOrOff(func(v *Values) *uint32 { return &v.UpstreamMaxRequests }, "requests", 1, 1<<30),
		Default: "off", Why: "The limits of the common servers are announced by `Connection: close`, which Envoy obeys (measured).",
		Envoy: "HttpProtocolOptions.max_requests_per_connection of the cluster",
		Doc:   "How many requests one connection to an endpoint may carry. `1` turns keep-alive off.",
	},
	{
		Name: presetName, Type: serverPreset(), Gives: []string{"upstream-idle-timeout", "upstream-max-lifetime", "upstream-max-requests"},
		Default: string(NoPreset), Why: "What the server is, only its owner knows.",
		Envoy: "those of upstream-idle-timeout, upstream-max-lifetime and upstream-max-requests",
		Doc: "The kind of server behind the Service, with its default settings: gives upstream-idle-timeout, upstream-max-lifetime and upstream-max-requests values below its limits. " +
			"It wins over those three of wider objects; beside it on the same object they may be smaller, not larger.",
		More: presetTable(),
	},
	{
		Name: "upstream-tcp-keepalive", Type: durationOrOff(func(v *Values) *time.Duration { return &v.UpstreamTCPKeepAlive }, time.Second, longestKeepAlive),
		Default: "off", Why: "As ingress-nginx. For streams and WebSockets that rest longer than a firewall on the way to the endpoints remembers.",
		Envoy: "UpstreamConnectionOptions.tcp_keepalive",
		Doc:   "After how long without traffic the kernel asks whether an endpoint is still there; three times without an answer close the connection.",
	},
}

// What a preset gives may be made smaller beside it, not larger.
var lifetimeContradictions = []contradiction{
	{"upstream-idle-timeout", presetName, outlastsServer("upstream-idle-timeout")},
	{"upstream-max-lifetime", presetName, outlastsServer("upstream-max-lifetime")},
	{"upstream-max-requests", presetName, outlastsServer("upstream-max-requests")},
}

func outlastsServer(name string) func(Values) error {
	return func(v Values) error { return serverOf(v.UpstreamPreset).contradicts(name, v) }
}
