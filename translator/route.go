package translator

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

// checkPath says what is wrong with a path, and completes an empty one. The
// rules are those of the API server's validation; ? and # can be in no path.
func checkPath(p *input.Path) string {
	if p.Path == "" && p.Type != input.PathExact && p.Type != input.PathPrefix {
		p.Path = "/"
	}
	strict := p.Type == input.PathExact || p.Type == input.PathPrefix
	switch {
	case !strings.HasPrefix(p.Path, "/"):
		return "does not begin with /"
	case strings.ContainsAny(p.Path, "?#"), strings.ContainsFunc(p.Path, unprintable):
		return "contains what no path of a request can contain"
	case strict && (containsAny(p.Path, "//", "/./", "/../", "%2f", "%2F") ||
		strings.HasSuffix(p.Path, "/..") || strings.HasSuffix(p.Path, "/.")):
		return "contains //, /./, /../ or %2F"
	case len(p.Path) > maxPath:
		return "is longer than 4096 bytes"
	}
	return ""
}

// maxPath bounds a path in bytes; no client sends a longer one (browsers and
// proxies stop at 2 to 8 KiB) and it bounds what one Ingress can cost Envoy.
const maxPath = 4096

func unprintable(r rune) bool { return r <= ' ' || r == 0x7f || r == '�' }

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

func routeName(r rule) string {
	kind := r.path.Type
	if kind == "" {
		kind = input.PathImplementationSpecific
	}
	return r.ingress.Key() + " " + string(kind) + " " + r.path.Path
}

// pathMatch is the match of a rule's path: by element for a prefix.
func pathMatch(r rule) *routev3.RouteMatch {
	if r.exact() {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: r.path.Path}}
	}
	prefix := strings.TrimRight(r.path.Path, "/")
	if prefix == "" {
		return wholeHost()
	}
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: prefix}}
}

func wholeHost() *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
}

func pathRoute(r rule, a action) *routev3.Route { return newRoute(routeName(r), pathMatch(r), a) }

// lastRoute takes what no path matched.
func lastRoute(f fallback) *routev3.Route { return newRoute(f.owner+" default", wholeHost(), f.action) }

func newRoute(name string, match *routev3.RouteMatch, a action) *routev3.Route {
	r := &routev3.Route{Name: name, Match: match}
	if a.status != 0 {
		r.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: a.status}}
		return r
	}
	to := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: a.backend.name()},
		Timeout:          seconds(a.timing.RequestTimeout), // 0 is no limit; Envoy's own is 15 s
		IdleTimeout:      seconds(a.timing.IdleTimeout),
		RetryPolicy:      a.retry,
	}
	if a.timing.MaxStreamDuration > 0 {
		to.MaxStreamDuration = &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: seconds(a.timing.MaxStreamDuration)}
	}
	if a.timing.RetryIdempotent {
		r.RequestHeadersToAdd = []*corev3.HeaderValueOption{retryIdempotent()}
	}
	if a.limitsBody {
		r.TypedPerFilterConfig = bodyLimit(a.timing.RequestBody)
	}
	r.Action = &routev3.Route_Route{Route: to}
	return r
}

// acme is where an issuer of certificates looks by http, before there is one.
const acme = "/.well-known/acme-challenge/"

// redirectRoute sends http to https by 308. x-forwarded-proto is what Envoy
// itself found the scheme to be, unless a trusted proxy said so.
func redirectRoute(name string, match *routev3.RouteMatch, s policy.Values) *routev3.Route {
	match.Headers = []*routev3.HeaderMatcher{
		header("x-forwarded-proto", &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "http"}}, false),
		header(":path", &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: acme}}, true),
	}
	to := &routev3.RedirectAction{
		SchemeRewriteSpecifier: &routev3.RedirectAction_HttpsRedirect{HttpsRedirect: true},
		ResponseCode:           routev3.RedirectAction_PERMANENT_REDIRECT,
	}
	if s.ExternalHTTPSPort != 443 {
		to.PortRedirect = s.ExternalHTTPSPort
	}
	return &routev3.Route{Name: name, Match: match, Action: &routev3.Route_Redirect{Redirect: to}}
}

func header(name string, m *matcherv3.StringMatcher, invert bool) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: name, InvertMatch: invert,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

// notOneLabel matches an :authority that the wildcard host does not claim.
func notOneLabel(wildcard string) *routev3.HeaderMatcher {
	return header(":authority", &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
		SafeRegex: &matcherv3.RegexMatcher{Regex: oneLabel(wildcard)}}}, true)
}

// routeConfiguration is the one table of :80 and :443. Its virtual hosts come
// by encoding.go.
func routeConfiguration(s policy.Values) *routev3.RouteConfiguration {
	m := &routev3.RouteConfiguration{
		Name:                            routeConfigurationName,
		IgnorePortInHostMatching:        true,
		Vhds:                            virtualHosts(),
		RequestHeadersToRemove:          []string{"x-envoy-external-address", "x-envoy-internal", "x-envoy-expected-rq-timeout-ms"},
		MostSpecificHeaderMutationsWins: false,
		RequestHeadersToAdd: []*corev3.HeaderValueOption{
			setHeader("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
		},
	}
	if s.RequestBody > 0 {
		m.TypedPerFilterConfig = bodyLimit(s.RequestBody)
	}
	return m
}

// setHeader overwrites a header. The value is a format of Envoy's: text from an
// input would have to double its %.
func setHeader(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}
