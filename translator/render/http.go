package render

import (
	"fmt"
	"net/http"
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	headersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// What RFC 9110 and 9112 ask of a proxy, and nginx does, where Envoy's own defaults
// do something else. All of it was measured on 1.40; findings/http-on-envoy.sh has
// what Envoy cannot.
const (
	// maxHeaders is how many headers a message may have: nginx has no such limit, and
	// that of their size in all is the one that bounds memory.
	maxHeaders = 1000
	// lifetimeJitter spreads the ends of connections that began together, as after a
	// node was lost: each lives up to so many per cent longer.
	lifetimeJitter = 20
	// serverName is the Server of answers whose backend names none, and of Envoy's own.
	serverName = "legation"
)

// standards makes a listener treat requests as the RFCs have it.
func standards(m *hcmv3.HttpConnectionManager) {
	m.CommonHttpProtocolOptions.MaxHeadersCount = number(maxHeaders)
	// Methods are for backends to know (RFC 9110, 16.1). Envoy calls the field a work in
	// progress, in a warning for each listener that has it.
	m.HttpProtocolOptions.AllowCustomMethods = true
	m.HttpProtocolOptions.IgnoreHttp_11Upgrade = []*matcherv3.StringMatcher{allBut("websocket")}
	m.Http2ProtocolOptions.AllowConnect = true // a WebSocket on HTTP/2 is a CONNECT (RFC 8441); others find no route
	// Expect goes to the backend, and what it says before its answer to the client:
	// 100, 102, 103. Else Envoy answers 100 for a backend that was not asked.
	m.Proxy_100Continue = true
}

// allBut matches every text but this one, which is of small letters. RE2 cannot say
// "not", so it is spelt out by where a text leaves it.
func allBut(word string) *matcherv3.StringMatcher {
	var as strings.Builder // the beginning of word, in either case
	var ways []string
	for _, r := range word {
		letter := string(r) + strings.ToUpper(string(r))
		ways = append(ways, fmt.Sprintf("%s([^%s].*)?", as.String(), letter))
		fmt.Fprintf(&as, "[%s]", letter)
	}
	ways = append(ways, as.String()+".+")
	return matching(strings.Join(ways, "|"))
}

// serverHeader is who is named as Server. Envoy can add it, but not remove it:
// see ownFilters.
func serverHeader(m *hcmv3.HttpConnectionManager, s *policy.Listener) {
	m.ServerHeaderTransformation = hcmv3.HttpConnectionManager_PASS_THROUGH
	if s.ServerHeader == policy.AddServer {
		m.ServerHeaderTransformation, m.ServerName = hcmv3.HttpConnectionManager_APPEND_IF_ABSENT, serverName
	}
}

// ownFilters are those of a listener that no route switches: they run first, and on
// WebSocket upgrades, too.
func ownFilters(s *policy.Listener) []*hcmv3.HttpFilter {
	var list []*hcmv3.HttpFilter
	if s.ServerHeader == policy.RemoveServer {
		list = append(list, httpFilter("legation.server-header", &headersv3.HeaderMutation{Mutations: &headersv3.Mutations{
			ResponseMutations: []*mutationv3.HeaderMutation{drop("server")}}}))
	}
	return list
}

// keyOverHTTP2 gives a WebSocket of HTTP/2 the key without which a backend of HTTP/1.1
// refuses it: its client sends none (RFC 8441, 5), and Envoy makes none. A key proves
// only that the backend knows the protocol, so one serves for all.
func keyOverHTTP2() *hcmv3.HttpFilter {
	key := put("sec-websocket-key", "%CEL(request.protocol == 'HTTP/2' ? 'bGVnYXRpb24gb2YgSFRUUA==' : '')%", corev3.HeaderValueOption_ADD_IF_ABSENT)
	return httpFilter("legation.websocket-key", &headersv3.HeaderMutation{Mutations: &headersv3.Mutations{
		RequestMutations: []*mutationv3.HeaderMutation{key}}})
}

// twoHosts refuses what is no host: Envoy joins two Host lines by a comma, and takes a
// list for a host. RFC 9112, 3.2, wants 400. A list is no name that anybody has, so it
// comes to where names are not compared whole: to wildcards, and to what no host takes. There
// this route is the first; a filter would cost every request an eighth of its CPU
// (measured).
func twoHosts(host string) []*routev3.Route {
	if host != route.Any && !strings.HasPrefix(host, "*.") {
		return nil
	}
	list := header(":authority", &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Contains{Contains: ","}}, false)
	return []*routev3.Route{{Name: "legation/two-hosts",
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, Headers: []*routev3.HeaderMatcher{list}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusBadRequest}}}}
}

// noTrace refuses a method that sends a client back what proxies have added to its request.
// RFC 9110, 15.5.6, has 405 for that, as nginx does.
func noTrace() *routev3.Route {
	return &routev3.Route{Name: "legation/no-trace", Match: traces, Action: methodNotAllowed}
}

// What noTrace has in each virtual host: nobody changes it.
var (
	traces = &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, Headers: []*routev3.HeaderMatcher{
		header(":method", &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "TRACE"}}, false)}}
	methodNotAllowed = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusMethodNotAllowed}}
)

func httpFilter(name string, config validated) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(config)}}
}

// ignoredUpgrade leaves the answer without a body where a backend has answered a
// WebSocket as if it had been a plain request: Envoy replaces such an answer by one of
// its own, with its status and Location.
func ignoredUpgrade() *hcmv3.ResponseMapper {
	return &hcmv3.ResponseMapper{Filter: details("response.code_details == 'websocket_handshake_unsuccessful'"),
		BodyFormatOverride: &corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_TextFormatSource{
			TextFormatSource: inline("")}}}
}

// percent is a share of a hundred.
func percent(n float64) *typev3.Percent { return &typev3.Percent{Value: n} }
