//go:build real

package source

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"legation.dev/controller"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/fleet"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"

	watcher "legation.dev/watcher/kube"
)

var services = flag.Int("services", 10_000, "of BenchmarkEndpoint: how many Services there are, each with an Ingress and 10 endpoints")

// BenchmarkEndpoint measures, for one change of an EndpointSlice at a time, what
// Legation adds to what the API server's own watch needs: from the event at a bare
// informer to the arrival at an xDS client over gRPC, in one process.
//
//	go test -tags real ./test/source -run XXX -bench Endpoint -benchtime 1000x
func BenchmarkEndpoint(b *testing.B) {
	world(b)
	ctx := b.Context()
	w := worlds.New(8, worlds.Size{Services: *services, Endpoints: endpointsEach, Ingresses: *services})
	if err := writeAll(ctx, w.All()); err != nil {
		b.Fatal(err)
	}
	arrivals, bare := follow(b), bareInformer(b)
	// The first Ingress change makes the state a usual one.
	write(ctx, b, w.Move(1, 2))
	var added, watched, whole []time.Duration
	for i := 0; b.Loop(); i++ {
		n := i * 7 % *services // not in order
		change := newest(w.Endpoint(n))
		begin := time.Now()
		if !write(ctx, b, change) {
			b.Fatalf("the API server refuses %s", change.Ref)
		}
		seen := <-bare.of(change.Ref.Name)
		there := <-arrivals.of(worlds.Namespace + "/" + worlds.ServiceName(n) + "/80")
		watched, added, whole = append(watched, seen.Sub(begin)), append(added, there.Sub(seen)), append(whole, there.Sub(begin))
	}
	for name, list := range map[string][]time.Duration{"write-to-informer": watched, "added": added, "write-to-envoy": whole} {
		slices.Sort(list)
		b.ReportMetric(milliseconds(list[len(list)/2]), name+"-p50-ms")
		b.ReportMetric(milliseconds(list[len(list)*99/100]), name+"-p99-ms")
	}
	b.ReportMetric(0, "ns/op") // says nothing
}

// endpointsEach is how many endpoints a Service has.
const endpointsEach = 10

// newest is a slice with as many endpoints as at first: the newest ones.
func newest(c input.Change) input.Change {
	s := *c.Object.(*input.Slice)
	s.Endpoints = s.Endpoints[len(s.Endpoints)-endpointsEach:]
	return lower.Put(input.Seal(&s))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func writeAll(ctx context.Context, list []input.Change) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writersAtOnce)
	for _, c := range list {
		g.Go(func() error { return cluster.Apply(ctx, objectOf(c)) })
	}
	return g.Wait()
}

// times says when what was heard of.
type times struct {
	mu sync.Mutex
	at map[string]chan time.Time // with room for the last one
}

func newTimes() *times { return &times{at: map[string]chan time.Time{}} }

func (t *times) of(name string) chan time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.at[name]
	if c == nil {
		c = make(chan time.Time, 1)
		t.at[name] = c
	}
	return c
}

func (t *times) heard(name string) {
	select {
	case t.of(name) <- time.Now():
	default:
		b := t.of(name) // an older one was not asked for
		<-b
		b <- time.Now()
	}
}

// bareInformer tells of each change of an EndpointSlice after its own start.
func bareInformer(b *testing.B) *times {
	t := newTimes()
	factory := informers.NewSharedInformerFactoryWithOptions(cluster.Client(), 0, informers.WithNamespace(worlds.Namespace))
	informer := factory.Discovery().V1().EndpointSlices().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, o any) { t.heard(o.(*discoveryv1.EndpointSlice).Name) }})
	if err != nil {
		b.Fatal(err)
	}
	stop := make(chan struct{})
	factory.Start(stop)
	b.Cleanup(func() { close(stop); factory.Shutdown() })
	if !cache.WaitForCacheSync(b.Context().Done(), informer.HasSynced) {
		b.Fatal("the bare informer did not come to rest")
	}
	return t
}

// follow runs Source, Loop, store and server, and an xDS client that tells of each
// ClusterLoadAssignment after the first load.
func follow(b *testing.B) *times {
	source, err := watcher.New(watcher.Config{REST: cluster.REST(), Namespaces: []string{worlds.Namespace}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	snapshots := store.New(store.Config{})
	xds := server.New(server.Config{Store: snapshots, Fleets: fleet.New(fleet.Config{}), Log: slog.New(slog.DiscardHandler)})
	loop := &controller.Loop{Source: source, Publish: func(name string, s snapshot.Snapshot, cause snapshot.Cause) { snapshots.Publish(name, s, cause.Text) }}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{source.Run, loop.Run} {
		group.Go(func() {
			if err := run(ctx); !errors.Is(err, context.Canceled) {
				b.Error(err)
			}
		})
	}
	group.Go(func() {
		if err := xds.Serve(l); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		cancel()
		limit, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		xds.Shutdown(limit)
		group.Wait()
	})
	t := newTimes()
	client, err := connect(b.Context(), l.Addr().String(), t.heard)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.close)
	if err := client.load(*services); err != nil {
		b.Fatal(err)
	}
	return t
}
