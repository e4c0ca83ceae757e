package bootstrap

import (
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// localCluster is the Envoy itself.
const localCluster = "legation-local"

// inZone tells Envoy that it is in a zone, for clusters whose requests stay there.
// Envoy learns that of a cluster of its own kind, which has this one Envoy: what the
// others of the fleet do decides nothing. Its endpoint is never connected to.
func inZone(b *bootstrapv3.Bootstrap, zone string) {
	if zone == "" {
		return
	}
	b.ClusterManager = &bootstrapv3.ClusterManager{LocalClusterName: localCluster}
	b.StaticResources.Clusters = append(b.StaticResources.Clusters, &clusterv3.Cluster{
		Name:                 localCluster,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: localCluster, Endpoints: []*endpointv3.LocalityLbEndpoints{{
			Locality: &corev3.Locality{Zone: zone},
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
				Endpoint: &endpointv3.Endpoint{Address: socketAddress("127.0.0.1", discardPort)}}}}}}},
	})
}

// discardPort is a port without a listener: the service "discard" of RFC 863.
const discardPort = 9
