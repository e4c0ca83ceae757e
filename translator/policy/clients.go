package policy

import "time"

// Clients are the connections from clients and the requests on them, before a
// route is chosen.
type Clients struct {
	EscapedSlashes EscapedSlashes
	RequestHeaders uint32        // of one request, in KiB
	DownstreamIdle time.Duration // between two requests
	DownstreamMax  time.Duration // age of a connection; zero: no limit
	TCPKeepAlive   time.Duration // without traffic until the kernel asks; zero: never
	DrainUpgrades  DrainUpgrades
	ServerHeader   ServerHeader
}

// EscapedSlashes says what becomes of %2F and %5C in a path.
type EscapedSlashes string

// The ways to treat an escaped slash.
const (
	Unescape EscapedSlashes = "unescape" // as the slash that it means, before routing
	Reject   EscapedSlashes = "reject"   // 400
	Keep     EscapedSlashes = "keep"     // untouched: a route of /admin can be passed by
)

// DrainUpgrades says what becomes of WebSockets when their Envoy drains.
type DrainUpgrades string

// What becomes of them. Envoy decides by drain_timeout, its drain time (--drain-time-s)
// and a guard in its bootstrap.
const (
	HoldUpgrades  DrainUpgrades = "hold"  // to the end of the drain
	CloseUpgrades DrainUpgrades = "close" // in the last third of the drain time
)

// ServerHeader says what becomes of the header Server of an answer.
type ServerHeader string

// What becomes of it.
const (
	AddServer    ServerHeader = "add"    // the backend's, else ours
	PassServer   ServerHeader = "pass"   // the backend's or none
	RemoveServer ServerHeader = "remove" // none
)

// clientRows are the settings of Clients.
var clientRows = []Setting{
	{
		Name: "downstream-idle-timeout", Type: duration(func(v *Values) *time.Duration { return &v.DownstreamIdle }, time.Second, 7*day),
		Default: "1h", Why: "Envoy's own. It must be longer than what a balancer in front keeps: Google's keeps 600 s, AWS's 60 s.",
		Envoy: "HttpProtocolOptions.idle_timeout of the listeners",
		Doc:   "How long a client's connection may rest between requests. It is closed then, at once if it had none, else within 6 s; a client of HTTP/2 is told by GOAWAY first.",
	},
	{
		Name: "downstream-max-lifetime", Type: durationOrOff(func(v *Values) *time.Duration { return &v.DownstreamMax }, time.Second, 30*day),
		Default: "off", Why: "As ingress-nginx. Where a balancer in front spreads connections, not requests, `1h` lets new Envoys get some.",
		Envoy: "HttpProtocolOptions.max_connection_duration, max_connection_duration_jitter, HttpConnectionManager.http1_safe_max_connection_duration of the listeners",
		Doc:   "How old a client's connection may grow. Then the client is told to leave it, by `Connection: close` or GOAWAY; no request is cut. Each lives up to a fifth longer, at random, so that those of one moment do not end in another.",
	},
	{
		Name: "drain-upgrades", Type: oneOf(func(v *Values) *DrainUpgrades { return &v.DrainUpgrades }, HoldUpgrades, CloseUpgrades),
		Default: "hold", Why: "A WebSocket is work under way like a request. `close` empties an Envoy sooner, and tells idle clients of HTTP/2 by GOAWAY.",
		Envoy: "HttpConnectionManager.drain_timeout (4 s or 1 s), and envoy.reloadable_features.use_connection_event_drain of the bootstrap",
		Doc:   "What becomes of WebSockets when their Envoy is told to end: held to the deadline, or closed in the last third of the drain time, and idle connections with them. `legation bootstrap --upgrades` and `shutdown-manager run --upgrades` must say the same.",
	},
	{
		Name: "escaped-slashes", Type: oneOf(func(v *Values) *EscapedSlashes { return &v.EscapedSlashes }, Unescape, Reject, Keep),
		Default: "unescape", Why: "As nginx matches. With `keep`, `/x/..%2fadmin` passes by whatever guards `/admin`; GitLab's API and npm need `keep`.",
		Envoy: "HttpConnectionManager.path_with_escaped_slashes_action",
		Doc:   "What becomes of `%2F` and `%5C` in a path: treated as the slash, refused with 400, or passed on.",
	},
	{
		Name: "max-request-headers", Type: whole(func(v *Values) *uint32 { return &v.RequestHeaders }, "KiB", 1, 8192),
		Default: "60", Why: "Envoy's own; ingress-nginx takes four lines of 8 KiB. More is answered 431, by HTTP/2 with a reset of the stream (Envoy has no status there).",
		Envoy: "HttpConnectionManager.max_request_headers_kb",
		Doc:   "How large the headers of a request may be in all. There may be 1,000.",
	},
	{
		Name: "server-header", Type: oneOf(func(v *Values) *ServerHeader { return &v.ServerHeader }, AddServer, PassServer, RemoveServer),
		Default: "add", Why: "RFC 9110 (10.2.4) leaves it to servers. Tools that tell a proxy's answers from a backend's go by it; `legation` says no version. ingress-nginx removes it.",
		Envoy: "HttpConnectionManager.server_header_transformation, server_name; for `remove` the filter header_mutation",
		Doc:   "What becomes of the header `Server` of an answer: `legation` is added where the backend names none, the backend's is passed on or nothing, or it is removed.",
	},
	{
		Name: "tcp-keepalive", Type: durationOrOff(func(v *Values) *time.Duration { return &v.TCPKeepAlive }, time.Second, longestKeepAlive),
		Default: "off", Why: "As ingress-nginx. Set it below what a balancer or NAT in front forgets (AWS's network balancer: 350 s).",
		Envoy: "Listener.tcp_keepalive",
		Doc:   "After how long without traffic the kernel asks whether a client is still there; three times without an answer close the connection.",
		Fixed: "It is an option of the listening socket.",
	},
}
