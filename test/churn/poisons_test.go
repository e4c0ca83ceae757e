//go:build real

package churn

import (
	"fmt"
	"sync"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/xds/snapshot"
)

// poison spoils one resource of each snapshot in a way that only Envoy finds.
// The zero value spoils none.
type poison struct {
	mu  sync.Mutex // guards ref
	ref snapshot.Ref
}

func (p *poison) set(ref snapshot.Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ref = ref
}

// spoil is for stack.Options.
func (p *poison) spoil(s snapshot.Snapshot) snapshot.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := s.Get(p.ref); ok && p.ref.Name != "" {
		return s.With(p.ref.Type, s.Of(p.ref.Type).Set(r.Name, spoiled(r)))
	}
	return s
}

// manyListeners adds so many listeners like that of http, on the ports from
// firstPort on: translation itself makes but two.
func manyListeners(s snapshot.Snapshot, n int) snapshot.Snapshot {
	r, ok := s.Of(snapshot.Listener).Get("http")
	if !ok {
		return s
	}
	all := s.Of(snapshot.Listener)
	for i := range n {
		m := decoded(r.Body(), &listenerv3.Listener{})
		m.Name = listenerName(i)
		m.Address.GetSocketAddress().PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(firstPort + i)}
		all = all.Set(m.Name, remade(r, m.Name, m))
	}
	return s.With(snapshot.Listener, all)
}

const firstPort = 30000

func listenerName(i int) string { return fmt.Sprint("extra", i) }

// remade is a resource of another message.
func remade(r *snapshot.Resource, name string, m proto.Message) *snapshot.Resource {
	made, err := snapshot.New(r.Type, name, m, snapshot.Meta{Needs: r.Needs, Pulls: r.Pulls, From: r.From, Checked: r.Checked, Linger: r.Linger})
	if err != nil {
		panic(err) // it was valid before
	}
	return made
}

// spoiled is r with an error that is no matter of its proto constraints: Envoy
// then applies a part of the response, which is the hard case.
func spoiled(r *snapshot.Resource) *snapshot.Resource {
	return remade(r, r.Name, poisons[r.Type](r.Body()))
}

// decoded is a message of these bytes, which translation made.
func decoded[M proto.Message](body []byte, m M) M {
	if err := proto.Unmarshal(body, m); err != nil {
		panic(fmt.Sprintf("churn: %v", err))
	}
	return m
}

var poisons = map[snapshot.Type]func(body []byte) proto.Message{
	snapshot.Cluster: func(body []byte) proto.Message {
		m := decoded(body, &clusterv3.Cluster{})
		m.TransportSocket = &corev3.TransportSocket{Name: "none", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: notAnExtension()}}
		return m
	},
	snapshot.Endpoints: func(body []byte) proto.Message {
		m := decoded(body, &endpointv3.ClusterLoadAssignment{})
		m.Endpoints[0].LbEndpoints[0].GetEndpoint().Address.GetSocketAddress().Address = "not an address"
		return m
	},
	snapshot.Secret: func(body []byte) proto.Message {
		m := decoded(body, &tlsv3.Secret{})
		m.GetTlsCertificate().PrivateKey = &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "not a key"}}
		return m
	},
	snapshot.Listener: func(body []byte) proto.Message {
		m := decoded(body, &listenerv3.Listener{})
		m.ListenerFilters = append(m.ListenerFilters, &listenerv3.ListenerFilter{Name: "none",
			ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: notAnExtension()}})
		return m
	},
	snapshot.VirtualHost: func(body []byte) proto.Message {
		m := decoded(body, &routev3.VirtualHost{})
		m.Routes = append(m.Routes, &routev3.Route{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: "("}}},
			Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 200}}})
		return m
	},
}

// notAnExtension is a message that no extension of Envoy takes.
func notAnExtension() *anypb.Any {
	config, err := anypb.New(wrapperspb.Bool(true))
	if err != nil {
		panic(err)
	}
	return config
}

// onlyRejected fails the test unless Envoy rejects ref, alone, and nothing else.
func (w *suite) onlyRejected(ref snapshot.Ref) {
	w.t.Helper()
	found := false
	for _, e := range w.Envoys() {
		for t := range snapshot.Types() {
			for _, r := range e.Status.Types[t].Rejected {
				if r.Name != ref.Name || t != ref.Type {
					w.t.Errorf("Envoy rejected %s %s: %s", t, r.Name, r.Message)
					continue
				}
				found = true
				w.t.Logf("%s %s of %v: %.150q", t, r.Name, r.From, r.Message)
			}
		}
	}
	if !found {
		w.t.Errorf("Envoy did not reject %s", ref)
	}
}
