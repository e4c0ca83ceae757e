package render

import (
	"fmt"
	"maps"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	limitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// A limiter of a route counts anew at each push of routes, also for other hosts
// (measured). So there is one limiter for all routes, in the listener, and what differs
// is in the metadata of a route: whose bucket a request takes from, which of the
// sizes below the bucket has, and how many tokens the request costs.
//
// nginx lets 1 + burst requests through immediately, and then those of the rate: with r
// requests per unit of time and a multiplier m, m*r + 1. The sizes give exactly that: a
// bucket that is filled with perUnit tokens in each unit, where a request costs
// perUnit/r of them, has the rate r; it holds m*r + 1 requests, and not m*r + 2, if its
// size is from perUnit*(m + 1/r) up to perUnit*(m + 2/r). One size does for all rates
// from k to 2k-1: perUnit*(m + 1/k). If the rate may be a little higher, by which a request
// costs less, one size does for more of them.
//
// What it costs (Envoy 1.40, measured): 2 % of a worker's instructions for a small request, and 4
// to 8 % of its CPU time, on a route without limits, were it not switched off there; 0.8 kB
// for each client with a bucket. Each filter chain has a limiter of its own, and one for upgrades: for
// each size and TLS host Envoy has 1.1 kB of heap in each of them, 0.2 kB of it for each
// entry of the descriptor. So there are few sizes.
//
// A bucket is one of a filter chain in one Envoy: http, each TLS host, and WebSocket
// upgrades of each count apart, as do the Envoys. Who connects by the name of another
// TLS host, and then asks for this one, has another bucket.

const (
	// perUnit is large, for costs are whole numbers: the error of a rate r is r/perUnit.
	// Still the greatest bucket is below 2^32, and the cost of one request per unit below
	// 1e9, above which Envoy would not limit at all (measured).
	perUnit = 120_000_000
	// maxClients is how many owners and addresses have a bucket of each size; then the one
	// that was not used for longest is forgotten. With fewer, a client that has more addresses
	// than that would have a new bucket with each request.
	maxClients = 50_000
)

// units are those of rates: the names that they have in metadata and descriptors, their
// lengths, and the sizes of their buckets, in 64ths of perUnit, ascending. Most sizes are
// for the multiplier 5, which is the one of ingress-nginx; of others there are few, which
// lack the 1 of m*r + 1, and a multiplier between them has the next lower one. Of a
// minute there are fewer: rates of up to 64 are up to 2 % higher than they should be.
var units = []unit{
	{"second", time.Second, []uint32{1 * 64, 2 * 64, 5*64 + 1, 5*64 + 2, 5*64 + 4, 5*64 + 8, 5*64 + 16, 5*64 + 32, 5*64 + 64, 10 * 64}},
	{"minute", time.Minute, []uint32{1 * 64, 2 * 64, 5*64 + 1, 5*64 + 14, 5*64 + 32, 5*64 + 64, 10 * 64}},
}

type unit struct {
	name   string
	length time.Duration
	sizes  []uint32
}

// limiterFilter runs on the routes that ask for it: those with limits.
const limiterFilter = "envoy.filters.http.local_ratelimit"

// limitNamespace is where a route's metadata says its limits.
const limitNamespace = "legation.limit"

// Limits are the rates that each client is held to, by its address, on all routes with
// the same Of.
type Limits struct {
	Of string // an Ingress: "shop/web"
	// PerSecond and PerMinute are requests; 0 is no limit.
	PerSecond, PerMinute uint32
	// Burst multiplies the rate: as many requests may come together.
	Burst uint32
}

// SetOn gives a route these limits, if there are any: it says them, and asks for the limiter.
func (l Limits) SetOn(m *routev3.Route) {
	if m.Metadata = l.metadata(); m.Metadata != nil {
		m.TypedPerFilterConfig = with(maps.Clone(m.TypedPerFilterConfig), limiterFilter, ask())
	}
}

// metadata is nil if there are no limits.
func (l Limits) metadata() *corev3.Metadata {
	fields := map[string]*structpb.Value{}
	for i, rate := range []uint32{l.PerSecond, l.PerMinute} {
		if rate > 0 {
			size := units[i].sizeFor(rate, l.Burst)
			fields[units[i].name] = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"size": structpb.NewStringValue(fmt.Sprint(size)),
				"of":   structpb.NewStringValue(l.Of),
				"cost": structpb.NewNumberValue(float64(cost(size, rate, l.Burst))),
			}})
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{limitNamespace: {Fields: fields}}}
}

