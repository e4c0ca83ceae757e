//go:build real

package edge

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"legation.dev/test/envoy"
	"legation.dev/xds/snapshot"
)

// scripted is an ADS server that says only what a test tells it to, and keeps all that
// Envoy says.
type scripted struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	t       *testing.T
	streams chan discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer
	heard   [snapshot.NumTypes]chan *discoveryv3.DeltaDiscoveryRequest
	end     chan struct{} // a value ends the stream
	stream  discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer
	nonce   int
}

// DeltaAggregatedResources hands the stream to the test.
func (s *scripted) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	s.streams <- stream
	go func() {
		for {
			r, err := stream.Recv()
			if err != nil {
				return // the stream has ended
			}
			if t, ok := snapshot.TypeOf(r.GetTypeUrl()); ok {
				s.heard[t] <- r
			}
		}
	}()
	select {
	case <-s.end:
	case <-stream.Context().Done():
	}
	return nil
}

// next is the next request of a type.
func (s *scripted) next(t snapshot.Type) *discoveryv3.DeltaDiscoveryRequest {
	s.t.Helper()
	select {
	case r := <-s.heard[t]:
		if r.GetErrorDetail() != nil {
			s.t.Fatalf("Envoy rejects: %v", r)
		}
		return r
	case <-time.After(20 * time.Second):
		s.t.Fatalf("Envoy says nothing of %v", t)
	}
	return nil
}

// silent wants no request of a type for a moment.
func (s *scripted) silent(t snapshot.Type) {
	s.t.Helper()
	select {
	case r := <-s.heard[t]:
		s.t.Fatalf("Envoy asks: %v", r)
	case <-time.After(500 * time.Millisecond):
	}
}

// send sends a response and waits for its ACK.
func (s *scripted) send(t snapshot.Type, removed []string, resources ...*discoveryv3.Resource) {
	s.t.Helper()
	s.nonce++
	nonce := fmt.Sprint(s.nonce)
	if err := s.stream.Send(&discoveryv3.DeltaDiscoveryResponse{TypeUrl: t.URL(), Nonce: nonce, Resources: resources, RemovedResources: removed}); err != nil {
		s.t.Fatal(err)
	}
	s.awaitAnswer(t, nonce)
}

// awaitAnswer takes requests until the one that answers.
func (s *scripted) awaitAnswer(t snapshot.Type, nonce string) {
	s.t.Helper()
	for {
		if r := s.next(t); r.GetResponseNonce() == nonce {
			return
		}
	}
}

// again ends the stream, if there is one, and takes Envoy's next; said is what it names
// and reports first, of route configurations and virtual hosts.
func (s *scripted) again() (routes, hosts []string) {
	s.t.Helper()
	if s.stream != nil {
		s.end <- struct{}{}
	}
	for _, heard := range s.heard { // of the old one
		for len(heard) > 0 {
			<-heard
		}
	}
	s.stream = <-s.streams
	rds, vhds := s.next(snapshot.RouteConfiguration), s.next(snapshot.VirtualHost)
	return rds.GetResourceNamesSubscribe(), slices.Sorted(maps.Keys(vhds.GetInitialResourceVersions()))
}

func message(name string, m proto.Message) *discoveryv3.Resource {
	body, err := anypb.New(m)
	if err != nil {
		panic(err) // these can be encoded
	}
	return &discoveryv3.Resource{Name: name, Version: "1", Resource: body}
}

var overADS = &corev3.ConfigSource{ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	ResourceApiVersion: corev3.ApiVersion_V3, InitialFetchTimeout: durationpb.New(0)}

// listening is a listener with a route configuration of the same name.
func listening(name string, port int) *discoveryv3.Resource {
	router := message("", &routerv3.Router{}).Resource
	hcm := &hcmv3.HttpConnectionManager{StatPrefix: name,
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{ConfigSource: overADS, RouteConfigName: name}},
		HttpFilters:    []*hcmv3.HttpFilter{{Name: "router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: router}}}}
	return message(name, &listenerv3.Listener{Name: name,
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: "127.0.0.1",
			PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)}}}},
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{Name: "hcm",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: message("", hcm).Resource}}}}}})
}

