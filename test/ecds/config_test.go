//go:build real

package ecds

import (
	"crypto/sha256"
	"encoding/base64"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/xds/snapshot"
)

// kind is an xDS type.
type kind int

// The kinds, in the order in which changes are sent.
const (
	clusters kind = iota
	endpoints
	secrets
	managers // by ECDS
	listeners
	scopes
	routes
	hosts
	numKinds
)

var kinds = [numKinds]struct {
	name, url string
	wildcard  bool // Envoy asks for all of them
}{
	clusters:  {"CDS", snapshot.Cluster.URL(), true},
	endpoints: {"EDS", snapshot.Endpoints.URL(), false},
	secrets:   {"SDS", snapshot.Secret.URL(), false},
	managers:  {"ECDS", "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", false},
	listeners: {"LDS", snapshot.Listener.URL(), true},
	scopes:    {"SRDS", "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration", true},
	routes:    {"RDS", snapshot.RouteConfiguration.URL(), false},
	hosts:     {"VHDS", snapshot.VirtualHost.URL(), true},
}

func (k kind) String() string { return kinds[k].name }

// kindOf is the kind of a type URL; numKinds if it is none.
func kindOf(url string) kind {
	for k := range numKinds {
		if kinds[k].url == url {
			return k
		}
	}
	return numKinds
}

// resource is what is sent under a name.
type resource struct {
	version string
	body    *anypb.Any
	bad     bool // Envoy has to reject it
}

func resourceOf(k kind, m proto.Message) resource {
	body := packed(m)
	sum := sha256.Sum256(body.Value)
	return resource{version: base64.RawURLEncoding.EncodeToString(sum[:12]), body: body}
}

// table is what an Envoy should have, by name.
type table [numKinds]map[string]resource

// Names that Envoy sees.
const (
	http   = "http"  // listener and manager
	https  = "https" // listener and manager
	holder = "routes"
)

// extras are what the walk changes besides what the translator reads. The zero
// extras change nothing.
type extras struct {
	shut    bool           // listener http is away
	buffer  uint32         // bytes; another value replaces listener http, not in place
	marks   map[string]int // of chains of https by name: another mark is another chain
	manager map[string]tweak
}

// encode makes the resources of a snapshot: those of Legation, with what the walk changes.
// Clusters, endpoints and secrets stay when nothing names them any more: when they may go
// is not what is asked here.
func encode(before table, s snapshot.Snapshot, e extras) table {
	t := before.unnamed()
	for k, of := range map[kind]snapshot.Type{clusters: snapshot.Cluster, endpoints: snapshot.Endpoints, secrets: snapshot.Secret,
		scopes: snapshot.ScopedRoute, routes: snapshot.RouteConfiguration, hosts: snapshot.VirtualHost} {
		for name, r := range s.Of(of).All() {
			t[k][name] = resource{version: r.Version, body: r.Any()}
		}
	}
	for name, r := range s.Of(snapshot.ExtensionConfig).All() {
		m := &hcmv3.HttpConnectionManager{}
		unpack(read(r, &corev3.TypedExtensionConfig{}).TypedConfig, m)
		t[managers][name] = extension(name, e.manager[name].apply(m), e.manager[name].bad != "")
	}
	for name, r := range s.Of(snapshot.Listener).All() {
		l := read(r, &listenerv3.Listener{})
		if e.mark(l); name != http || !e.shut {
			t[listeners][name] = resourceOf(listeners, l)
		}
	}
	return t
}

// unnamed is an empty table but for what stays.
func (t table) unnamed() (next table) {
	for k := range numKinds {
		next[k] = map[string]resource{}
		if k == clusters || k == endpoints || k == secrets {
			for name, r := range t[k] {
				next[k][name] = r
			}
		}
	}
	return next
}

// mark changes a listener, and which of its connections Envoy drains for it.
func (e extras) mark(l *listenerv3.Listener) {
	if l.Name == holder {
		return
	}
	if l.Name == http {
		l.PerConnectionBufferLimitBytes.Value += e.buffer
		return
	}
	for _, c := range append(l.FilterChains, l.DefaultFilterChain) {
		if n := e.marks[c.Name]; n > 0 {
			c.Metadata = &corev3.Metadata{TypedFilterMetadata: map[string]*anypb.Any{"mark": packed(wrapperspb.Int64(int64(n)))}}
		}
	}
}

// extension is a manager as ECDS has it.
func extension(name string, m *hcmv3.HttpConnectionManager, bad bool) resource {
	r := resourceOf(managers, &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed(m)})
	r.bad = bad
	return r
}

// packed panics on what does not serialise, which no message here does.
func packed(m proto.Message) *anypb.Any {
	a := new(anypb.Any)
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(err)
	}
	return a
}

func read[M proto.Message](r *snapshot.Resource, m M) M {
	unpack(r.Any(), m)
	return m
}

// unpack panics on what the translator did not make.
func unpack(a *anypb.Any, m proto.Message) {
	if err := a.UnmarshalTo(m); err != nil {
		panic(err)
	}
}

// overwriting sets a header of each request before it is routed.
func overwriting(name, value string) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: "envoy.http.early_header_mutation.header_mutation", TypedConfig: packed(&earlyv3.HeaderMutation{
		Mutations: []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}}}}})}
}

func router() *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: "envoy.filters.http.router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&routerv3.Router{})}}
}
