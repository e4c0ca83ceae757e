package render

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	lbv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/common/v3"
	leastv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	ringv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/ring_hash/v3"
	roundv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// balance sets which endpoint of m a request goes to.
func balance(m *clusterv3.Cluster, s *policy.Upstream) {
	if s.SameZone > 0 && s.LoadBalancing != policy.RingHash {
		m.LoadBalancingPolicy = inZone(s)
		return
	}
	var slow *clusterv3.Cluster_SlowStartConfig
	if s.SlowStart > 0 {
		slow = &clusterv3.Cluster_SlowStartConfig{SlowStartWindow: seconds(s.SlowStart)}
	}
	switch s.LoadBalancing {
	case policy.LeastRequest:
		m.LbPolicy = clusterv3.Cluster_LEAST_REQUEST
		if slow != nil {
			m.LbConfig = &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: &clusterv3.Cluster_LeastRequestLbConfig{SlowStartConfig: slow}}
		}
	case policy.RingHash:
		m.LoadBalancingPolicy = ringHash(s.HashBy)
	default:
		// Envoy begins the round at a random endpoint, so that many Envoys with
		// one list do not all begin with its first.
		m.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
		if slow != nil {
			m.LbConfig = &clusterv3.Cluster_RoundRobinLbConfig_{RoundRobinLbConfig: &clusterv3.Cluster_RoundRobinLbConfig{SlowStartConfig: slow}}
		}
	}
}

// ringHash puts the hash policy on the cluster, not on the route: the Service may
// set the load balancing, and routes are built without reading Services.
func ringHash(key policy.HashKey) *clusterv3.LoadBalancingPolicy {
	by := &routev3.RouteAction_HashPolicy{}
	switch {
	case key.Header != "":
		by.PolicySpecifier = &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: key.Header}}
	case key.Query != "":
		by.PolicySpecifier = &routev3.RouteAction_HashPolicy_QueryParameter_{QueryParameter: &routev3.RouteAction_HashPolicy_QueryParameter{Name: key.Query}}
	case key.Cookie != "":
		by.PolicySpecifier = &routev3.RouteAction_HashPolicy_Cookie_{Cookie: &routev3.RouteAction_HashPolicy_Cookie{Name: key.Cookie}}
	default:
		by.PolicySpecifier = &routev3.RouteAction_HashPolicy_ConnectionProperties_{
			ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: true}}
	}
	return lbPolicy("ring_hash", &ringv3.RingHash{ConsistentHashingLbConfig: &lbv3.ConsistentHashingLbConfig{HashPolicy: []*routev3.RouteAction_HashPolicy{by}}})
}

// inZone keeps requests in Envoy's own zone; Envoy knows it by the cluster of its
// bootstrap that is itself.
func inZone(s *policy.Upstream) *clusterv3.LoadBalancingPolicy {
	zone := &lbv3.LocalityLbConfig{LocalityConfigSpecifier: &lbv3.LocalityLbConfig_ZoneAwareLbConfig_{
		ZoneAwareLbConfig: &lbv3.LocalityLbConfig_ZoneAwareLbConfig{
			MinClusterSize: wrapperspb.UInt64(1), // Envoy's own 6 would leave out small Services
			ForceLocalZone: &lbv3.LocalityLbConfig_ZoneAwareLbConfig_ForceLocalZone{MinSize: number(s.SameZone)},
		}}}
	var slow *lbv3.SlowStartConfig
	if s.SlowStart > 0 {
		slow = &lbv3.SlowStartConfig{SlowStartWindow: seconds(s.SlowStart)}
	}
	if s.LoadBalancing == policy.LeastRequest {
		return lbPolicy("least_request", &leastv3.LeastRequest{LocalityLbConfig: zone, SlowStartConfig: slow})
	}
	return lbPolicy("round_robin", &roundv3.RoundRobin{LocalityLbConfig: zone, SlowStartConfig: slow})
}

