package render

import (
	"net/http"
	"net/netip"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	celv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/filters/cel/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	xffv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/xff/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// What Envoy does to a client's connection. A change of any of it is for new connections:
// those that are there keep the configuration that they began with.
const (
	// drainTime is how long a connection may go on after it was told to leave: a
	// client of HTTP/2 may still open streams for as long after its GOAWAY, and an
	// idle one of HTTP/1.1 is closed 1 s more than it after downstream-idle-timeout.
	// WebSockets outlive it by a guard in the bootstrap, if that was made with
	// --upgrades hold.
	drainTime = 4 * time.Second
	// drainTimeToClose is that of a class which has WebSockets closed early: how
	// long after its GOAWAY a client of HTTP/2 may still open streams.
	drainTimeToClose = time.Second
	// headersTime is how long a client may take to send the headers of a request, and
	// helloTime, to say for which host it comes. Apache's packages have 10 s (SUSE) and
	// 20 s (Debian) for headers, ingress-nginx 60 s. It bounds how long connections that
	// trickle a request can keep others out, and is no time for a body.
	headersTime = 9 * time.Second
	helloTime   = 10 * time.Second
	// streamIdle ends a stream for which no route says otherwise.
	streamIdle = 60 * time.Second
	// Limits of HTTP/2: streams as http2-max-concurrent-streams of ingress-nginx;
	// windows, in bytes, as Envoy's manual advises for an edge.
	maxStreams       = 128
	streamWindow     = 64 * 1024
	connectionWindow = 1024 * 1024
)

// hostOfHTTP10 replaces the Host that a client of HTTP/1.0 need not send.
// No rule can name it.
const hostOfHTTP10 = "_"

// connectionManager is the HTTP configuration of a listener, for proxies that the
// class trusts or for everybody. It holds nothing of any host.
func connectionManager(class *policy.Values, l route.Listener, trusted bool) *hcmv3.HttpConnectionManager {
	s := &class.Listener
	m := &hcmv3.HttpConnectionManager{
		StatPrefix:                    l.Name, // shutdown-manager and alerts go by it: it never changes
		RouteSpecifier:                scopedRoutes(),
		HttpFilters:                   append(append(healthPath(s.HealthPath), ownFilters(s)...), httpFilters(false)...),
		UpgradeConfigs:                []*hcmv3.HttpConnectionManager_UpgradeConfig{webSocket(s)},
		LocalReplyConfig:              localReplies(class.HSTS, l),
		EarlyHeaderMutationExtensions: early(s, l, trusted),
		InternalAddressConfig:         &hcmv3.HttpConnectionManager_InternalAddressConfig{}, // no client is internal
		PreserveExternalRequestId:     true,
		AccessLog:                     accessLog(s),
		DrainTimeout:                  seconds(drainTimeOf(s)),
	}
	paths(m, s)
	traced(m, &s.Tracing, trusted)
	protocols(m, s)
	standards(m)
	serverHeader(m, s)
	if trusted {
		trust(m, s)
	} else {
		m.UseRemoteAddress, m.SkipXffAppend = yes(), true // early says who the client is
	}
	return m
}

// webSocket has filters of its own: all that restrict access, and none for bodies, since
// what a client sends on one is no body.
func webSocket(s *policy.Listener) *hcmv3.HttpConnectionManager_UpgradeConfig {
	return &hcmv3.HttpConnectionManager_UpgradeConfig{UpgradeType: "websocket", Filters: append(append(ownFilters(s), keyOverHTTP2()), httpFilters(true)...)}
}

func drainTimeOf(s *policy.Listener) time.Duration {
	if s.DrainUpgrades == policy.CloseUpgrades {
		return drainTimeToClose
	}
	return drainTime
}

func router() *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: "envoy.filters.http.router", ConfigType: &hcmv3.HttpFilter_TypedConfig{
		TypedConfig: packed(&routerv3.Router{SuppressEnvoyHeaders: true, UpstreamLog: upstreamLog()})}}
}

