package render

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previousv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"legation.dev/translator/policy"
)

// retries repeats only what no endpoint can have executed, at another endpoint
// if there is one. A request whose bytes left is never sent twice.
func retries(s *policy.Route) *routev3.RetryPolicy {
	p := &routev3.RetryPolicy{
		RetryOn:    "connect-failure,refused-stream,reset-before-request",
		NumRetries: number(s.Retries),
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name:       "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: packed(&previousv3.PreviousHostsPredicate{})},
		}},
		HostSelectionRetryMaxAttempts: 5, // as Envoy's manual; then any endpoint
	}
	if s.PerTryTimeout > 0 {
		p.PerTryTimeout = seconds(s.PerTryTimeout)
	}
	return p
}

// retriesDiffer reports whether two settings need policies of their own.
func retriesDiffer(a, b *policy.Route) bool {
	return a.Retries != b.Retries || a.PerTryTimeout != b.PerTryTimeout
}

// idempotent is an expression that adds a reason to retry for methods that may
// be executed twice. RFC 9110, 9.2.2.
const idempotent = `%CEL(request.method in ['GET','HEAD','OPTIONS','PUT','DELETE','TRACE'] ? 'reset' : '')%`

// retryIdempotent is a header that the router reads as part of the policy, and
// takes off; a client's own is removed before. An empty value is not added.
//
// The route configuration has it once for all routes, if the class says so; a route that
// says otherwise has a value of its own.
//
// It replaces a second route with a policy of its own and a match on :method,
// which costs 322 bytes of a virtual host instead of 113 and makes every lookup
// longer.
// RetryPolicy.retriable_request_headers would not do: it keeps a POST from being
// tried again when its connection failed, too (measured).
func retryIdempotent() *corev3.HeaderValueOption { return setHeader(retryOn, idempotent) }

// retryOn is the header.
const retryOn = "x-envoy-retry-on"

// retryForAll is retryIdempotent for routes that do not say otherwise: their headers are
// added before.
func retryForAll(s *policy.Route) []*corev3.HeaderValueOption {
	if !s.RetryIdempotent {
		return nil
	}
	o := retryIdempotent()
	o.AppendAction = corev3.HeaderValueOption_ADD_IF_ABSENT
	return []*corev3.HeaderValueOption{o}
}

// retryUnlike is what a route has whose settings are not those of its class.
func retryUnlike(s, class *policy.Route) []*corev3.HeaderValueOption {
	switch {
	case s.RetryIdempotent == class.RetryIdempotent:
		return nil
	case s.RetryIdempotent:
		return []*corev3.HeaderValueOption{retryIdempotent()}
	}
	return []*corev3.HeaderValueOption{setHeader(retryOn, "connect-failure")} // which all policies have
}

// Retries of a cluster that may run at once, so that they do not bury endpoints that are
// down already: a fifth of the requests that are active, as in Envoy's manual, and some for
// a Service that is hardly used.
const (
	retryPercent = 20
	retriesLeast = 3
)

func retryBudget() *clusterv3.CircuitBreakers_Thresholds_RetryBudget {
	return &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
		BudgetPercent: &typev3.Percent{Value: retryPercent}, MinRetryConcurrency: number(retriesLeast)}
}
