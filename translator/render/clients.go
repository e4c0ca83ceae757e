package render

import (
	"slices"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	customv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/custom_response/v3"
	headersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	localv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/custom_response/local_response_policy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	exprv1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// clientsSuffix ends the name of the secret that says which client certificates a filter
// chain asks for. No host can end in it.
const clientsSuffix = "/ca"

// ClientsOf is the name of the secret that says which client certificates the filter
// chain of a host asks for. Each chain has one from the first day, so that to ask, or to
// ask no more, is another secret and no other chain.
func ClientsOf(host string) string { return host + clientsSuffix }

// NoClients is such a secret, of a chain that asks for none.
func NoClients(host string) (*snapshot.Resource, error) {
	m := noClients(host)
	return newResource(snapshot.Secret, m.Name, m, snapshot.Meta{})
}

func noClients(host string) *tlsv3.Secret {
	return &tlsv3.Secret{Name: ClientsOf(host), Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{}}}
}

// Clients is the secret of a chain that asks for certificates. A handshake with a wrong
// one succeeds: routes refuse the request, so that a client is told why.
func Clients(host string, c *route.Clients, a route.Authorities) (*snapshot.Resource, error) {
	m := noClients(host)
	context := m.GetValidationContext()
	context.TrustedCa = inlineBytes(a.Certificates)
	if len(a.Revoked) > 0 {
		context.Crl = inlineBytes(a.Revoked)
	}
	context.MaxVerifyDepth = number(c.Depth + 1) // Envoy counts the authority, too
	context.TrustChainVerification = tlsv3.CertificateValidationContext_ACCEPT_UNTRUSTED
	return newResource(snapshot.Secret, m.Name, m, snapshot.Meta{})
}

func inlineBytes(text []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: text}}
}

// refusals are the routes of a host that checks client certificates, before all others, for
// those who come by TLS and may not.
func refusals(c *route.Checked, class *policy.Route) []*routev3.Route {
	switch {
	case c == nil:
		return nil
	case c.Closed:
		return []*routev3.Route{refusal("clients closed", nil, 503)}
	case c.Mode == route.Required:
		return []*routev3.Route{uncertified(c, class, &routev3.RouteMatch_TlsContextMatchOptions{Validated: no()})}
	case c.Mode == route.Optional:
		return []*routev3.Route{uncertified(c, class, &routev3.RouteMatch_TlsContextMatchOptions{Presented: yes(), Validated: no()})}
	}
	return nil
}

// refusal answers requests that came by TLS.
func refusal(name string, by *routev3.RouteMatch_TlsContextMatchOptions, status uint32) *routev3.Route {
	return &routev3.Route{Name: name, Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: status}},
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, TlsContext: by,
			Headers: []*routev3.HeaderMatcher{header("x-forwarded-proto", exactly("http"), true)}}}
}

// uncertified refuses who lacks a good certificate: by 400 or the owner's page, or by 421 if
// the connection is one of another host. It comes before the addresses of the class, whose
// 403 would be told as 421.
func uncertified(c *route.Checked, class *policy.Route, by *routev3.RouteMatch_TlsContextMatchOptions) *routev3.Route {
	r := refusal("clients without a certificate", by, 400)
	if c.ErrorPage != "" {
		r.GetDirectResponse().Status = 302
		r.ResponseHeadersToAdd = []*corev3.HeaderValueOption{setHeader("location", escaped(c.ErrorPage))}
	}
	chain := []*corev3.TypedExtensionConfig{withoutHSTS(), misdirected(), ofChain(c.Chain)}
	r.TypedPerFilterConfig = with(nil, policyFilter, perRoute(append(chain, everyAddress(&policy.Route{}, class)...)))
	return r
}

// withoutHSTS takes the header away that all answers have: this one may be to a client who
// asked another host.
func withoutHSTS() *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: "legation.clients.answer", TypedConfig: packed(&headersv3.HeaderMutation{Mutations: &headersv3.Mutations{
		ResponseMutations: []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_Remove{Remove: hstsHeader}}}}})}
}

// misdirected makes 421 of what the filter behind it answers 403.
func misdirected() *corev3.TypedExtensionConfig {
	status := &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
		Input: &xdscorev3.TypedExtensionConfig{Name: "status", TypedConfig: packed(&matcherv3.HttpResponseStatusCodeMatchInput{})},
		Matcher: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: &xdsmatcherv3.StringMatcher{
			MatchPattern: &xdsmatcherv3.StringMatcher_Exact{Exact: "403"}}}}
	answer := &localv3.LocalResponsePolicy{StatusCode: wrapperspb.UInt32(421), Body: inline("421 Misdirected Request\n")}
	return &corev3.TypedExtensionConfig{Name: "legation.clients.misdirected", TypedConfig: packed(&customv3.CustomResponse{
		CustomResponseMatcher: &xdsmatcherv3.Matcher{MatcherType: &xdsmatcherv3.Matcher_MatcherList_{MatcherList: &xdsmatcherv3.Matcher_MatcherList{
			Matchers: []*xdsmatcherv3.Matcher_MatcherList_FieldMatcher{{
				Predicate: &xdsmatcherv3.Matcher_MatcherList_Predicate{MatchType: &xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{SinglePredicate: status}},
				OnMatch: &xdsmatcherv3.Matcher_OnMatch{OnMatch: &xdsmatcherv3.Matcher_OnMatch_Action{
					Action: &xdscorev3.TypedExtensionConfig{Name: "421", TypedConfig: packed(answer)}}}}}}}}})}
}

