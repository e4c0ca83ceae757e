package peer

import (
	"context"
	"fmt"
	"maps"
	"net"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"legation.dev/test/bench/world"
	"legation.dev/xds/snapshot"
)

// maxRequest is what go-control-plane's server may receive in one request, in
// bytes: a reconnect with 10,000 names passes gRPC's default of 4 MiB soon.
const maxRequest = 64 << 20

// serveCache is go-control-plane's own server on a cache.
func serveCache(cache cachev3.Cache, l net.Listener) error {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxRequest))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, serverv3.NewServer(context.Background(), cache, nil))
	return server.Serve(l)
}

// messages are the resources of a snapshot as go-control-plane wants them: by
// type URL and name.
func messages(snap snapshot.Snapshot) (map[string]map[string]types.Resource, error) {
	all := map[string]map[string]types.Resource{}
	for t := range snapshot.Types() {
		all[t.URL()] = map[string]types.Resource{}
		for name, r := range snap.Of(t).All() {
			m, err := r.Any().UnmarshalNew()
			if err != nil {
				return nil, fmt.Errorf("%v %s: %w", t, name, err)
			}
			all[t.URL()][name] = m
		}
	}
	return all, nil
}

// withEndpoint is a load assignment after world.Endpoint: one address differs.
func withEndpoint(old types.Resource, generation int) *endpointv3.ClusterLoadAssignment {
	cla := proto.Clone(old).(*endpointv3.ClusterLoadAssignment)
	first := cla.Endpoints[0].LbEndpoints[0].GetEndpoint()
	first.GetAddress().GetSocketAddress().Address = world.Replacement(generation)
	return cla
}

// everyNode puts all Envoys into one group.
type everyNode struct{}

func (everyNode) ID(node *corev3.Node) string { return world.Class }

// snapshotCache is go-control-plane's SnapshotCache. It is told of a change as
// it wants to be: with a whole new snapshot.
type snapshotCache struct {
	cache     cachev3.SnapshotCache
	resources map[resource.Type][]types.Resource
	at        map[string]int // index of a load assignment in resources
	version   int
}

func newSnapshotCache() *snapshotCache {
	return &snapshotCache{cache: cachev3.NewSnapshotCache(true, everyNode{}, nil), at: map[string]int{},
		resources: map[resource.Type][]types.Resource{}}
}

func (c *snapshotCache) load(w world.World, _ world.Size) (snapshot.Snapshot, error) {
	snap, err := translate(w)
	if err != nil {
		return snap, err
	}
	all, err := messages(snap)
	if err != nil {
		return snap, err
	}
	for t := range snapshot.Types() {
		for name := range snap.Of(t).All() { // in order, unlike all
			if t == snapshot.Endpoints {
				c.at[name] = len(c.resources[t.URL()])
			}
			c.resources[t.URL()] = append(c.resources[t.URL()], all[t.URL()][name])
		}
	}
	return snap, c.publish()
}

func (c *snapshotCache) publish() error {
	c.version++
	s, err := cachev3.NewSnapshot(fmt.Sprint(c.version), c.resources)
	if err != nil {
		return fmt.Errorf("making a snapshot: %w", err)
	}
	return c.cache.SetSnapshot(context.Background(), world.Class, s)
}

func (c *snapshotCache) serve(l net.Listener) error { return serveCache(c.cache, l) }

func (c *snapshotCache) change(w world.World, kind string, i, generation int) error {
	if kind != world.Endpoint {
		return fmt.Errorf("go-control-plane is measured with endpoint changes only, not with %q", kind)
	}
	endpoints := c.resources[resource.EndpointType]
	at := c.at[w.Cluster(i)]
	endpoints[at] = withEndpoint(endpoints[at], generation) // NewSnapshot made a map of its own
	return c.publish()
}

// linearCache is one LinearCache per type behind a MuxCache. It is told of a
// change as it wants to be: with the one resource.
type linearCache struct {
	mux         *cachev3.MuxCache
	endpoints   *cachev3.LinearCache
	assignments map[string]types.Resource // what endpoints holds, which has no look-up
}

func newLinearCache() *linearCache { return &linearCache{} }

func (c *linearCache) load(w world.World, _ world.Size) (snapshot.Snapshot, error) {
	snap, err := translate(w)
	if err != nil {
		return snap, err
	}
	all, err := messages(snap)
	if err != nil {
		return snap, err
	}
	c.mux = &cachev3.MuxCache{Caches: map[string]cachev3.Cache{},
		Classify:      func(r *cachev3.Request) string { return r.GetTypeUrl() },
		ClassifyDelta: func(r *cachev3.DeltaRequest) string { return r.GetTypeUrl() }}
	for t := range snapshot.Types() {
		linear := cachev3.NewLinearCache(t.URL(), cachev3.WithInitialResources(maps.Clone(all[t.URL()])))
		c.mux.Caches[t.URL()] = linear
		if t == snapshot.Endpoints {
			c.endpoints, c.assignments = linear, all[t.URL()]
		}
	}
	return snap, nil
}

func (c *linearCache) serve(l net.Listener) error { return serveCache(c.mux, l) }

func (c *linearCache) change(w world.World, kind string, i, generation int) error {
	if kind != world.Endpoint {
		return fmt.Errorf("go-control-plane is measured with endpoint changes only, not with %q", kind)
	}
	name := w.Cluster(i)
	next := withEndpoint(c.assignments[name], generation)
	c.assignments[name] = next
	return c.endpoints.UpdateResource(name, next)
}
