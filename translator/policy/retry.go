package policy

import "time"

// Retry says when a request is sent again.
type Retry struct {
	PerTryTimeout   time.Duration
	Retries         uint32
	RetryIdempotent bool
}

// retrySettings are the rows of Retry.
var retrySettings = []Setting{
	{
		Name: "per-try-timeout", Type: durationOrOff(func(v *Values) *time.Duration { return &v.PerTryTimeout }, 10*time.Millisecond, day),
		Default: "off", Why: "As ingress-nginx: idle-timeout ends a try that stands still.",
		Envoy: "RetryPolicy.per_try_timeout",
		Doc:   "How long an endpoint may take to begin its answer, counted from the end of the request. Then the request is tried again if `retry-idempotent` says so, else answered 504.",
	},
	{
		Name: "retries", Type: whole(func(v *Values) *uint32 { return &v.Retries }, "tries", 0, 10),
		Default: "2", Why: "As ingress-nginx (proxy-next-upstream-tries 3).",
		Envoy: "RetryPolicy.num_retries",
		Doc: "How often a request is tried again, at another endpoint if there is one. By default only what no endpoint can have executed is: the connection failed, " +
			"the stream was refused, or it was reset before a byte was sent.",
	},
	{
		Name: "retry-idempotent", Type: yesNo(func(v *Values) *bool { return &v.RetryIdempotent }),
		Default: "false", Why: "What may have been executed is not sent twice unless its owner says that this does no harm.",
		Envoy: "x-envoy-retry-on: reset, for these methods",
		Doc: "Whether GET, HEAD, OPTIONS, PUT, DELETE and TRACE are tried again, too, when the connection ends before the answer begins. " +
			"A POST or PATCH never is. A body above 32 KiB is not kept, so such a request is not sent again.",
	},
}