// healthPath answers for Envoy itself: 503 once it was told to fail.
func healthPath(path string) []*hcmv3.HttpFilter {
	if path == "off" {
		return nil
	}
	return []*hcmv3.HttpFilter{{Name: "envoy.filters.http.health_check", ConfigType: &hcmv3.HttpFilter_TypedConfig{
		TypedConfig: packed(&healthv3.HealthCheck{PassThroughMode: no(), Headers: []*routev3.HeaderMatcher{
			header(":path", exactly(path), false)}})}}}
}

// paths makes one path out of the many ways to write it, before it is routed.
func paths(m *hcmv3.HttpConnectionManager, s *policy.Listener) {
	m.NormalizePath = yes()
	m.MergeSlashes = true
	m.StripTrailingHostDot = true
	switch s.EscapedSlashes {
	case policy.Reject:
		m.PathWithEscapedSlashesAction = hcmv3.HttpConnectionManager_REJECT_REQUEST
	case policy.Keep:
		m.PathWithEscapedSlashesAction = hcmv3.HttpConnectionManager_KEEP_UNCHANGED
	default:
		m.PathWithEscapedSlashesAction = hcmv3.HttpConnectionManager_UNESCAPE_AND_FORWARD
	}
}

func protocols(m *hcmv3.HttpConnectionManager, s *policy.Listener) {
	m.MaxRequestHeadersKb = number(s.RequestHeaders)
	m.RequestHeadersTimeout = seconds(headersTime)
	m.StreamIdleTimeout = seconds(streamIdle)
	m.CommonHttpProtocolOptions = &corev3.HttpProtocolOptions{
		IdleTimeout:                  seconds(s.DownstreamIdle),
		HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_DROP_HEADER,
	}
	if s.DownstreamMax > 0 {
		m.CommonHttpProtocolOptions.MaxConnectionDuration = seconds(s.DownstreamMax)
		m.CommonHttpProtocolOptions.MaxConnectionDurationJitter = percent(lifetimeJitter)
		m.Http1SafeMaxConnectionDuration = true // tell the client, do not just close
	}
	m.HttpProtocolOptions = &corev3.Http1ProtocolOptions{AcceptHttp_10: true, DefaultHostForHttp_10: hostOfHTTP10}
	m.Http2ProtocolOptions = &corev3.Http2ProtocolOptions{
		MaxConcurrentStreams:        number(maxStreams),
		InitialStreamWindowSize:     number(streamWindow),
		InitialConnectionWindowSize: number(connectionWindow),
	}
}

// trust finds the client in the X-Forwarded-For of proxies in front. Envoy takes
// their X-Forwarded-Proto, too.
func trust(m *hcmv3.HttpConnectionManager, s *policy.Listener) {
	how := &xffv3.XffConfig{SkipXffAppend: no()}
	if s.TrustedHops > 0 {
		how.XffNumTrustedHops = s.TrustedHops - 1 // the first one is the peer that dialled
	} else {
		how.XffTrustedCidrs = &xffv3.XffTrustedCidrs{Cidrs: ranges(s.TrustedProxies)}
	}
	m.UseRemoteAddress = no()
	m.OriginalIpDetectionExtensions = []*corev3.TypedExtensionConfig{{
		Name: "envoy.http.original_ip_detection.xff", TypedConfig: packed(how)}}
}

func ranges(prefixes []netip.Prefix) []*corev3.CidrRange {
	var list []*corev3.CidrRange
	for _, p := range prefixes {
		list = append(list, &corev3.CidrRange{AddressPrefix: p.Addr().String(), PrefixLen: number(uint32(p.Bits()))})
	}
	return list
}

