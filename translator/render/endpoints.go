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
	return newResource(snapshot.Endpoints, cluster, m, snapshot.Meta{Placeholder: e.Placeholder, Empty: len(e.List) == 0 && !e.Backend.Outside(), // no request waits for who gets copies
		From: []object.Ref{e.Backend.Ref()}})
}

// localities are endpoints by zone; the list is sorted by zones.
func localities(list []route.Endpoint) []*endpointv3.LocalityLbEndpoints {
	var (
		localities []*endpointv3.LocalityLbEndpoints
		last       *endpointv3.LocalityLbEndpoints
	)
	made := make([]lbEndpoint, len(list))
	for i, e := range list {
		if i == 0 || e.Zone != list[i-1].Zone {
			last = &endpointv3.LocalityLbEndpoints{}
			if e.Zone != "" {
				last.Locality = &corev3.Locality{Zone: e.Zone}
			}
			localities = append(localities, last)
		}
		last.LbEndpoints = append(last.LbEndpoints, made[i].of(e))
	}
	return localities
}

// lbEndpoint is an endpoint in one piece: of as many as a fleet has, each message of its own
// would be an allocation.
type lbEndpoint struct {
	endpointv3.LbEndpoint
	identifier endpointv3.LbEndpoint_Endpoint
	endpoint   endpointv3.Endpoint
	address    socketAddressOf
}

func (l *lbEndpoint) of(e route.Endpoint) *endpointv3.LbEndpoint {
	l.HealthStatus = corev3.HealthStatus_HEALTHY
	if e.Draining {
		l.HealthStatus = corev3.HealthStatus_DRAINING
	}
	host := e.Host()
	l.identifier.Endpoint, l.HostIdentifier = &l.endpoint, &l.identifier
	l.endpoint.Address = l.address.of(host, e.Port)
	if len(e.Also) > 0 {
		// Envoy ignores a change of additional addresses alone, and takes it with another
		// hostname (measured); nothing else reads that here.
		l.endpoint.Hostname = host
		for _, ip := range e.Also {
			l.endpoint.Hostname += "," + ip.String()
			l.endpoint.AdditionalAddresses = append(l.endpoint.AdditionalAddresses,
				&endpointv3.Endpoint_AdditionalAddress{Address: socketAddress(ip.String(), e.Port)})
		}
	}
	return &l.LbEndpoint
}