func lbPolicy(name string, config validated) *clusterv3.LoadBalancingPolicy {
	return &clusterv3.LoadBalancingPolicy{Policies: []*clusterv3.LoadBalancingPolicy_Policy{{
		TypedExtensionConfig: &corev3.TypedExtensionConfig{Name: "envoy.load_balancing_policies." + name, TypedConfig: packed(config)}}}}
}

// outliers leaves out endpoints that fail one request after the other. Success
// rates decide nothing: what they do to a few endpoints cannot be foretold.
func outliers(s *policy.Upstream) *clusterv3.OutlierDetection {
	if s.OutlierErrors == 0 && s.LoadBalancing == policy.LeastRequest {
		return refusers()
	}
	if s.OutlierErrors == 0 {
		return nil
	}
	return &clusterv3.OutlierDetection{
		ConsecutiveGatewayFailure:          number(s.OutlierErrors),
		EnforcingConsecutiveGatewayFailure: number(100),
		EnforcingConsecutive_5Xx:           number(0),
		EnforcingSuccessRate:               number(0),
		BaseEjectionTime:                   seconds(s.OutlierEjectionTime),
		MaxEjectionTime:                    seconds(maxEjections * s.OutlierEjectionTime),
		MaxEjectionPercent:                 number(s.OutlierMaxEjected),
		Interval:                           seconds(time.Second), // how soon one comes back that has served its time
	}
}

// refusers leaves out endpoints that take no connection, for some seconds. Who prefers
// endpoints with few requests under way prefers these, since a connection that is refused is
// over at once: of twelve endpoints with three that refuse, 0.9 % of the requests of eight
// clients met all three in their three tries, and with this none of 2,400 did. What an
// endpoint answers decides nothing.
func refusers() *clusterv3.OutlierDetection {
	return &clusterv3.OutlierDetection{
		SplitExternalLocalOriginErrors:         true,
		ConsecutiveLocalOriginFailure:          number(refusedInRow),
		EnforcingConsecutiveLocalOriginFailure: number(100),
		EnforcingLocalOriginSuccessRate:        number(0),
		EnforcingConsecutiveGatewayFailure:     number(0),
		EnforcingConsecutive_5Xx:               number(0),
		EnforcingSuccessRate:                   number(0),
		BaseEjectionTime:                       seconds(refusersAway),
		MaxEjectionTime:                        seconds(refusersAway),
		MaxEjectionPercent:                     number(refusersMost),
		Interval:                               seconds(time.Second),
	}
}

const (
	refusedInRow = 2               // connections in a row that are not taken
	refusersAway = 5 * time.Second // a restart is not much longer
	// refusersMost is how many percent may be left out: so few that at least three remain,
	// as many as a request tries. Of two that restart one after the other, where they are,
	// the first would be left out, though it is back, while the second refuses.
	refusersMost = 33
)

// maxEjections is how many times as long as the first ejection the longest is;
// Envoy's own is ten times for its default.
const maxEjections = 10

// Checks in a row that decide over an endpoint.
const (
	unhealthyAfter = 3
	healthyAfter   = 1
)

// healthChecks asks the endpoints of b.
func healthChecks(b route.Backend, s *policy.Upstream, p route.Protocol) []*corev3.HealthCheck {
	path, interval, timeout, ok := s.HealthChecked()
	if !ok {
		return nil
	}
	check := &corev3.HealthCheck_HttpHealthCheck{Host: b.Service + "." + b.Namespace, Path: path}
	if p.HTTP2 {
		check.CodecClientType = typev3.CodecClientType_HTTP2
	}
	return []*corev3.HealthCheck{{
		Timeout: seconds(timeout), Interval: seconds(interval), NoTrafficInterval: seconds(interval),
		// Envoys that start together do not go on asking together.
		IntervalJitterPercent: 10,
		UnhealthyThreshold:    number(unhealthyAfter), HealthyThreshold: number(healthyAfter),
		HealthChecker: &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: check},
	}}
}
