//go:build real

package ecds

import (
	"fmt"
	"math/rand/v2"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"
	limitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// tweak is what a manager has besides what the settings of the class say. The zero
// tweak is nothing.
type tweak struct {
	serial  int           // of the change; part of the bytes
	filters int           // a bit for each of inert
	upgrade bool          // another kind of upgrade, with filters of its own
	streams uint32        // more streams at once in HTTP/2
	idle    time.Duration // of streams
	life    time.Duration // of connections
	bad     string        // what Envoy rejects it for
}

// inert are filters that do nothing by themselves.
var inert = []*hcmv3.HttpFilter{
	inertFilter("before", &chainv3.FilterChainConfig{}),
	inertFilter("limit", &limitv3.LocalRateLimit{StatPrefix: "limit"}),
	inertFilter("rbac", &rbacv3.RBAC{}),
	inertFilter("policy", &chainv3.FilterChainConfig{}),
}

func inertFilter(name string, m proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(m)}}
}

// faults are what Envoy rejects a manager for.
var faults = []string{"unknown filter", "no prefix", "filter after the router", "wrong type"}

// next is another tweak; only connections of listener http may have a life, since
// those of https must last.
func (w tweak) next(rng *rand.Rand, listener string) tweak {
	w.serial++
	switch rng.IntN(5) {
	case 0:
		w.filters = rng.IntN(1 << len(inert))
	case 1:
		w.upgrade = !w.upgrade
	case 2:
		w.streams = rng.Uint32N(50)
	case 3:
		w.idle = time.Duration(30+rng.IntN(60)) * time.Second
	case 4:
		if w.life = 0; listener == http && rng.IntN(2) == 0 {
			w.life = time.Second
		}
	}
	return w
}

func (w tweak) apply(m *hcmv3.HttpConnectionManager) *hcmv3.HttpConnectionManager {
	if w.serial == 0 {
		return m
	}
	m.EarlyHeaderMutationExtensions = append(m.EarlyHeaderMutationExtensions, overwriting("x-serial", fmt.Sprint(w.serial)))
	m.LocalReplyConfig.BodyFormat = &corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_TextFormatSource{
		TextFormatSource: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: fmt.Sprintf("%%RESPONSE_CODE%% %d\n", w.serial)}}}}
	for i, f := range inert {
		if w.filters&(1<<i) != 0 {
			m.HttpFilters = append([]*hcmv3.HttpFilter{f}, m.HttpFilters...)
		}
	}
	if w.upgrade {
		m.UpgradeConfigs = append(m.UpgradeConfigs, &hcmv3.HttpConnectionManager_UpgradeConfig{
			UpgradeType: "other", Filters: []*hcmv3.HttpFilter{inert[0], router()}})
	}
	m.Http2ProtocolOptions.MaxConcurrentStreams.Value += w.streams
	if w.idle > 0 {
		m.StreamIdleTimeout = durationpb.New(w.idle)
	}
	if w.life > 0 {
		m.CommonHttpProtocolOptions.MaxConnectionDuration = durationpb.New(w.life)
		m.Http1SafeMaxConnectionDuration = true
	}
	return w.spoil(m)
}

func (w tweak) spoil(m *hcmv3.HttpConnectionManager) *hcmv3.HttpConnectionManager {
	switch w.bad {
	case "unknown filter":
		m.HttpFilters = append([]*hcmv3.HttpFilter{{Name: "unknown", ConfigType: &hcmv3.HttpFilter_TypedConfig{
			TypedConfig: &anypb.Any{TypeUrl: "type.googleapis.com/no.such.Filter"}}}}, m.HttpFilters...)
	case "no prefix":
		m.StatPrefix = ""
	case "filter after the router":
		m.HttpFilters = append(m.HttpFilters, inert[0])
	case "wrong type":
		m.HttpFilters = append([]*hcmv3.HttpFilter{inertFilter("envoy.filters.http.rbac", wrapperspb.Bool(true))}, m.HttpFilters...)
	}
	return m
}