// early is what happens to a request's headers before Envoy reads them: what a
// client must not say of itself is removed, what backends are told is set. A
// trusted proxy may say it, and is completed.
func early(s *policy.Listener, l route.Listener, trusted bool) []*corev3.TypedExtensionConfig {
	list := []*mutationv3.HeaderMutation{drop("proxy"), dropPrefix("x-envoy-")}
	action := corev3.HeaderValueOption_ADD_IF_ABSENT
	if !trusted {
		action = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		// Envoy itself would write its own address in the place of a client on
		// the same node.
		list = append(list, drop("forwarded"), drop("x-real-ip"), dropPrefix("x-forwarded-"))
		for _, prefix := range guardPrefixes {
			list = append(list, dropPrefix(prefix))
		}
		list = append(list, drop("true-client-ip"), drop("x-rewrite-url"),
			put("x-forwarded-for", peer(s), action))
	}
	list = append(list, foreignTraces(&s.Tracing, trusted)...)
	list = append(list, put("x-forwarded-host", "%REQ(:AUTHORITY)%", action),
		put("x-forwarded-port", decimal(l.Dialled), action),
		put(scopeHeader, l.Routes, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
	return []*corev3.TypedExtensionConfig{{
		Name:        "envoy.http.early_header_mutation.header_mutation",
		TypedConfig: packed(&earlyv3.HeaderMutation{Mutations: list}),
	}}
}

// guardPrefixes are of headers that a guard in front of a backend sets, so that backends
// believe them, or that say what a request was before another proxy changed it.
var guardPrefixes = []string{"ssl-client-", "x-auth-request-", "x-original-"}

// peer is who the client is: the peer that dialled, or the one that a balancer names.
func peer(s *policy.Listener) string {
	if s.ProxyProtocol == policy.ProxyProtocolRequired {
		return "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
	}
	return "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"
}

func drop(header string) *mutationv3.HeaderMutation {
	return &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Remove{Remove: header}}
}

func dropPrefix(prefix string) *mutationv3.HeaderMutation {
	return &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
		RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}}}}}
}

func put(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) *mutationv3.HeaderMutation {
	return &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
		Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: action}}}
}

// localReplies gives the statuses that an operator expects where Envoy says 503:
// 504 if no connection came about in time, 502 if there was no or no whole
// answer; and 421 for what came by the connection of another host (clients.go). No endpoint at all stays 503. The body tells nothing of the inside.
//
// The first mapper that matches counts, so those of statuses without a body come first.
func localReplies(h policy.HSTS, l route.Listener) *hcmv3.LocalReplyConfig {
	m := &hcmv3.LocalReplyConfig{
		Mappers: []*hcmv3.ResponseMapper{
			bodiless(http.StatusNoContent), bodiless(http.StatusNotModified), withText(),
			{Filter: connectTimedOut(), StatusCode: number(504)},
			{Filter: flagged("UF", "UC", "UR", "UPE"), StatusCode: number(502)},
			ignoredUpgrade(),
			{Filter: details(`response.code_details == 'rbac_access_denied_matched_policy[` + misdirectedPolicy + `]'`), StatusCode: number(http.StatusMisdirectedRequest)},
		},
		BodyFormat: bodyOf("%RESPONSE_CODE%\n"),
	}
	if l.TLS && h != (policy.HSTS{}) {
		m.Mappers = append(m.Mappers, hstsOnRefusals(h))
	}
	return m
}

// bodiless keeps our body from replies of a status that has none. Envoy would send it
// all the same (measured on 1.40): a client takes it for the beginning of the next
// response, or in HTTP/2 for an error of the protocol.
func bodiless(status uint32) *hcmv3.ResponseMapper {
	return &hcmv3.ResponseMapper{Filter: answered(accesslogv3.ComparisonFilter_EQ, status, "legation.bodiless"),
		BodyFormatOverride: bodyOf(""),
	}
}

// answered compares the status of an answer with one. Envoy wants a name by which its runtime
// could change that.
func answered(how accesslogv3.ComparisonFilter_Op, status uint32, name string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{
		StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: &accesslogv3.ComparisonFilter{
			Op: how, Value: &corev3.RuntimeUInt32{DefaultValue: status, RuntimeKey: name}}}}}
}

func flagged(flags ...string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
		ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: flags}}}
}

// connectTimedOut: Envoy flags a refused connection and one that did not come
// about alike (UF), only the details tell them apart.
func connectTimedOut() *accesslogv3.AccessLogFilter {
	return details(`response.code_details.contains("connection_timeout")`)
}

// details is an expression of CEL about a request.
func details(expression string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ExtensionFilter{
		ExtensionFilter: &accesslogv3.ExtensionFilter{
			Name:       "envoy.access_loggers.extension_filters.cel",
			ConfigType: &accesslogv3.ExtensionFilter_TypedConfig{TypedConfig: packed(&celv3.ExpressionFilter{Expression: expression})},
		}}}
}
