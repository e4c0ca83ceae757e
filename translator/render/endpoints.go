package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"legation.dev/object"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Endpoints makes the ClusterLoadAssignment of a cluster.
func Endpoints(cluster string, e route.Endpoints) (*snapshot.Resource, error) {
	m := &endpointv3.ClusterLoadAssignment{ClusterName: cluster, Endpoints: localities(e.List)}
	return newResource(snapshot.Endpoints, cluster, m, snapshot.Meta{Placeholder: e.Placeholder, Empty: len(e.List) == 0,
		From: []object.Ref{e.Backend.Ref()}})
}

// localities are endpoints by zone; the list is sorted by zones.
func localities(list []route.Endpoint) []*endpointv3.LocalityLbEndpoints {
	var (
		localities []*endpointv3.LocalityLbEndpoints
		last       *endpointv3.LocalityLbEndpoints
	)
	for i, e := range list {
		if i == 0 || e.Zone != list[i-1].Zone {
			last = &endpointv3.LocalityLbEndpoints{}
			if e.Zone != "" {
				last.Locality = &corev3.Locality{Zone: e.Zone}
			}
			localities = append(localities, last)
		}
		last.LbEndpoints = append(last.LbEndpoints, lbEndpoint(e))
	}
	return localities
}

func lbEndpoint(e route.Endpoint) *endpointv3.LbEndpoint {
	status := corev3.HealthStatus_HEALTHY
	if e.Draining {
		status = corev3.HealthStatus_DRAINING
	}
	m := &endpointv3.Endpoint{Address: socketAddress(e.Host(), e.Port)}
	if len(e.Also) > 0 {
		// Envoy ignores a change of additional addresses alone, and takes it with another
		// hostname (measured); nothing else reads that here.
		m.Hostname = e.Host()
		for _, ip := range e.Also {
			m.Hostname += "," + ip.String()
			m.AdditionalAddresses = append(m.AdditionalAddresses, &endpointv3.Endpoint_AdditionalAddress{Address: socketAddress(ip.String(), e.Port)})
		}
	}
	return &endpointv3.LbEndpoint{HealthStatus: status, HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: m}}
}