// ofChain lets pass what came by the filter chain of a host: another one has asked for the
// certificates of another host.
func ofChain(host string) *corev3.TypedExtensionConfig {
	return allow("legation.clients.chain", map[string]*rbacv3.Policy{"chain": {Condition: equal(attribute("xds", "filter_chain_name"), host)},
		"trusted": {Condition: equal(attribute("xds", "filter_chain_name"), host+trustedSuffix)}})
}

// certified is a filter of all routes behind refusals: 403, unless the request came by the
// host's own chain with the right subject, or by plain http.
func certified(c *route.Checked) []*corev3.TypedExtensionConfig {
	if c == nil || c.Closed {
		return nil
	}
	plain := &rbacv3.Policy{Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Header{Header: header("x-forwarded-proto", exactly("http"), false)}}}}
	policies := map[string]*rbacv3.Policy{"plain": plain}
	for name, chain := range map[string]string{"chain": c.Chain, "trusted": c.Chain + trustedSuffix} {
		by := equal(attribute("xds", "filter_chain_name"), chain)
		if c.Subject != "" {
			by = call("_&&_", by, &exprv1.Expr{ExprKind: &exprv1.Expr_CallExpr{CallExpr: &exprv1.Expr_Call{Function: "matches",
				Target: attribute("connection", "subject_peer_certificate"), Args: []*exprv1.Expr{text(c.Subject)}}}})
		}
		policies[name] = &rbacv3.Policy{Condition: by}
	}
	return []*corev3.TypedExtensionConfig{allow("legation.clients", policies)}
}

// allow answers 403 to what none of the policies takes.
func allow(name string, policies map[string]*rbacv3.Policy) *corev3.TypedExtensionConfig {
	for _, p := range policies {
		if len(p.Permissions) == 0 {
			p.Permissions = []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}}
		}
		if len(p.Principals) == 0 {
			p.Principals = []*rbacv3.Principal{{Identifier: &rbacv3.Principal_Any{Any: true}}}
		}
	}
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed(&rbacfilterv3.RBAC{RulesStatPrefix: name + "_",
		Rules: &rbacv3.RBAC{Action: rbacv3.RBAC_ALLOW, Policies: policies}})}
}

func attribute(of, name string) *exprv1.Expr {
	return &exprv1.Expr{ExprKind: &exprv1.Expr_SelectExpr{SelectExpr: &exprv1.Expr_Select{Field: name,
		Operand: &exprv1.Expr{ExprKind: &exprv1.Expr_IdentExpr{IdentExpr: &exprv1.Expr_Ident{Name: of}}}}}}
}

func text(value string) *exprv1.Expr {
	return &exprv1.Expr{ExprKind: &exprv1.Expr_ConstExpr{ConstExpr: &exprv1.Constant{ConstantKind: &exprv1.Constant_StringValue{StringValue: value}}}}
}

func call(function string, args ...*exprv1.Expr) *exprv1.Expr {
	return &exprv1.Expr{ExprKind: &exprv1.Expr_CallExpr{CallExpr: &exprv1.Expr_Call{Function: function, Args: args}}}
}

func equal(of *exprv1.Expr, value string) *exprv1.Expr { return call("_==_", of, text(value)) }

// told tells the targets of a route what was found of a certificate, in the headers of
// ingress-nginx, and makes the route two if that depends on whether it is good. What a
// client sends by these names is never passed on.
func told(c *route.Checked, plain bool, r *routev3.Route) []*routev3.Route {
	if c == nil || c.Closed || plain || r.GetRoute() == nil {
		return []*routev3.Route{r}
	}
	r.RequestHeadersToRemove = append(r.RequestHeadersToRemove, "ssl-client-cert", "ssl-client-issuer-dn", "ssl-client-subject-dn", "ssl-client-verify")
	add := []*corev3.HeaderValueOption{setHeader("ssl-client-subject-dn", "%DOWNSTREAM_PEER_SUBJECT%"), setHeader("ssl-client-issuer-dn", "%DOWNSTREAM_PEER_ISSUER%")}
	if c.Forward {
		add = append(add, setHeader("ssl-client-cert", "%DOWNSTREAM_PEER_CERT%"))
	}
	found := func(r *routev3.Route, presented string) *routev3.Route {
		r.RequestHeadersToAdd = slices.Concat(r.RequestHeadersToAdd, add, []*corev3.HeaderValueOption{setHeader("ssl-client-verify",
			"%CEL(connection.mtls ? '"+presented+"' : request.scheme == 'https' ? 'NONE' : '')%")})
		return r
	}
	if c.Mode != route.Unverified {
		return []*routev3.Route{found(r, "SUCCESS")}
	}
	good := proto.CloneOf(r)
	good.Match.TlsContext = &routev3.RouteMatch_TlsContextMatchOptions{Validated: yes()}
	return []*routev3.Route{found(good, "SUCCESS"), found(r, "FAILED")}
}
