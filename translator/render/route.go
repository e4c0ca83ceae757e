package render

import (
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// VirtualHost makes the virtual host of a name. It names clusters whether or not
// their Services exist.
func VirtualHost(v *route.VirtualHost) (*snapshot.Resource, error) {
	m := &routev3.VirtualHost{Name: VirtualHostName(v.Host), Domains: []string{v.Host}, RetryPolicy: retries(&v.Class.Settings)}
	for _, r := range v.Routes {
		m.Routes = append(m.Routes, newRoute(r, &v.Class.Settings))
	}
	meta := snapshot.Meta{From: v.From}
	if v.Chain != "" {
		meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Chain, Name: v.Chain})
	}
	for b := range v.Backends {
		meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Cluster, Name: b.Cluster()})
	}
	return newResource(snapshot.VirtualHost, m.Name, m, meta)
}

func newRoute(r route.Route, class *policy.Values) *routev3.Route {
	m := &routev3.Route{Name: r.Name, Match: matchOf(r)}
	switch {
	case r.ToHTTPS:
		m.Action = toHTTPS(class)
	case len(r.Targets) == 0:
		m.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: r.Status}}
	default:
		m.Action = &routev3.Route_Route{Route: toTargets(r, class)}
		if r.Settings.RetryIdempotent {
			m.RequestHeadersToAdd = []*corev3.HeaderValueOption{retryIdempotent()}
		}
		m.TypedPerFilterConfig = onRoute(r.Settings, class)
	}
	return m
}

// toTargets leads to a cluster, or to several by their weights.
func toTargets(r route.Route, class *policy.Values) *routev3.RouteAction {
	s := r.Settings
	to := &routev3.RouteAction{
		Timeout:     seconds(s.RequestTimeout), // 0 is no limit; Envoy's own is 15 s
		IdleTimeout: seconds(s.IdleTimeout),
	}
	if len(r.Targets) == 1 {
		to.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: r.Targets[0].Backend.Cluster()}
	} else {
		to.ClusterSpecifier = weighted(r.Targets)
	}
	if retriesDiffer(s, class) { // else that of the virtual host
		to.RetryPolicy = retries(s)
	}
	if s.MaxStreamDuration > 0 {
		to.MaxStreamDuration = &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: seconds(s.MaxStreamDuration)}
	}
	return to
}

func weighted(targets []route.Target) *routev3.RouteAction_WeightedClusters {
	m := &routev3.WeightedCluster{}
	for _, t := range targets {
		m.Clusters = append(m.Clusters, &routev3.WeightedCluster_ClusterWeight{Name: t.Backend.Cluster(), Weight: number(t.Weight)})
	}
	return &routev3.RouteAction_WeightedClusters{WeightedClusters: m}
}

// matchOf is the match of a route: a prefix by element.
func matchOf(r route.Route) *routev3.RouteMatch {
	m := pathMatch(r.Match)
	if r.Match.Method != "" {
		m.Headers = append(m.Headers, header(":method", exactly(r.Match.Method), false))
	}
	for _, h := range r.Match.Headers {
		m.Headers = append(m.Headers, header(h.Name, valueMatch(h), false))
	}
	for _, q := range r.Match.Query {
		m.QueryParameters = append(m.QueryParameters, &routev3.QueryParameterMatcher{Name: q.Name,
			QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_StringMatch{StringMatch: valueMatch(q)}})
	}
	if r.Plain {
		m.Headers = append(m.Headers, header("x-forwarded-proto", exactly("http"), false),
			header(":path", &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: route.ACME}}, true))
	}
	if r.Deeper != "" {
		m.Headers = append(m.Headers, notOneLabel(r.Deeper))
	}
	return m
}

func pathMatch(m route.Match) *routev3.RouteMatch {
	switch m.Kind {
	case route.Exact:
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: m.Path}}
	case route.Regex:
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.Path}}}
	}
	prefix := strings.TrimRight(m.Path, "/")
	if prefix == "" {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
	}
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: prefix}}
}

func exactly(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: text}}
}

func valueMatch(v route.ValueMatch) *matcherv3.StringMatcher {
	if v.Regex {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: v.Value}}}
	}
	return exactly(v.Value)
}

// toHTTPS sends http to https by 308. x-forwarded-proto is what Envoy itself found
// the scheme to be, unless a trusted proxy said so.
func toHTTPS(s *policy.Values) *routev3.Route_Redirect {
	to := &routev3.RedirectAction{
		SchemeRewriteSpecifier: &routev3.RedirectAction_HttpsRedirect{HttpsRedirect: true},
		ResponseCode:           routev3.RedirectAction_PERMANENT_REDIRECT,
	}
	if s.ExternalHTTPSPort != 443 {
		to.PortRedirect = s.ExternalHTTPSPort
	}
	return &routev3.Route_Redirect{Redirect: to}
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

// oneLabel is the pattern of an :authority with exactly one label in the place
// of the star, in any case, with or without a port.
func oneLabel(wildcard string) string {
	return `(?i)^[^.]+` + regexp.QuoteMeta(strings.TrimPrefix(wildcard, "*")) + `(:[0-9]+)?$`
}

// RouteConfiguration is the one table of :80 and :443. Its virtual hosts come by
// encoding.go.
func RouteConfiguration(s *policy.Values) (*snapshot.Resource, error) {
	m := &routev3.RouteConfiguration{
		Name:                            RouteConfigurationName,
		IgnorePortInHostMatching:        true,
		Vhds:                            virtualHosts(),
		RequestHeadersToRemove:          []string{"x-envoy-external-address", "x-envoy-internal", "x-envoy-expected-rq-timeout-ms"},
		MostSpecificHeaderMutationsWins: false,
		RequestHeadersToAdd: []*corev3.HeaderValueOption{
			setHeader("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
		},
		TypedPerFilterConfig: onAll(s),
	}
	return newResource(snapshot.RouteConfiguration, m.Name, m, snapshot.Meta{})
}

// setHeader overwrites a header. The value is a format of Envoy's: text from an
// input would have to double its %.
func setHeader(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}
