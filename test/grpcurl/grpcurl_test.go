//go:build real

package grpcurl

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/xds/fleet"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

const (
	keyText = "KEY-BYTES-9f86d081"
	cluster = "shop/checkout/http"
	ads     = "envoy.service.discovery.v3.AggregatedDiscoveryService"
	csds    = "envoy.service.status.v3.ClientStatusDiscoveryService"
)

// binary is $GRPCURL, or what `make tools` installs.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("GRPCURL")
	if path == "" {
		path = filepath.Join("..", "..", ".tools", "bin", "grpcurl")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no grpcurl (%v): run `make tools`, or set GRPCURL", err)
	}
	return path
}

// backends is a server in this process, with one fleet and one Envoy.
type backends struct {
	t    *testing.T
	grpc string // the binary
	addr string
}

func open(t *testing.T) (*backends, *store.Store) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(store.Config{})
	srv := server.New(server.Config{Store: st, Fleets: fleet.New(fleet.Config{})})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &backends{t: t, grpc: binary(t), addr: l.Addr().String()}, st
}

// call runs grpcurl with the flags first and returns what it printed; a
// failure of the call is an error.
func (s *backends) call(args ...string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute) // only so that a hang fails
	defer cancel()
	cmd := exec.CommandContext(ctx, s.grpc, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if stderr.Len() > 0 {
		s.t.Logf("grpcurl %s: %s", strings.Join(args, " "), &stderr)
	}
	return string(out), err
}

// ask calls a method with a request in JSON and returns the printed answer.
func (s *backends) ask(method, request string) string {
	s.t.Helper()
	out, err := s.call("-plaintext", "-d", request, s.addr, method)
	if err != nil {
		s.t.Fatalf("grpcurl %s: %v\n%s", method, err, out)
	}
	if key := base64.StdEncoding.EncodeToString([]byte(keyText)); strings.Contains(out, keyText) || strings.Contains(out, key) {
		s.t.Errorf("%s shows the key", method)
	}
	return out
}

// resources is the names of the resources in a printed DiscoveryResponse.
func resources(t *testing.T, out string) []string {
	t.Helper()
	var r struct {
		VersionInfo string
		Resources   []struct {
			Type        string `json:"@type"`
			Name        string
			ClusterName string
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in:\n%s", err, out)
	}
	if r.VersionInfo == "" {
		t.Errorf("no version in:\n%s", out)
	}
	var names []string
	for _, res := range r.Resources {
		names = append(names, res.Name+res.ClusterName)
	}
	return names
}

func TestGrpcurl(t *testing.T) {
	s, st := open(t)
	if out := s.ask("grpc.health.v1.Health/Check", ""); !strings.Contains(out, "NOT_SERVING") {
		t.Errorf("health before the first publication: %s", out)
	}
	st.Publish("nginx", snap(t), "start")
	t.Run("list", s.list)
	t.Run("health", s.health)
	t.Run("fetch clusters", s.fetchClusters)
	t.Run("fetch secrets", s.fetchSecrets)
	t.Run("stream listeners", s.streamListeners)
	t.Run("stream all types", s.streamTypes)
	t.Run("client status", s.clientStatus)
	t.Run("errors", s.errors)
}

func (s *backends) list(t *testing.T) {
	out, err := s.call("-plaintext", s.addr, "list")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ads, csds, "envoy.service.cluster.v3.ClusterDiscoveryService",
		"envoy.service.endpoint.v3.EndpointDiscoveryService", "envoy.service.listener.v3.ListenerDiscoveryService",
		"envoy.service.route.v3.RouteDiscoveryService", "envoy.service.secret.v3.SecretDiscoveryService",
		"grpc.channelz.v1.Channelz", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} {
		if !slices.Contains(strings.Fields(out), name) {
			t.Errorf("list lacks %s:\n%s", name, out)
		}
	}
}

func (s *backends) health(t *testing.T) {
	for _, request := range []string{`{}`, `{"service": "` + ads + `"}`} {
		if out := s.ask("grpc.health.v1.Health/Check", request); !strings.Contains(out, `"SERVING"`) {
			t.Errorf("health of %s: %s", request, out)
		}
	}
}

func (s *backends) fetchClusters(t *testing.T) {
	out := s.ask("envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters", `{}`)
	if got := resources(t, out); !slices.Equal(got, []string{cluster}) {
		t.Errorf("clusters are %v in:\n%s", got, out)
	}
}

