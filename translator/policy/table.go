package policy

import (
	"net/netip"
	"time"
)

const (
	day         = 24 * time.Hour
	everywhere  = OnService | OnIngress | OnClass
	ingressWide = OnIngress | OnClass
)

// table is ordered by name; settings that a class fixes at install come with
// the others. See TestTable for what every row must have.
var table = []Setting{
	{
		Name: "access-log", Type: filePath(func(v *Values) *string { return &v.AccessLog }), Scopes: OnClass, Fixed: true,
		Default: Stdout, Why: "As ingress-nginx: every request can be explained afterwards.",
		Envoy: "HttpConnectionManager.access_log",
		Doc:   "Where Envoy writes a line of JSON for each request. `/dev/stdout` is the log of the container.",
	},
	{
		Name: "access-log-fields", Type: logFields(func(v *Values) *[]LogField { return &v.AccessLogFields }), Scopes: OnClass, Fixed: true,
		Default: "all", Why: "What explains a failure is known only afterwards. Fields that are empty are left out of a line.",
		Envoy: "SubstitutionFormatString.json_format of the access log",
		Doc: "What is in a line of the access log. `flags` and `details` say in Envoy's words why an answer is what it is ([troubleshooting](troubleshooting.md)), `route` begins with the Ingress, " +
			"`cluster` is namespace, Service and port, `duration` and `upstream_duration` are in ms, `received` and `sent` in bytes.",
	},
	{
		Name: "access-log-filter", Type: oneOf(func(v *Values) *LogFilter { return &v.AccessLogFilter }, LogAll, LogErrors), Scopes: OnClass, Fixed: true,
		Default: string(LogAll), Why: "As ingress-nginx. At thousands of requests a second a line for each costs more than the rest of Envoy.",
		Envoy: "AccessLog.filter",
		Doc:   "Which requests are logged: all, or those with a status of 500 or more or with a response flag, such as clients that left early.",
	},
	{
		Name: "bind-addresses", Type: addresses(func(v *Values) *[]netip.Addr { return &v.BindAddresses }), Scopes: OnClass, Fixed: true,
		Default: "0.0.0.0,::", Why: "All IPv4 and IPv6 addresses. A node whose kernel has no IPv6 at all refuses the listener: write `0.0.0.0` there.",
		Envoy: "Listener.address, Listener.additional_addresses",
		Doc:   "The addresses that Envoy listens on.",
	},
	{
		Name: "connection-budget", Type: whole(func(v *Values) *uint32 { return &v.ConnectionBudget }, "connections", 2, 1<<20), Scopes: OnClass,
		Default: "32768", Why: "Twice what a Service port has by default. It must stay below the open files that one Envoy may have (RLIMIT_NOFILE), less those of its clients.",
		Envoy: "none",
		Doc:   "How many connections and requests one Envoy may have open to all endpoints. See service-share.",
	},
	{
		Name: "default-backend", Type: servicePort(func(v *Values) *ServicePort { return &v.DefaultBackend }), Scopes: OnClass,
		Default: "", Why: "Without one, what no rule matches is answered 404, as ingress-nginx does.",
		Envoy: "RouteAction.cluster of the last route of each virtual host",
		Doc:   "The Service of requests that no rule matches. An Ingress with a default backend and no rules wins over it.",
	},
	{
		Name: "default-tls-secret", Type: objectName(func(v *Values) *string { return &v.DefaultTLSSecret }), Scopes: OnClass,
		Default: "", Why: "Without one, the certificate that `legation bootstrap` made for the node answers.",
		Envoy: "CommonTlsContext.tls_certificate_sds_secret_configs of the default filter chain",
		Doc:   "The Secret with the certificate for names without a TLS section. Setting or unsetting it closes the connections of the default chain; another certificate in the Secret does not.",
	},
	{
		Name: "downstream-idle-timeout", Type: duration(func(v *Values) *time.Duration { return &v.DownstreamIdle }, time.Second, 7*day), Scopes: OnClass, Fixed: true,
		Default: "1h", Why: "Envoy's own. It must be longer than what a balancer in front keeps: Google's keeps 600 s, AWS's 60 s.",
		Envoy: "HttpProtocolOptions.idle_timeout of the listeners",
		Doc:   "How long a client's connection may rest between requests.",
	},
	{
		Name: "downstream-max-lifetime", Type: durationOrOff(func(v *Values) *time.Duration { return &v.DownstreamMax }, time.Second, 30*day), Scopes: OnClass, Fixed: true,
		Default: "off", Why: "As ingress-nginx. Where a balancer in front spreads connections, not requests, `1h` lets new Envoys get some.",
		Envoy: "HttpProtocolOptions.max_connection_duration, HttpConnectionManager.http1_safe_max_connection_duration of the listeners",
		Doc:   "How old a client's connection may grow. Then the client is told to leave it, by `Connection: close` or GOAWAY; no request is cut.",
	},
	{
		Name: "drain-duration", Type: duration(func(v *Values) *time.Duration { return &v.DrainDuration }, 5*time.Second, time.Hour), Scopes: everywhere, Upstream: true,
		Default: "30s", Why: "As Kubernetes' terminationGracePeriodSeconds. Above the 15 s that three tries to connect take at most, each of which needs the cluster.",
		Envoy: "none: when the cluster is removed",
		Doc: "How long the cluster of a Service port outlives the last route that led there, so that requests under way are tried again as they would have been. " +
			"Envoy cuts no request, stream or WebSocket at its end (measured); `max-stream-duration` does. " +
			"A terminating endpoint gets no new requests, unless all of the Service's endpoints terminate, and drains until its pod is gone, however long that takes. A change sends nothing to Envoy.",
	},
	{
		Name: "drain-upgrades", Type: oneOf(func(v *Values) *DrainUpgrades { return &v.DrainUpgrades }, HoldUpgrades, CloseUpgrades), Scopes: OnClass, Fixed: true,
		Default: "hold", Why: "A WebSocket is work under way like a request. `close` empties an Envoy sooner, and tells idle clients of HTTP/2 by GOAWAY.",
		Envoy: "HttpConnectionManager.drain_timeout (1 h or 1 s), against --drain-time-s of Envoy",
		Doc:   "What becomes of WebSockets when their Envoy is told to end: held to the deadline, or closed in the last third of the drain time, and idle connections with them. `shutdown-manager run --upgrades` must say the same.",
	},
	{
		Name: "escaped-slashes", Type: oneOf(func(v *Values) *EscapedSlashes { return &v.EscapedSlashes }, Unescape, Reject, Keep), Scopes: OnClass, Fixed: true,
		Default: "unescape", Why: "As nginx matches. With `keep`, `/x/..%2fadmin` passes by whatever guards `/admin`; GitLab's API and npm need `keep`.",
		Envoy: "HttpConnectionManager.path_with_escaped_slashes_action",
		Doc:   "What becomes of `%2F` and `%5C` in a path: treated as the slash, refused with 400, or passed on.",
	},
	{
		Name: "external-http-port", Type: port(func(v *Values) *uint32 { return &v.ExternalHTTPPort }), Scopes: OnClass, Fixed: true,
		Default: "80", Why: "What clients dial, whatever port Envoy is bound to.",
		Envoy: "early header mutation of X-Forwarded-Port",
		Doc:   "The port that clients reach the http listener at.",
	},
	{
		Name: "external-https-port", Type: port(func(v *Values) *uint32 { return &v.ExternalHTTPSPort }), Scopes: OnClass, Fixed: true,
		Default: "443", Why: "What clients dial, whatever port Envoy is bound to.",
		Envoy: "RedirectAction.port_redirect (if not 443), early header mutation of X-Forwarded-Port",
		Doc:   "The port that clients reach the https listener at; redirects to https name it.",
	},
	{
		Name: "external-names", Type: yesNo(func(v *Values) *bool { return &v.ExternalNames }), Scopes: OnClass,
		Default: "true", Why: "As ingress-nginx without --disable-svc-external-name.",
		Envoy: "Cluster.type STRICT_DNS",
		Doc:   "Whether Services of type ExternalName are served. If not, they answer 503.",
	},
	{
		Name: "hash-by", Type: hashKey(func(v *Values) *HashKey { return &v.HashBy }), Scopes: everywhere, Upstream: true,
		Default: "address", Why: "Every client has one.",
		Envoy: "RingHash.consistent_hashing_lb_config.hash_policy",
		Doc: "What a request is hashed by with `load-balancing: ring-hash`: the client's `address`, `header:NAME` or `cookie:NAME`. " +
			"A request without it goes to any endpoint. The cookie is the application's own: Envoy sets none.",
	},
	{
		Name: "health-check-interval", Type: duration(func(v *Values) *time.Duration { return &v.HealthCheckInterval }, time.Second, time.Hour), Scopes: everywhere, Upstream: true,
		Default: "10s", Why: "As Kubernetes' own probes (periodSeconds).",
		Envoy: "HealthCheck.interval, no_traffic_interval",
		Doc:   "How often each endpoint is asked, by each Envoy. Three failures in a row take it out, one success brings it back.",
	},
	{
		Name: "health-check-path", Type: checkPath(func(v *Values) *string { return &v.HealthCheckPath }), Scopes: everywhere, Upstream: true,
		Default: "off", Why: "Kubernetes probes the endpoints, and takes away those that are not ready.",
		Envoy: "HealthCheck.http_health_check.path",
		Doc:   "The path at which Envoy asks each endpoint whether it is well; anything but 200 is a failure. The Host is `SERVICE.NAMESPACE`.",
	},
	{
		Name: "health-check-timeout", Type: duration(func(v *Values) *time.Duration { return &v.HealthCheckTimeout }, 10*time.Millisecond, time.Second), Scopes: everywhere, Upstream: true,
		Default: "1s", Why: "As Kubernetes' own probes (timeoutSeconds). It is not more, since the first check of a new cluster holds back the answers of all clusters that long (measured).",
		Envoy: "HealthCheck.timeout",
		Doc:   "How long an endpoint may take to answer a check.",
	},
	{
		Name: "health-path", Type: checkPath(func(v *Values) *string { return &v.HealthPath }), Scopes: OnClass, Fixed: true,
		Default: "off", Why: "It takes the path away from the applications of all hosts.",
		Envoy: "http filter health_check of the listeners",
		Doc:   "A path that Envoy itself answers on its data ports, for a balancer in front: 200, and 503 as soon as it is told to fail (`/healthcheck/fail`), before it drains.",
	},
	{
		Name: "http-port", Type: port(func(v *Values) *uint32 { return &v.HTTPPort }), Scopes: OnClass, Fixed: true,
		Default: "80", Why: "The port of http.",
		Envoy: "Listener.address",
		Doc:   "The port that the http listener is bound to.",
	},
	{
		Name: "https-port", Type: port(func(v *Values) *uint32 { return &v.HTTPSPort }), Scopes: OnClass, Fixed: true,
		Default: "443", Why: "The port of https.",
		Envoy: "Listener.address",
		Doc:   "The port that the https listener is bound to.",
	},
	{
		Name: "idle-timeout", Type: duration(func(v *Values) *time.Duration { return &v.IdleTimeout }, 100*time.Millisecond, 7*day), Scopes: ingressWide,
		Default: "60s", Why: "As ingress-nginx (proxy-read-timeout, proxy-send-timeout), which cuts idle WebSockets too.",
		Envoy: "RouteAction.idle_timeout",
		Doc:   "How long a request, response or WebSocket may stand still.",
	},
	{
		Name: "load-balancing", Type: oneOf(func(v *Values) *LoadBalancing { return &v.LoadBalancing }, RoundRobin, LeastRequest, RingHash), Scopes: everywhere, Upstream: true,
		Default: "round-robin", Why: "As ingress-nginx. Each Envoy begins at a random endpoint.",
		Envoy: "Cluster.lb_policy; load_balancing_policy for ring-hash",
		Doc:   "Which endpoint a request goes to: the next; of two drawn the one with fewer requests; or always the same for the same `hash-by`.",
	},
	{
		Name: "loopback-external-names", Type: yesNo(func(v *Values) *bool { return &v.LoopbackExternalNames }), Scopes: OnClass,
		Default: "false", Why: "Whoever may write a Service would reach what listens on the node's loopback, or a cloud's metadata service.",
		Envoy: "none",
		Doc:   "Whether an ExternalName may be localhost, a loopback, an unspecified or a link-local address.",
	},
	{
		Name: "max-connections", Type: whole(func(v *Values) *uint32 { return &v.MaxConnections }, "connections", 1, 1<<20), Scopes: everywhere, Upstream: true,
		Default: "16384", Why: "Envoy's own 1,024 leaves the 1,025th WebSocket of a Service without an answer (measured).",
		Envoy: "CircuitBreakers.thresholds: max_connections, max_requests, max_retries",
		Doc:   "How many connections and requests one Envoy may have open to a Service port. What is more waits for a connection, see max-pending-requests.",
	},
	{
		Name: "max-pending-requests", Type: whole(func(v *Values) *uint32 { return &v.MaxPending }, "requests", 1, 1<<20), Scopes: everywhere, Upstream: true,
		Default: "16384", Why: "As max-connections: so many clients that come at once wait until their connections are there (measured with 2,000 WebSockets).",
		Envoy: "CircuitBreakers.thresholds: max_pending_requests",
		Doc: "How many requests for a Service port may wait in one Envoy for a connection: one that comes about, or one that becomes free because max-connections are busy. " +
			"More are answered 503 at once. If the Service hangs, those that wait are answered 504 after idle-timeout.",
	},
	{
		Name: "max-request-body", Type: sizeOrOff(func(v *Values) *uint64 { return &v.RequestBody }, 1, 1<<40), Scopes: ingressWide,
		Default: "1Mi", Why: "As ingress-nginx (proxy-body-size 1m). More is answered 413.",
		Envoy: "http filter body_size_limit of the route, else of RouteConfiguration",
		Doc: "How large the body of a request may be in all. It is counted as it is passed on, not collected first: without a Content-Length the backend has seen what came before the 413. " +
			"The messages that a client sends in one gRPC call are one body, as with ingress-nginx; a WebSocket has no limit.",
	},
	{
		Name: "max-request-headers", Type: whole(func(v *Values) *uint32 { return &v.RequestHeaders }, "KiB", 1, 8192), Scopes: OnClass, Fixed: true,
		Default: "60", Why: "Envoy's own; ingress-nginx takes four lines of 8 KiB. More is answered 431.",
		Envoy: "HttpConnectionManager.max_request_headers_kb",
		Doc:   "How large the headers of a request may be in all.",
	},
	{
		Name: "max-stream-duration", Type: durationOrOff(func(v *Values) *time.Duration { return &v.MaxStreamDuration }, 10*time.Millisecond, 30*day), Scopes: ingressWide,
		Default: "off", Why: "Envoy ends no WebSocket, download or event stream by its age.",
		Envoy: "RouteAction.max_stream_duration",
		Doc:   "How long a request may last from its first byte, upload, answer and WebSocket alike. It is a hard end: what is not done is cut.",
	},
	{
		Name: "outlier-ejection-time", Type: duration(func(v *Values) *time.Duration { return &v.OutlierEjectionTime }, time.Second, time.Hour), Scopes: everywhere, Upstream: true,
		Default: "30s", Why: "Envoy's own.",
		Envoy: "OutlierDetection.base_ejection_time",
		Doc:   "How long an endpoint is left out the first time; each further time takes longer, up to ten times.",
	},
	{
		Name: "outlier-errors", Type: wholeOrOff(func(v *Values) *uint32 { return &v.OutlierErrors }, "errors in a row", 1, 1000), Scopes: everywhere, Upstream: true,
		Default: "off", Why: "As ingress-nginx, which leaves out none. An application that answers 503 to a few would lose its endpoints.",
		Envoy: "OutlierDetection.consecutive_gateway_failure",
		Doc:   "After how many 502, 503, 504, resets or failed connections in a row Envoy leaves an endpoint out for a while. A 500 does not count.",
	},
	{
		Name: "outlier-max-ejected", Type: whole(func(v *Values) *uint32 { return &v.OutlierMaxEjected }, "percent", 1, 100), Scopes: everywhere, Upstream: true,
		Default: "50", Why: "Half of the endpoints must be able to carry the load. Envoy's own 10 leaves out none of a few.",
		Envoy: "OutlierDetection.max_ejection_percent",
		Doc:   "The share of endpoints that may be left out at once.",
	},
	{
		Name: "panic-threshold", Type: whole(func(v *Values) *uint32 { return &v.PanicThreshold }, "percent", 0, 100), Scopes: everywhere, Upstream: true,
		Default: "50", Why: "Envoy's own, written down: a Service whose endpoints all terminate answers because of it.",
		Envoy: "CommonLbConfig.healthy_panic_threshold",
		Doc:   "When fewer than this share of the endpoints are well, Envoy takes all of them. Terminating ones do not count. With `0` a Service without a well endpoint answers 503, terminating ones included.",
	},
	{
		Name: "per-try-timeout", Type: durationOrOff(func(v *Values) *time.Duration { return &v.PerTryTimeout }, 10*time.Millisecond, day), Scopes: ingressWide,
		Default: "off", Why: "As ingress-nginx: idle-timeout ends a try that stands still.",
		Envoy: "RetryPolicy.per_try_timeout",
		Doc:   "How long an endpoint may take to begin its answer, counted from the end of the request. Then the request is tried again if `retry-idempotent` says so, else answered 504.",
	},
	{
		Name: "proxy-protocol", Type: oneOf(func(v *Values) *ProxyProtocol { return &v.ProxyProtocol }, NoProxyProtocol, ProxyProtocolRequired), Scopes: OnClass, Fixed: true,
		Default: "off", Why: "As ingress-nginx without use-proxy-protocol.",
		Envoy: "listener filter proxy_protocol",
		Doc: "Whether each connection must begin with the header of the PROXY protocol, version 1 or 2, by which a balancer in front says who the client is. " +
			"A connection without it is closed. Let nobody but the balancer reach the ports.",
	},
	{
		Name: "request-timeout", Type: durationOrOff(func(v *Values) *time.Duration { return &v.RequestTimeout }, 10*time.Millisecond, day), Scopes: ingressWide,
		Default: "off", Why: "As ingress-nginx. Envoy's own 15 s would cut downloads and event streams.",
		Envoy: "RouteAction.timeout",
		Doc:   "How long the whole answer may take, tries included, counted from the end of the request: 504, or the connection is reset if it has begun. It does not end WebSockets.",
	},
	{
		Name: "retries", Type: whole(func(v *Values) *uint32 { return &v.Retries }, "tries", 0, 10), Scopes: ingressWide,
		Default: "2", Why: "As ingress-nginx (proxy-next-upstream-tries 3).",
		Envoy: "RetryPolicy.num_retries",
		Doc: "How often a request is tried again, at another endpoint if there is one. By default only what no endpoint can have executed is: the connection failed, " +
			"the stream was refused, or it was reset before a byte was sent.",
	},
	{
		Name: "retry-idempotent", Type: yesNo(func(v *Values) *bool { return &v.RetryIdempotent }), Scopes: ingressWide,
		Default: "false", Why: "What may have been executed is not sent twice unless its owner says that this does no harm.",
		Envoy: "x-envoy-retry-on: reset, for these methods",
		Doc: "Whether GET, HEAD, OPTIONS, PUT, DELETE and TRACE are tried again, too, when the connection ends before the answer begins. " +
			"A POST or PATCH never is. A body above 32 KiB is not kept, so such a request is not sent again.",
	},
	{
		Name: "same-zone-endpoints", Type: wholeOrOff(func(v *Values) *uint32 { return &v.SameZone }, "endpoints", 1, 1000), Scopes: everywhere, Upstream: true,
		Default: "off", Why: "As ingress-nginx without topology aware hints: each endpoint gets the same. Zones with few endpoints and many Envoys would be too busy.",
		Envoy: "ZoneAwareLbConfig.force_local_zone, min_size",
		Doc: "Requests stay in the zone of the Envoy (`legation bootstrap --zone`) as long as so many endpoints there are well; with fewer, or without a zone, they go to all zones. " +
			"It means nothing with ring-hash.",
	},
	{
		Name: "serve-unprotected", Type: yesNo(func(v *Values) *bool { return &v.ServeUnprotected }), Scopes: OnClass,
		Default: "false", Why: "Annotations of ingress-nginx that restrict access are not honoured yet; to serve such a path openly must be somebody's decision.",
		Envoy: "none",
		Doc:   "Whether paths are served whose Ingress restricts access by a `nginx.ingress.kubernetes.io/` annotation. If not, they answer 503.",
	},
	{
		Name: "service-share", Type: whole(func(v *Values) *uint32 { return &v.ServiceShare }, "percent", 1, 100), Scopes: OnClass,
		Default: "50", Why: "A Service that hangs cannot take more than half of an Envoy.",
		Envoy: "CircuitBreakers.thresholds",
		Doc:   "The share of connection-budget that one Service port may have. A larger `max-connections` is a Problem, and this share is in force.",
	},
	{
		Name: "slow-start", Type: durationOrOff(func(v *Values) *time.Duration { return &v.SlowStart }, time.Second, time.Hour), Scopes: everywhere, Upstream: true,
		Default: "off", Why: "As ingress-nginx. For servers that are slow until they are warm.",
		Envoy: "RoundRobinLbConfig.slow_start_config, LeastRequestLbConfig.slow_start_config",
		Doc:   "How long a new endpoint is given less than its part, rising from a tenth. It means nothing with ring-hash.",
	},
	{
		Name: "ssl-redirect", Type: yesNo(func(v *Values) *bool { return &v.SSLRedirect }), Scopes: ingressWide,
		Default: "true", Why: "As ingress-nginx.",
		Envoy: "RedirectAction.https_redirect, 308",
		Doc:   "Whether a host with a TLS section redirects http to https, except below `/.well-known/acme-challenge/`.",
	},
	{
		Name: "tcp-keepalive", Type: durationOrOff(func(v *Values) *time.Duration { return &v.TCPKeepAlive }, time.Second, day), Scopes: OnClass, Fixed: true,
		Default: "off", Why: "As ingress-nginx. Set it below what a balancer or NAT in front forgets (AWS's network balancer: 350 s).",
		Envoy: "Listener.tcp_keepalive",
		Doc:   "After how long without traffic the kernel asks whether a client is still there; three times without an answer close the connection.",
	},
	{
		Name: "trusted-hops", Type: wholeOrOff(func(v *Values) *uint32 { return &v.TrustedHops }, "proxies", 1, 16), Scopes: OnClass, Fixed: true,
		Default: "off", Why: "Nobody is believed, see trusted-proxies, which is safer: with a number, whoever reaches Envoy past the proxies is believed, too.",
		Envoy: "original_ip_detection xff: xff_num_trusted_hops",
		Doc: "How many proxies stand in front of Envoy, each of which adds whom it was reached by to X-Forwarded-For: for proxies whose addresses change. " +
			"Every connection is then one of theirs: let nobody else reach the ports.",
	},
	{
		Name: "trusted-proxies", Type: prefixes(func(v *Values) *[]netip.Prefix { return &v.TrustedProxies }), Scopes: OnClass, Fixed: true,
		Default: "", Why: "Nobody: what a client says of itself is overwritten. As ingress-nginx without use-forwarded-headers.",
		Envoy: "FilterChainMatch.direct_source_prefix_ranges, original_ip_detection xff",
		Doc:   "The proxies in front of Envoy whose X-Forwarded-* headers are believed. Each TLS host then costs two filter chains.",
	},
	{
		Name: "upstream-connect-timeout", Type: duration(func(v *Values) *time.Duration { return &v.UpstreamConnectTimeout }, 10*time.Millisecond, time.Minute), Scopes: everywhere, Upstream: true,
		Default: "5s", Why: "As ingress-nginx (proxy-connect-timeout). Above 1 s, or one lost SYN, sent again after 1 s, fails the request.",
		Envoy: "Cluster.connect_timeout",
		Doc:   "How long a connection to an endpoint may take to come about. A request that waited for it is answered 504.",
	},
	{
		Name: "upstream-idle-timeout", Type: duration(func(v *Values) *time.Duration { return &v.UpstreamIdleTimeout }, 10*time.Millisecond, day), Scopes: everywhere, Upstream: true,
		Default: "1.5s", Why: "Below the shortest common keep-alive, Gunicorn's 2 s (measured), so that Envoy closes before the server does. Where requests are rarer than that, each opens one: at most 0.25 connections/s for each worker and endpoint (docs/upstream.md).",
		Envoy: "HttpProtocolOptions.idle_timeout of the cluster",
		Doc:   "How long a connection to an endpoint may rest between requests. It must stay below the server's own keep-alive timeout, by a quarter of it.",
	},
	{
		Name: "upstream-max-lifetime", Type: durationOrOff(func(v *Values) *time.Duration { return &v.UpstreamMaxLifetime }, 100*time.Millisecond, 7*day), Scopes: everywhere, Upstream: true,
		Default: "off", Why: "Of the common servers only nginx has such a limit, 1 h, and announces it.",
		Envoy: "HttpProtocolOptions.max_connection_duration of the cluster",
		Doc:   "How old a connection to an endpoint may grow; the request on it is finished first. For servers, or firewalls, that end connections by age.",
	},
	{
		Name: "upstream-max-requests", Type: wholeOrOff(func(v *Values) *uint32 { return &v.UpstreamMaxRequests }, "requests", 1, 1<<30), Scopes: everywhere, Upstream: true,
		Default: "off", Why: "The limits of the common servers are announced by `Connection: close`, which Envoy obeys (measured).",
		Envoy: "HttpProtocolOptions.max_requests_per_connection of the cluster",
		Doc:   "How many requests one connection to an endpoint may carry. `1` turns keep-alive off.",
	},
	{
		Name: presetName, Type: serverPreset(), Scopes: everywhere, Upstream: true,
		Default: string(NoPreset), Why: "What the server is, only its owner knows.",
		Envoy: "those of upstream-idle-timeout, upstream-max-lifetime and upstream-max-requests",
		Doc: "The kind of server behind the Service, with its default settings: gives upstream-idle-timeout, upstream-max-lifetime and upstream-max-requests values below its limits. " +
			"It wins over those three of wider objects; beside it on the same object they may be smaller, not larger.",
		More: presetTable(),
	},
	{
		Name: "upstream-tcp-keepalive", Type: durationOrOff(func(v *Values) *time.Duration { return &v.UpstreamTCPKeepAlive }, time.Second, day), Scopes: everywhere, Upstream: true,
		Default: "off", Why: "As ingress-nginx. For streams and WebSockets that rest longer than a firewall on the way to the endpoints remembers.",
		Envoy: "UpstreamConnectionOptions.tcp_keepalive",
		Doc:   "After how long without traffic the kernel asks whether an endpoint is still there; three times without an answer close the connection.",
	},
}

// Table is a copy of all settings, in order of their names.
func Table() []Setting { return append([]Setting(nil), table...) }
