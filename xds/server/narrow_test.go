package server

import (
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/xds/bootstrap"
	"legation.dev/xds/snapshot"
)

// TestNoIPv6: an Envoy that says that its node has no IPv6 gets the form of each type that it
// can take, now and after every change, and others the whole. A change of nothing but IPv6 sends it nothing.
func TestNoIPv6(t *testing.T) {
	h := serve(t)
	first := sixes(t, world(t, 3, 0), "10.0.0.1", "2001:db8::1")
	for _, ty := range []snapshot.Type{snapshot.Listener, snapshot.Cluster, snapshot.Endpoints, snapshot.VirtualHost} {
		if first.Narrow().Of(ty).Digest() == first.Of(ty).Digest() {
			t.Fatalf("no %s has IPv6", ty)
		}
	}
	h.store.Publish("nginx", first, "start")
	pair, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := bootstrap.New(bootstrap.Config{NodeID: "old", Class: "nginx", NoIPv6: true, Admin: "unix:/tmp/admin", Certificate: pair})
	if err != nil {
		t.Fatal(err)
	}
	old, other := h.envoy("old", "nginx"), h.envoy("other", "nginx")
	old.node.Metadata = b.Node.Metadata
	both := func(s snapshot.Snapshot) {
		old.run(s.Narrow())
		other.run(s)
	}
	old.ask(snapshot.Cluster)
	other.ask(snapshot.Cluster)
	both(first)

	for _, next := range []snapshot.Snapshot{sixes(t, world(t, 3, 0), "10.0.0.2", "2001:db8::1"), world(t, 3, 1), sixes(t, world(t, 4, 1), "10.0.0.2", "2001:db8::1")} {
		h.store.Publish("nginx", next, "a change")
		both(next)
	}
	before, last := old.got, sixes(t, world(t, 4, 1), "10.0.0.2", "2001:db8::2")
	h.store.Publish("nginx", last, "an address of IPv6")
	both(last)
	last = sixes(t, world(t, 4, 1), "10.0.0.3", "2001:db8::2")
	h.store.Publish("nginx", last, "an address of IPv4") // what would have been sent before would come first
	both(last)
	if got := old.got - before; got != 1 {
		t.Errorf("an address of IPv6 and one of IPv4 sent %d resources, want 1", got)
	}
	last = last.With(snapshot.VirtualHost, last.Of(snapshot.VirtualHost).Delete("ingress/host-00000.example.com"))
	h.store.Publish("nginx", last, "a host is gone")
	for _, e := range []*envoy{old, other} {
		for e.have[snapshot.VirtualHost]["ingress/host-00000.example.com"] != "" {
			e.ack(e.recv())
		}
	}
}

// sixes is s with something of IPv6 in one resource of each type, endpoints at addresses among
// them.
func sixes(t *testing.T, s snapshot.Snapshot, addresses ...string) snapshot.Snapshot {
	t.Helper()
	set := func(ty snapshot.Type, name string, m proto.Message) {
		r, _ := s.Of(ty).Get(name)
		s = s.With(ty, s.Of(ty).Set(name, resource(t, ty, name, m, snapshot.Meta{Needs: r.Needs, Pulls: r.Pulls, From: r.From})))
	}
	packed := func(m proto.Message) *anypb.Any {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	service, host := serviceName(0), "ingress/host-00000.example.com"
	load := assignment(service, 0)
	for _, a := range addresses {
		load.Endpoints[0].LbEndpoints = append(load.Endpoints[0].LbEndpoints, &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
			Endpoint: &endpointv3.Endpoint{Address: socketAt(a)}}})
	}
	set(snapshot.Endpoints, service, load)
	named := edsCluster(serviceName(1))
	named.TypedExtensionProtocolOptions = map[string]*anypb.Any{"dns": packed(&dnsv3.DnsCluster{})}
	set(snapshot.Cluster, serviceName(1), named)
	closed := virtualHost(host, service)
	closed.TypedPerFilterConfig = map[string]*anypb.Any{"rbac": packed(&rbacfilterv3.RBACPerRoute{Rbac: &rbacfilterv3.RBAC{Rules: &rbacv3.RBAC{
		Policies: map[string]*rbacv3.Policy{"p": {Principals: []*rbacv3.Principal{{Identifier: &rbacv3.Principal_RemoteIp{
			RemoteIp: &corev3.CidrRange{AddressPrefix: "2001:db8::"}}}}}}}}})}
	set(snapshot.VirtualHost, host, closed)
	set(snapshot.Listener, "http", &listenerv3.Listener{Name: "http", Address: socketAt("0.0.0.0"),
		AdditionalAddresses: []*listenerv3.AdditionalAddress{{Address: socketAt("::")}}})
	return s
}

func socketAt(address string) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: address,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 80}}}}
}