// sizeFor is the largest size that lets no larger burst through than nginx does, else
// the one of the multiplier, else the smallest.
func (u unit) sizeFor(rate, multiplier uint32) uint32 {
	found := u.sizes[0]
	for _, size := range u.sizes {
		exact := uint64(size)*uint64(rate)/64 <= burst(rate, multiplier)
		if exact || uint64(size) <= 64*uint64(multiplier)+1 {
			found = size
		}
	}
	return found
}

// burst is how many requests nginx lets through at once.
func burst(rate, multiplier uint32) uint64 { return uint64(multiplier)*uint64(rate) + 1 }

// The cost of a request may be so much less than what gives the rate, and so much more, in
// thousandths, if that makes the burst the one of nginx.
const (
	mostCheaper = 20
	mostDearer  = 4
)

// cost is how many tokens a request takes: at least 1, for 0 would refuse all (measured).
func cost(size, rate, multiplier uint32) uint32 {
	tokens, want, plain := uint64(size)*(perUnit/64), burst(rate, multiplier), max(1, uint64(perUnit/rate))
	// Bounds within which a full bucket has just as many requests as wanted.
	low, high := tokens/(want+1)+1, tokens/want
	switch {
	case plain < low && low <= plain+plain*mostDearer/1000:
		return uint32(low)
	case plain > high && high >= plain-plain*mostCheaper/1000:
		return uint32(high)
	}
	return uint32(plain)
}

// limiter is the filter. On a route without limits it finds no descriptor, and so
// nothing to count.
func limiter() *limitv3.LocalRateLimit {
	always := &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 100}}
	m := &limitv3.LocalRateLimit{
		StatPrefix:                      "legation",
		Status:                          &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable}, // as nginx
		FilterEnabled:                   always,
		FilterEnforced:                  always,
		AlwaysConsumeDefaultTokenBucket: no(), // there is none
		MaxDynamicDescriptors:           number(maxClients),
	}
	for _, u := range units {
		m.RateLimits = append(m.RateLimits, limitOf(u.name))
		for _, size := range u.sizes {
			m.Descriptors = append(m.Descriptors, bucket(u.name, u.length, size))
		}
	}
	return m
}

// exempt is where the filter before says "allowed" of a client that has no limit: the
// shadow rules of an RBAC, with the prefix "exempt_". Without rules no client is exempt.
const exempt = "exempt_shadow_engine_result"

// limitOf reads the limit per unit from a route's metadata. What lacks any entry is no
// descriptor.
func limitOf(unit string) *routev3.RateLimit {
	return &routev3.RateLimit{
		Actions: []*routev3.RateLimit_Action{
			fromMetadata(unit, routev3.RateLimit_Action_MetaData_ROUTE_ENTRY, "", limitNamespace, unit, "size"),
			fromMetadata("of", routev3.RateLimit_Action_MetaData_ROUTE_ENTRY, "", limitNamespace, unit, "of"),
			{ActionSpecifier: &routev3.RateLimit_Action_RemoteAddress_{RemoteAddress: &routev3.RateLimit_Action_RemoteAddress{}}},
			fromMetadata("exempt", routev3.RateLimit_Action_MetaData_DYNAMIC, "denied", "envoy.filters.http.rbac", exempt),
		},
		HitsAddend: &routev3.RateLimit_HitsAddend{Format: "%METADATA(ROUTE:" + limitNamespace + ":" + unit + ":cost)%"},
	}
}

func fromMetadata(entry string, source routev3.RateLimit_Action_MetaData_Source, otherwise, namespace string, path ...string) *routev3.RateLimit_Action {
	key := &metadatav3.MetadataKey{Key: namespace}
	for _, p := range path {
		key.Path = append(key.Path, &metadatav3.MetadataKey_PathSegment{Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: p}})
	}
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_Metadata{Metadata: &routev3.RateLimit_Action_MetaData{
		DescriptorKey: entry, MetadataKey: key, Source: source, DefaultValue: otherwise}}}
}

// bucket is one size: Envoy makes a bucket of it for each owner and client.
func bucket(unit string, length time.Duration, size uint32) *ratelimitv3.LocalRateLimitDescriptor {
	return &ratelimitv3.LocalRateLimitDescriptor{
		Entries: []*ratelimitv3.RateLimitDescriptor_Entry{
			{Key: unit, Value: fmt.Sprint(size)}, {Key: "of"}, {Key: "remote_address"}, {Key: "exempt", Value: "denied"}},
		TokenBucket: &typev3.TokenBucket{MaxTokens: size * (perUnit / 64), TokensPerFill: number(perUnit), FillInterval: seconds(length)},
	}
}
