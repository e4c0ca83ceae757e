package render

import (
	"slices"
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	headersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	exprv1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	"google.golang.org/protobuf/proto"

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
// the connection is one of another host. It comes before the addresses of the class.
func uncertified(c *route.Checked, class *policy.Route, by *routev3.RouteMatch_TlsContextMatchOptions) *routev3.Route {
	r := refusal("clients without a certificate", by, 400)
	if c.ErrorPage != "" {
		r.GetDirectResponse().Status = 302
		r.ResponseHeadersToAdd = []*corev3.HeaderValueOption{setHeader("location", escaped(c.ErrorPage))}
	}
	chain := []*corev3.TypedExtensionConfig{withoutHSTS(), misdirected(c.Chain)}
	r.TypedPerFilterConfig = with(nil, policyFilter, perRoute(append(chain, everyAddress(&policy.Route{}, class)...)))
	return r
}

// withoutHSTS takes the header away that all answers have: this one may be to a client who
// asked another host.
func withoutHSTS() *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: "legation.clients.answer", TypedConfig: packed(&headersv3.HeaderMutation{Mutations: &headersv3.Mutations{
		ResponseMutations: []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_Remove{Remove: hstsHeader}}}}})}
}

// misdirectedPolicy is what Envoy says of requests that came by the connection of another host.
const misdirectedPolicy = "misdirected"

// misdirected answers 421 (localReplies) to what came by TLS and not by the filter chain of a
// host, or below a wildcard by the connection of another name: a browser that uses a
// connection for whatever its certificate covers then makes one of its own, and is asked for
// a certificate on it. Proxies that are trusted name whom they like.
func misdirected(host string) *corev3.TypedExtensionConfig {
	named := by(host)
	if strings.HasPrefix(host, "*.") {
		lower := &exprv1.Expr_Call{Function: "lowerAscii", Target: attribute("request", "host")}
		named = call("_&&_", named, &exprv1.Expr{ExprKind: &exprv1.Expr_CallExpr{CallExpr: &exprv1.Expr_Call{Function: "startsWith",
			Target: &exprv1.Expr{ExprKind: &exprv1.Expr_CallExpr{CallExpr: lower}}, Args: []*exprv1.Expr{attribute("connection", "requested_server_name")}}}})
	}
	plain := &rbacv3.Permission{Rule: &rbacv3.Permission_Header{Header: header("x-forwarded-proto", exactly("http"), true)}}
	policies := map[string]*rbacv3.Policy{misdirectedPolicy: {Permissions: []*rbacv3.Permission{plain}, Principals: []*rbacv3.Principal{everybody()},
		Condition: call("!_", call("_||_", named, by(host+trustedSuffix))), CelConfig: &corev3.CelExpressionConfig{EnableStringFunctions: true}}}
	return &corev3.TypedExtensionConfig{Name: "legation.clients.misdirected", TypedConfig: packed(&rbacfilterv3.RBAC{RulesStatPrefix: "legation.clients.misdirected_",
		Rules: &rbacv3.RBAC{Action: rbacv3.RBAC_DENY, Policies: policies}})}
}

// by is true of requests that came by a filter chain.
func by(chain string) *exprv1.Expr { return equal(attribute("xds", "filter_chain_name"), chain) }

func everybody() *rbacv3.Principal {
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_Any{Any: true}}
}

// certified are filters of all routes behind refusals: 403, unless the request came by the
// host's own chain with the right subject, or by plain http. The one of another host is told
// 421 before.
func certified(c *route.Checked) []*corev3.TypedExtensionConfig {
	if c == nil || c.Closed {
		return nil
	}
	plain := &rbacv3.Policy{Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Header{Header: header("x-forwarded-proto", exactly("http"), false)}}}}
	policies := map[string]*rbacv3.Policy{"plain": plain}
	for name, chain := range map[string]string{"chain": c.Chain, "trusted": c.Chain + trustedSuffix} {
		condition := by(chain)
		if c.Subject != "" {
			condition = call("_&&_", condition, &exprv1.Expr{ExprKind: &exprv1.Expr_CallExpr{CallExpr: &exprv1.Expr_Call{Function: "matches",
				Target: attribute("connection", "subject_peer_certificate"), Args: []*exprv1.Expr{text(c.Subject)}}}})
		}
		policies[name] = &rbacv3.Policy{Condition: condition}
	}
	return []*corev3.TypedExtensionConfig{misdirected(c.Chain), allow("legation.clients", policies)}
}

// allow answers 403 to what none of the policies takes.
func allow(name string, policies map[string]*rbacv3.Policy) *corev3.TypedExtensionConfig {
	for _, p := range policies {
		if len(p.Permissions) == 0 {
			p.Permissions = []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}}
		}
		if len(p.Principals) == 0 {
			p.Principals = []*rbacv3.Principal{everybody()}
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
