package policy

// Retry is whether a request is tried again.
type Retry struct {
	Retries         uint32 // tries after the first; zero: none
	RetryIdempotent bool   // also what an endpoint may have executed, if its method is idempotent
}

// retryRows are the settings of Retry.
var retryRows = []Setting{
	{
		Name: "retries", Type: whole(func(v *Values) *uint32 { return &v.Retries }, "tries", 0, 10),
		Default: "2", Why: "As ingress-nginx (proxy-next-upstream-tries 3).",
		Envoy: "RetryPolicy.num_retries",
		Doc: "How often a request is tried again, at another endpoint if there is one. By default only what no endpoint can have executed is: the connection failed, " +
			"the stream was refused, or it was reset before a byte was sent.",
	},
	{
		Name: "retry-idempotent", Type: yesNo(func(v *Values) *bool { return &v.RetryIdempotent }),
		Default: "true", Why: "As nginx (proxy_next_upstream without non_idempotent), and as RFC 9110, 9.2.2, allows: a server that closes a connection just then would else be a 502.",
		Envoy: "x-envoy-retry-on: reset, for these methods, by a header_mutation filter with a matcher",
		Doc: "Whether GET, HEAD, OPTIONS, PUT, DELETE and TRACE are tried again, too, when the connection ends before the answer begins. " +
			"A POST or PATCH never is. A body above 32 KiB is not kept, so such a request is not sent again.",
	},
}
