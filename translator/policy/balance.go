package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Balance is which endpoint a request goes to.
type Balance struct {
	LoadBalancing  LoadBalancing
	HashBy         HashKey       // with RingHash
	SlowStart      time.Duration // of a new endpoint; zero: it gets its part immediately
	PanicThreshold uint32        // percent of the endpoints; if fewer are well, all are taken
	SameZone       uint32        // endpoints that keep requests in their zone; zero: zones do not matter
}

// LoadBalancing says which endpoint a request goes to.
type LoadBalancing string

// The ways to choose an endpoint.
const (
	RoundRobin   LoadBalancing = "round-robin"
	LeastRequest LoadBalancing = "least-request" // of two that are drawn
	RingHash     LoadBalancing = "ring-hash"     // always the same for the same HashKey
)

// HashKey is what requests are told apart by: a client's address if all fields are
// empty, else one of them, by its name. The host and the path are headers, as Envoy has
// them: ":authority", ":path".
type HashKey struct{ Header, Cookie, Query string }

// headerOf are the parts of a request that have a word of their own.
var headerOf = map[string]string{"host": ":authority", "path": ":path"}

// String is "address", "host", "path", "header:NAME", "cookie:NAME" or "query:NAME".
func (k HashKey) String() string {
	for word, header := range headerOf {
		if k.Header == header {
			return word
		}
	}
	switch {
	case k.Header != "":
		return "header:" + k.Header
	case k.Cookie != "":
		return "cookie:" + k.Cookie
	case k.Query != "":
		return "query:" + k.Query
	}
	return "address"
}

// token is what a header or a cookie may be called. RFC 9110, 5.6.2.
var token = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$")

func hashKey(field func(*Values) *HashKey) Type {
	parse := func(text string) (HashKey, error) {
		kind, name, _ := strings.Cut(text, ":")
		switch {
		case text == "address":
			return HashKey{}, nil
		case headerOf[text] != "":
			return HashKey{Header: headerOf[text]}, nil
		case !token.MatchString(name):
		case kind == "header":
			return HashKey{Header: strings.ToLower(name)}, nil
		case kind == "cookie":
			return HashKey{Cookie: name}, nil
		case kind == "query":
			return HashKey{Query: name}, nil
		}
		return HashKey{}, errors.New("not address, host, path, header:NAME, cookie:NAME or query:NAME")
	}
	return typeOf("part of a request", "address, host, path, header:NAME, cookie:NAME or query:NAME", field, parse, HashKey.String)
}

// balanceRows are the settings of Balance.
var balanceRows = []Setting{
	{
		Name: "hash-by", Type: hashKey(func(v *Values) *HashKey { return &v.HashBy }),
		Default: "address", Why: "Every client has one.",
		Envoy: "RingHash.consistent_hashing_lb_config.hash_policy",
		Doc: "What a request is hashed by with `load-balancing: ring-hash`: the client's `address`, the `host`, the `path` with its query, `header:NAME`, `cookie:NAME` or `query:NAME`. " +
			"A request without it goes to any endpoint. The cookie is the application's own: Envoy sets none.",
	},
	{
		Name: "load-balancing", Type: oneOf(func(v *Values) *LoadBalancing { return &v.LoadBalancing }, RoundRobin, LeastRequest, RingHash),
		Default: "round-robin", Why: "As ingress-nginx. Each Envoy begins at a random endpoint.",
		Envoy: "Cluster.lb_policy; load_balancing_policy for ring-hash",
		Doc:   "Which endpoint a request goes to: the next; of two drawn the one with fewer requests, where an endpoint that refuses two connections in a row is left out for 5 s as long as three others remain; or always the same for the same `hash-by`.",
	},
	{
		Name: "panic-threshold", Type: whole(func(v *Values) *uint32 { return &v.PanicThreshold }, "percent", 0, 100),
		Default: "50", Why: "Envoy's own, written down: a Service whose endpoints all terminate answers because of it.",
		Envoy: "CommonLbConfig.healthy_panic_threshold",
		Doc:   "When fewer than this share of the endpoints are well, Envoy takes all of them. Terminating ones do not count. With `0` a Service without a well endpoint answers 503, terminating ones included.",
	},
	{
		Name: "same-zone-endpoints", Type: wholeOrOff(func(v *Values) *uint32 { return &v.SameZone }, "endpoints", 1, 1000),
		Default: "off", Why: "As ingress-nginx without topology aware hints: each endpoint gets the same. Zones with few endpoints and many Envoys would be too busy.",
		Envoy: "ZoneAwareLbConfig.force_local_zone, min_size",
		Doc: "Requests stay in the zone of the Envoy (`legation bootstrap --zone`) as long as so many endpoints there are well; with fewer, or without a zone, they go to all zones. " +
			"It has no effect with ring-hash. A Service whose `spec.trafficDistribution` is PreferSameZone, PreferClose or PreferSameNode has 1, where neither it nor the Ingress says another.",
	},
	{
		Name: "slow-start", Type: durationOrOff(func(v *Values) *time.Duration { return &v.SlowStart }, time.Second, time.Hour),
		Default: "off", Why: "As ingress-nginx. For servers that are slow until they are warm.",
		Envoy: "RoundRobinLbConfig.slow_start_config, LeastRequestLbConfig.slow_start_config",
		Doc:   "How long a new endpoint is given less than its part, rising from a tenth. It has no effect with ring-hash.",
	},
}

// What only some ways to choose an endpoint know.
var balanceContradictions = []contradiction{
	{"hash-by", "load-balancing", onlyRingHash(true)},
	{"slow-start", "load-balancing", onlyRingHash(false)},
	{"same-zone-endpoints", "load-balancing", onlyRingHash(false)},
}

// onlyRingHash: a setting means something with ring-hash only, or without it only.
func onlyRingHash(with bool) func(Values) error {
	return func(v Values) error {
		if (v.LoadBalancing == RingHash) != with {
			return fmt.Errorf("has no effect with load-balancing: %s", v.LoadBalancing)
		}
		return nil
	}
}
