package clients

import (
	"fmt"
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/test/bench/wire"
	"legation.dev/xds/snapshot"
)

// state is what an Envoy runs: of each type, name → version.
type state [snapshot.NumTypes]map[string]string

func newState() state {
	var s state
	for t := range snapshot.Types() {
		s[t] = map[string]string{}
	}
	return s
}

// apply takes in a response.
func (s state) apply(t snapshot.Type, r *wire.Response) {
	for _, res := range r.Resources {
		s[t][string(wire.NameOf(res))] = string(wire.VersionOf(res))
	}
	for _, name := range r.Removed {
		delete(s[t], string(name))
	}
}

// onReconnect is the order in which an Envoy asks again on a new stream.
var onReconnect = [...]snapshot.Type{snapshot.Cluster, snapshot.Endpoints, snapshot.Listener,
	snapshot.ExtensionConfig, snapshot.ScopedRoute, snapshot.RouteConfiguration, snapshot.Secret, snapshot.VirtualHost}

// requests are the first requests of an Envoy that has s, encoded once for a
// whole clients; only the node differs.
func (s state) requests() [][]byte {
	var list [][]byte
	for _, t := range onReconnect {
		names := slices.Sorted(maps.Keys(s[t]))
		if len(names) == 0 {
			continue
		}
		subscribed := names
		if t.Wildcard() {
			subscribed = nil
		}
		b := wire.Ask(t.URL(), slices.Values(subscribed))
		for _, name := range names {
			b = wire.Report(b, name, s[t][name])
		}
		list = append(list, b)
	}
	return list
}

// node is the encoded node of the i-th Envoy of a fleet.
func node(fleet string, i int) ([]byte, error) {
	b, err := proto.Marshal(&corev3.Node{Id: fmt.Sprintf("%s-%04d", fleet, i), Cluster: fleet, UserAgentName: "envoy"})
	if err != nil {
		return nil, fmt.Errorf("node of %s: %w", fleet, err)
	}
	return wire.Node(b), nil
}

// index numbers the resources that can be waited for. It is read by all
// connections and never changes.
type index [snapshot.NumTypes]map[string]int32

func indexOf(s state) index {
	var x index
	n := int32(0)
	for t := range snapshot.Types() {
		x[t] = make(map[string]int32, len(s[t]))
		for _, name := range slices.Sorted(maps.Keys(s[t])) {
			x[t][name] = n
			n++
		}
	}
	return x
}

// Named holds the names that an Envoy learns from resources which this client
// does not decode: of route configurations and of secrets.
type Named map[snapshot.Type][]string
