package render

import (
	"net/http"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	headersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"legation.dev/translator/policy"
)

const (
	hstsHeader = "strict-transport-security"
	// byTLS: the client's https ends here. A proxy in front that ends it decides for its
	// clients, as with ingress-nginx.
	byTLS = "has(connection.tls_version)"
)

// hsts are the headers of answers to clients whose https ends here.
func hsts(h policy.HSTS) []*corev3.HeaderValueOption {
	if h == (policy.HSTS{}) {
		return nil
	}
	return []*corev3.HeaderValueOption{hstsWhere(h, byTLS)}
}

// hstsWhere is the header where an expression of CEL is true: an empty value is not added.
func hstsWhere(h policy.HSTS, condition string) *corev3.HeaderValueOption {
	return setHeader(hstsHeader, "%CEL("+condition+" ? '"+h.String()+"' : '')%")
}

// hstsOnRefusals adds the header to what a guard answers where no target would: Envoy adds the
// headers of all answers to those of routes that lead to a cluster, and to a direct response,
// but not to what a filter says before it. It stands once in each listener, so that it costs no
// route anything. What is answered before there is a route has no header.
func hstsOnRefusals(h policy.HSTS) *hcmv3.ResponseMapper {
	return &hcmv3.ResponseMapper{Filter: answered(accesslogv3.ComparisonFilter_GE, http.StatusMultipleChoices, "legation.hsts"),
		HeadersToAdd: []*corev3.HeaderValueOption{hstsWhere(h, byTLS+" && xds.route_name != ''")}}
}

// headerAnew takes the header from answers and adds it again.
func headerAnew(name string, h *corev3.HeaderValueOption) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed(&headersv3.HeaderMutation{Mutations: &headersv3.Mutations{
		ResponseMutations: []*mutationv3.HeaderMutation{drop(hstsHeader), {Action: &mutationv3.HeaderMutation_Append{Append: h}}}}})}
}

// signInWithout takes the header from the answer that sends a client to a sign-in, as a
// compatible class has it. Where Envoy adds the headers of all answers it does not know yet
// what this one is.
func signInWithout(t *policy.Taste, a *policy.Auth) []*corev3.TypedExtensionConfig {
	if !t.Compatible() || t.HSTS == (policy.HSTS{}) || a.AuthURL == "" || a.AuthSignIn == "" {
		return nil
	}
	other := hstsWhere(t.HSTS, byTLS+" && !(response.code == 302 && response.code_details == 'ext_authz_denied')")
	return []*corev3.TypedExtensionConfig{headerAnew("legation.signin", other)}
}