func byVHDS(name string) *discoveryv3.Resource {
	return message(name, &routev3.RouteConfiguration{Name: name, Vhds: &routev3.Vhds{ConfigSource: overADS}})
}

// anyHost answers 200.
func anyHost(name string) *discoveryv3.Resource {
	return message(name, &routev3.VirtualHost{Name: name, Domains: []string{"*"}, Routes: []*routev3.Route{{
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 200}}}}})
}

// answers waits until a port answers with a status; 0: it refuses.
func answers(t *testing.T, port, want int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	got := -1
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = 0
		if resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port)); err == nil {
			resp.Body.Close()
			got = resp.StatusCode
		}
		if got == want {
			return
		}
	}
	t.Fatalf("port %d answers %d, want %d", port, got, want)
}

// TestTwoRouteConfigurations holds M11 and M12 of docs/delta.md for a second route
// configuration: it goes, and comes back on the same stream and on a later one.
func TestTwoRouteConfigurations(t *testing.T) {
	s := &scripted{t: t, streams: make(chan discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer),
		end: make(chan struct{})}
	for i := range s.heard {
		s.heard[i] = make(chan *discoveryv3.DeltaDiscoveryRequest, 100)
	}
	startScripted(t, s)
	one, two := envoy.FreePort(t), envoy.FreePort(t)
	s.stream = <-s.streams
	s.next(snapshot.Cluster)
	s.send(snapshot.Cluster, nil)
	s.next(snapshot.Listener)
	s.send(snapshot.Listener, nil, listening("one", one))
	s.next(snapshot.RouteConfiguration)
	s.send(snapshot.RouteConfiguration, nil, byVHDS("one"))
	s.next(snapshot.VirtualHost) // the only time
	s.send(snapshot.VirtualHost, nil, anyHost("one/a"))
	answers(t, one, 200)

	for range 2 { // it comes, and comes back, on this stream
		s.send(snapshot.VirtualHost, nil, anyHost("two/a")) // without its route configuration: dropped
		s.send(snapshot.Listener, nil, listening("two", two))
		if names := s.next(snapshot.RouteConfiguration).GetResourceNamesSubscribe(); !slices.Equal(names, []string{"two"}) {
			t.Fatalf("Envoy asks for %v", names)
		}
		s.send(snapshot.RouteConfiguration, nil, byVHDS("two"))
		s.silent(snapshot.VirtualHost)
		answers(t, two, 0) // it waits
		s.send(snapshot.VirtualHost, []string{"two/none"})
		answers(t, two, 404) // and no longer
		s.send(snapshot.VirtualHost, nil, anyHost("two/a"))
		answers(t, two, 200)
		answers(t, one, 200)
		s.send(snapshot.Listener, []string{"two"})
		if names := s.next(snapshot.RouteConfiguration).GetResourceNamesUnsubscribe(); !slices.Equal(names, []string{"two"}) {
			t.Fatalf("Envoy drops %v", names)
		}
	}

	said := func(wantHosts ...string) {
		t.Helper()
		if routes, hosts := s.again(); !slices.Equal(routes, []string{"one"}) || !slices.Equal(hosts, wantHosts) {
			t.Fatalf("Envoy asks for %v and reports %v, want one and %v", routes, hosts, wantHosts)
		}
	}
	said("one/a", "two/a") // it has no two/a
	s.send(snapshot.VirtualHost, []string{"two/a"})
	said("one/a")
	answers(t, one, 200)
}

// startScripted starts the server and an Envoy that drains for a second.
func startScripted(t *testing.T, s *scripted) {
	t.Helper()
	cert, key := selfSigned("unused")
	e, err := envoy.Start(context.WithoutCancel(t.Context()), envoy.Options{Args: []string{"--drain-time-s", "1"},
		Bootstrap: fmt.Appendf(nil, plainBootstrap, serveADS(t, s), "/nonexistent", cert, key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
}
