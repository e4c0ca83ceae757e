package render

import (
	"net/http"
	"strconv"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatchv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	responsev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/custom_response/v3"
	tometadatav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_to_metadata/v3"
	localv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/custom_response/local_response_policy/v3"
	redirectv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/custom_response/redirect_policy/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/translator/route"
)

// pages are the filters that have another Service answer. They are the first of a route:
// what those behind them answer is replaced, too. Path and host are noted before the
// router rewrites them.
func pages(p *route.Pages, in place) []*corev3.TypedExtensionConfig {
	if p == nil {
		return nil
	}
	noted := func(header, key string) *tometadatav3.Config_Rule {
		return &tometadatav3.Config_Rule{Header: header, OnHeaderPresent: &tometadatav3.Config_KeyValuePair{MetadataNamespace: "legation", Key: key}}
	}
	var list []*xdsmatchv3.Matcher_MatcherList_FieldMatcher
	if !p.CodesAlone {
		list = append(list, &xdsmatchv3.Matcher_MatcherList_FieldMatcher{Predicate: ofEnvoy(route.Unreachable),
			OnMatch: asks(p, in.routes, route.StandInHeader, route.Unreachable, &routev3.RedirectAction{HostRedirect: route.Within(in.host)})})
	}
	for _, code := range p.Codes {
		predicate := is(&matcherv3.HttpResponseStatusCodeMatchInput{}, strconv.Itoa(int(code)))
		if p.OwnOnly {
			predicate = ofEnvoy(int(code))
		}
		list = append(list, &xdsmatchv3.Matcher_MatcherList_FieldMatcher{Predicate: predicate, OnMatch: answers(p, in, code)})
	}
	matcher := &xdsmatchv3.Matcher{MatcherType: &xdsmatchv3.Matcher_MatcherList_{MatcherList: &xdsmatchv3.Matcher_MatcherList{Matchers: list}}}
	return []*corev3.TypedExtensionConfig{
		{Name: "legation.asked", TypedConfig: packed(&tometadatav3.Config{RequestRules: []*tometadatav3.Config_Rule{noted(":path", "path"), noted(":authority", "host")}})},
		{Name: "legation.pages", TypedConfig: packed(&responsev3.CustomResponse{CustomResponseMatcher: matcher})},
	}
}

// answers is what becomes of a status: the page, or 404 if nobody has one.
func answers(p *route.Pages, in place, code uint32) *xdsmatchv3.Matcher_OnMatch {
	if p.Nobody() {
		return does(&localv3.LocalResponsePolicy{StatusCode: number(http.StatusNotFound)})
	}
	return asks(p, in.routes, route.PageHeader, code, &routev3.RedirectAction{HostRedirect: route.Within(in.host), StripQuery: true,
		PathRewriteSpecifier: &routev3.RedirectAction_PathRedirect{PathRedirect: "/"}})
}

func does(policy validated) *xdsmatchv3.Matcher_OnMatch {
	return &xdsmatchv3.Matcher_OnMatch{OnMatch: &xdsmatchv3.Matcher_OnMatch_Action{Action: &xdscorev3.TypedExtensionConfig{
		Name: "asks", TypedConfig: packed(policy)}}}
}

// asks sends the request, as a GET, to the route that has the cluster in a header. The
// router has taken away by which scope that is found.
func asks(p *route.Pages, routes, header string, code uint32, to *routev3.RedirectAction) *xdsmatchv3.Matcher_OnMatch {
	add := []*corev3.HeaderValueOption{setHeader(scopeHeader, routes), setHeader(header, p.Backend.Cluster()), setHeader("x-code", strconv.Itoa(int(code))), setHeader("x-format", "%REQ(ACCEPT)%"),
		setHeader(route.HostHeader, "%DYNAMIC_METADATA(legation:host)%")}
	if header == route.PageHeader {
		add = append(add, setHeader("x-original-uri", "%DYNAMIC_METADATA(legation:path)%"))
	}
	for _, h := range p.Headers {
		add = append(add, setHeader(h.Name, escaped(h.Value)))
	}
	return does(&redirectv3.RedirectPolicy{RequestHeadersToAdd: add,
		RedirectActionSpecifier: &redirectv3.RedirectPolicy_RedirectAction{RedirectAction: to}})
}

// ofEnvoy is a status that Envoy itself answers.
func ofEnvoy(status int) *xdsmatchv3.Matcher_MatcherList_Predicate {
	return both(is(&matcherv3.HttpResponseStatusCodeMatchInput{}, strconv.Itoa(status)), is(&matcherv3.HttpResponseLocalReplyMatchInput{}, "true"))
}

// is compares what an input says.
func is(input proto.Message, text string) *xdsmatchv3.Matcher_MatcherList_Predicate {
	return &xdsmatchv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatchv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &xdsmatchv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input: &xdscorev3.TypedExtensionConfig{Name: "input", TypedConfig: packed(input.(validated))},
			Matcher: &xdsmatchv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: &xdsmatchv3.StringMatcher{
				MatchPattern: &xdsmatchv3.StringMatcher_Exact{Exact: text}}},
		}}}
}

func both(list ...*xdsmatchv3.Matcher_MatcherList_Predicate) *xdsmatchv3.Matcher_MatcherList_Predicate {
	return &xdsmatchv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatchv3.Matcher_MatcherList_Predicate_AndMatcher{
		AndMatcher: &xdsmatchv3.Matcher_MatcherList_Predicate_PredicateList{Predicate: list}}}
}

// asPage is what a route does for a Service that is asked in place of a target. Where an
// answer is replaced, it is told less of the request, as by ingress-nginx.
func asPage(m *routev3.Route, match route.Match) {
	m.RequestHeadersToRemove = []string{route.PageHeader, route.StandInHeader}
	if match.Headers[0].Name == route.PageHeader {
		m.RequestHeadersToRemove = append(m.RequestHeadersToRemove, "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto")
	}
	m.GetRoute().HostRewriteSpecifier = &routev3.RouteAction_HostRewriteHeader{HostRewriteHeader: route.HostHeader}
}
