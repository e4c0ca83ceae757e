//go:build real

package edge

import (
	"fmt"
	"net"
	"sync"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"

	"legation.dev/xds/snapshot"
)

// plainADS answers delta ADS with one snapshot, whole, each type when Envoy asks
// for it. It has no order and no state: what is tested here is what Envoy makes
// of the bytes, not how they get there.
type plainADS struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	snap snapshot.Snapshot

	mu       sync.Mutex // guards rejected
	rejected []string
}

// serve starts the server on a free port of loopback and returns the port.
func (s *plainADS) serve(t *testing.T) int {
	t.Helper()
	return serveADS(t, s)
}

// serveADS serves on a free port of loopback until the test ends, and returns the port.
func serveADS(t *testing.T, s discoveryv3.AggregatedDiscoveryServiceServer) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, s)
	done := make(chan struct{})
	go func() { server.Serve(listener); close(done) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().(*net.TCPAddr).Port
}

// DeltaAggregatedResources answers every subscription at once.
func (s *plainADS) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	seen := map[snapshot.Type]bool{}
	for nonce := 1; ; nonce++ {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if d := req.GetErrorDetail(); d != nil {
			s.mu.Lock()
			s.rejected = append(s.rejected, req.GetTypeUrl()+": "+d.GetMessage())
			s.mu.Unlock()
		}
		resp := s.answer(req, seen)
		if resp == nil {
			continue
		}
		resp.Nonce = fmt.Sprint(nonce)
		if err := stream.Send(resp); err != nil {
			return err
		}
	}
}

func (s *plainADS) answer(req *discoveryv3.DeltaDiscoveryRequest, seen map[snapshot.Type]bool) *discoveryv3.DeltaDiscoveryResponse {
	t, ok := snapshot.TypeOf(req.GetTypeUrl())
	if !ok {
		return nil
	}
	resp := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: t.URL()}
	add := func(r *snapshot.Resource) {
		resp.Resources = append(resp.Resources, &discoveryv3.Resource{Name: r.Name, Version: r.Version, Resource: r.Any()})
	}
	if t.Wildcard() && !seen[t] {
		seen[t] = true
		for _, r := range s.snap.Of(t).All() {
			add(r)
		}
		return resp
	}
	for _, name := range req.GetResourceNamesSubscribe() {
		if r, ok := s.snap.Of(t).Get(name); ok {
			add(r)
		}
	}
	if len(resp.Resources) == 0 {
		return nil
	}
	return resp
}

// noneRejected fails the test if Envoy rejected anything.
func (s *plainADS) noneRejected(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rejected {
		t.Errorf("Envoy rejected %s", r)
	}
}

const plainBootstrap = `
node: {id: one, cluster: edge}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{envoy_grpc: {cluster_name: xds}}]
  cds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
  lds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
static_resources:
  clusters:
  - name: xds
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: xds
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]
  - name: legation-authz
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: legation-authz
      endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: %q}}}}]}]
  secrets:
  - name: default-certificate
    tls_certificate:
      certificate_chain: {inline_string: %q}
      private_key: {inline_string: %q}
`
