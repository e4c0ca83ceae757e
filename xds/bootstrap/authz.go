package bootstrap

import (
	"fmt"
	"strings"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/authz/rule"
)

// authorization adds the cluster of the authorization server. It is static, for it is a
// part of the pod.
func authorization(s *bootstrapv3.Bootstrap_StaticResources, at string) error {
	if at == "" {
		return nil
	}
	path, ok := strings.CutPrefix(at, "unix:")
	if !ok || path == "" {
		return fmt.Errorf("authz: %q: want unix:PATH", at)
	}
	// A service that does not answer must not take the turns of others: 1024 by default.
	many := wrapperspb.UInt32(65536)
	address := &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}}
	s.Clusters = append(s.Clusters, &clusterv3.Cluster{
		Name:                 rule.Cluster,
		ConnectTimeout:       durationpb.New(time.Second), // within the pod
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxConnections: many, MaxPendingRequests: many, MaxRequests: many}}},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: rule.Cluster, Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}}}}}}},
	})
	return nil
}