func (s *backends) fetchSecrets(t *testing.T) {
	out := s.ask("envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets", `{"node": {"cluster": "nginx"}}`)
	if !strings.Contains(out, "[redacted]") && !strings.Contains(out, base64.StdEncoding.EncodeToString([]byte("[redacted]"))) {
		t.Errorf("no redacted key in:\n%s", out)
	}
	if !strings.Contains(out, "THE CERTIFICATE") {
		t.Errorf("the certificate itself is missing in:\n%s", out)
	}
}

// streamListeners: what is packed inside a listener is printed, not dumped.
func (s *backends) streamListeners(t *testing.T) {
	out := s.ask(ads+"/StreamAggregatedResources", `{"type_url": "`+snapshot.Listener.URL()+`"}`)
	if got := resources(t, out); !slices.Equal(got, []string{"https"}) {
		t.Errorf("listeners are %v", got)
	}
	if !strings.Contains(out, `"statPrefix": "ingress"`) {
		t.Errorf("the connection manager is not printed:\n%s", out)
	}
}

func (s *backends) streamTypes(t *testing.T) {
	var requests string
	for typ := range snapshot.Types() {
		requests += `{"type_url": "` + typ.URL() + `"} `
	}
	out := s.ask(ads+"/StreamAggregatedResources", requests)
	for typ := range snapshot.Types() {
		if !strings.Contains(out, `"typeUrl": "`+typ.URL()+`"`) {
			t.Errorf("no answer for %s", typ)
		}
	}
}

// clientStatus shows what a connected Envoy has acknowledged.
func (s *backends) clientStatus(t *testing.T) {
	connect(t, s.addr)
	for deadline := time.Now().Add(time.Minute); ; {
		out := s.ask(csds+"/FetchClientStatus", `{"node_matchers": [{"node_id": {"exact": "envoy-1"}}]}`)
		if strings.Contains(out, `"ACKED"`) && strings.Contains(out, cluster) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the ACK is not shown:\n%s", out)
		}
	}
	if out := s.ask(csds+"/StreamClientStatus", `{"node_matchers": [{"node_id": {"exact": "other"}}]}`); strings.Contains(out, "envoy-1") {
		t.Errorf("a matcher that does not match shows:\n%s", out)
	}
}

func (s *backends) errors(t *testing.T) {
	if out, err := s.call("-plaintext", "-d", `{"node": {"cluster": "edge"}}`, s.addr,
		"envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters"); err == nil {
		t.Errorf("an unknown fleet is answered:\n%s", out)
	}
}

// connect is an Envoy that loads its clusters and stays.
func connect(t *testing.T, addr string) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send := func(r *discoveryv3.DeltaDiscoveryRequest) {
		t.Helper()
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
	}
	send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: "envoy-1", Cluster: "nginx"}, TypeUrl: snapshot.Cluster.URL()})
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
}

// snap is a small snapshot with a key in it, and with messages packed in others.
func snap(t *testing.T) snapshot.Snapshot {
	t.Helper()
	pack := func(m proto.Message) *anypb.Any {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var s snapshot.Snapshot
	add := func(typ snapshot.Type, name string, m proto.Message, meta snapshot.Meta) {
		r, err := snapshot.New(typ, name, m, meta)
		if err != nil {
			t.Fatal(err)
		}
		s = s.With(typ, s.Of(typ).Set(name, r))
	}
	add(snapshot.Cluster, cluster, &clusterv3.Cluster{Name: cluster, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}},
		snapshot.Meta{Pulls: []snapshot.Ref{{Type: snapshot.Endpoints, Name: cluster}}})
	add(snapshot.Endpoints, cluster, &endpointv3.ClusterLoadAssignment{ClusterName: cluster}, snapshot.Meta{})
	add(snapshot.Secret, "shop.example.com", &tlsv3.Secret{Name: "shop.example.com", Type: &tlsv3.Secret_TlsCertificate{
		TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "THE CERTIFICATE"}},
			PrivateKey:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: []byte(keyText)}}}}}, snapshot.Meta{})
	add(snapshot.Listener, "https", &listenerv3.Listener{Name: "https", FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
		Name: "http", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: pack(&hcmv3.HttpConnectionManager{StatPrefix: "ingress"})}}}}}},
		snapshot.Meta{Pulls: []snapshot.Ref{{Type: snapshot.Secret, Name: "shop.example.com"}}})
	return s
}
