package policy

import "net/netip"

// Rate is how many requests a client may make, by its address.
type Rate struct {
	PerSecond, PerMinute uint32 // zero: no limit
	Burst                uint32 // the rate, so many times, may come at once
}

// Exempt are clients that no Rate holds.
type Exempt struct{ RateExempt []netip.Prefix }

// exemptRows are the settings of Exempt.
var exemptRows = []Setting{
	{
		Name: "rate-exempt-addresses", Type: prefixes(func(v *Values) *[]netip.Prefix { return &v.RateExempt }),
		Default: "", Why: "Everybody is limited.",
		Envoy: "shadow rules of http filter rbac of the route, read by local_ratelimit",
		Doc:   "The clients, by address, that `requests-per-second` and `requests-per-minute` do not limit. If the value cannot be read, all are limited.",
	},
}

// rateRows are the settings of Rate.
var rateRows = []Setting{
	{
		Name: "rate-burst", Type: whole(func(v *Values) *uint32 { return &v.Burst }, "times the rate", 1, 10),
		Default: "5", Why: "As ingress-nginx (limit-burst-multiplier).",
		Envoy: "TokenBucket.max_tokens of http filter local_ratelimit",
		Doc:   "How many times its rate a client may make at once. It has no effect without `requests-per-second` or `requests-per-minute`.",
	},
	{
		Name: "requests-per-minute", Type: wholeOrOff(func(v *Values) *uint32 { return &v.PerMinute }, "requests", 1, 1_000_000),
		Default: "off", Why: "Nobody is limited who does not ask for it.",
		Envoy: "http filter local_ratelimit, by metadata of the route",
		Doc:   "How many requests a minute one client may make, by its address, on all paths of the Ingress together: more are answered 503. Each Envoy counts by itself.",
	},
	{
		Name: "requests-per-second", Type: wholeOrOff(func(v *Values) *uint32 { return &v.PerSecond }, "requests", 1, 1_000_000),
		Default: "off", Why: "Nobody is limited who does not ask for it.",
		Envoy: "http filter local_ratelimit, by metadata of the route",
		Doc:   "How many requests a second one client may make, by its address, on all paths of the Ingress together: more are answered 503. Each Envoy counts by itself.",
	},
}
