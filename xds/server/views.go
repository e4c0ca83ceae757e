package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// views lets people read the current snapshot of a fleet, for example with grpcurl. It
// implements the state-of-the-world methods of Envoy's discovery services (CDS, EDS,
// LDS, RDS, SDS). It is not for Envoys: secret values such as private keys are redacted,
// so an Envoy could not serve TLS with it. The delta methods stay unimplemented.
type views struct {
	clusterservice.UnimplementedClusterDiscoveryServiceServer
	endpointservice.UnimplementedEndpointDiscoveryServiceServer
	listenerservice.UnimplementedListenerDiscoveryServiceServer
	routeservice.UnimplementedRouteDiscoveryServiceServer
	secretservice.UnimplementedSecretDiscoveryServiceServer
	server *Server
}

type (
	fetchRequest  = *discoveryv3.DiscoveryRequest
	fetchResponse = *discoveryv3.DiscoveryResponse
)

func (v views) FetchClusters(_ context.Context, r fetchRequest) (fetchResponse, error) {
	return v.fetch(r, snapshot.Cluster)
}

func (v views) FetchEndpoints(_ context.Context, r fetchRequest) (fetchResponse, error) {
	return v.fetch(r, snapshot.Endpoints)
}

func (v views) FetchListeners(_ context.Context, r fetchRequest) (fetchResponse, error) {
	return v.fetch(r, snapshot.Listener)
}

func (v views) FetchRoutes(_ context.Context, r fetchRequest) (fetchResponse, error) {
	return v.fetch(r, snapshot.RouteConfiguration)
}

func (v views) FetchSecrets(_ context.Context, r fetchRequest) (fetchResponse, error) {
	return v.fetch(r, snapshot.Secret)
}

func (v views) StreamClusters(s clusterservice.ClusterDiscoveryService_StreamClustersServer) error {
	return v.server.follow(s, snapshot.Cluster)
}

func (v views) StreamEndpoints(s endpointservice.EndpointDiscoveryService_StreamEndpointsServer) error {
	return v.server.follow(s, snapshot.Endpoints)
}

func (v views) StreamListeners(s listenerservice.ListenerDiscoveryService_StreamListenersServer) error {
	return v.server.follow(s, snapshot.Listener)
}

func (v views) StreamRoutes(s routeservice.RouteDiscoveryService_StreamRoutesServer) error {
	return v.server.follow(s, snapshot.RouteConfiguration)
}

func (v views) StreamSecrets(s secretservice.SecretDiscoveryService_StreamSecretsServer) error {
	return v.server.follow(s, snapshot.Secret)
}

func (v views) fetch(r fetchRequest, t snapshot.Type) (fetchResponse, error) {
	fleet, err := chooseFleet(v.server.store, r.GetNode())
	if err != nil {
		return nil, err
	}
	if _, err := requestedType(r, t); err != nil {
		return nil, err
	}
	current, _ := v.server.store.Watch(fleet)
	return stateOfTheWorld(current, t, r.GetResourceNames()), nil
}

// anyType, as the type of a service, means that the type_url of each request decides.
const anyType = snapshot.NumTypes

// requestedType is the type that r asks for: its type_url. If that is empty, it is the
// type of the service, which is named only; a service of anyType has none.
func requestedType(r fetchRequest, only snapshot.Type) (snapshot.Type, error) {
	if r.GetTypeUrl() == "" && only != anyType {
		return only, nil
	}
	t, ok := snapshot.TypeOf(r.GetTypeUrl())
	if !ok || only != anyType && t != only {
		return 0, status.Errorf(codes.InvalidArgument, "type_url %q is not served here; served: %s", r.GetTypeUrl(), servedTypes(only))
	}
	return t, nil
}

func servedTypes(only snapshot.Type) string {
	var urls []string
	for t := range snapshot.Types() {
		if only == anyType || t == only {
			urls = append(urls, t.URL())
		}
	}
	return strings.Join(urls, ", ")
}

// chooseFleet is the fleet that a reader asks for: the one that node.cluster names, or
// the only one there is if node.cluster is empty.
func chooseFleet(s *store.Store, node *corev3.Node) (string, error) {
	fleets := s.Fleets()
	name := node.GetCluster()
	switch {
	case len(fleets) == 0:
		return "", status.Error(codes.Unavailable, "nothing is published yet")
	case slices.Contains(fleets, name):
		return name, nil
	case name != "":
		return "", status.Errorf(codes.NotFound, "node.cluster: no fleet %q; there is: %s", name, strings.Join(fleets, ", "))
	case len(fleets) == 1:
		return fleets[0], nil
	}
	return "", status.Errorf(codes.InvalidArgument, "node.cluster must name one of the fleets: %s", strings.Join(fleets, ", "))
}

// stateOfTheWorld is the response with the resources of type t that names lists, or
// with all of them if names is empty or contains "*". A name without a resource is
// left out. version_info is the digest of all resources of the type, so that readers
// can compare replicas.
func stateOfTheWorld(v store.View, t snapshot.Type, names []string) fetchResponse {
	resources := v.Snapshot.Of(t)
	out := &discoveryv3.DiscoveryResponse{
		VersionInfo:  resources.Digest().String(),
		TypeUrl:      t.URL(),
		Nonce:        strconv.FormatUint(v.Number, 10),
		ControlPlane: &corev3.ControlPlane{Identifier: fmt.Sprintf("legation, version %d", v.Number)},
	}
	if len(names) == 0 || slices.Contains(names, "*") {
		for _, r := range resources.All() {
			out.Resources = append(out.Resources, r.View())
		}
		return out
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if r, ok := resources.Get(name); ok {
			out.Resources = append(out.Resources, r.View())
		}
	}
	return out
}
