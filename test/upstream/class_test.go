//go:build real

package upstream

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"legation.dev/test/inprocess"
	"legation.dev/test/load"
	"legation.dev/translator/input"
	"legation.dev/xds/snapshot"
)

// TestClassDefault: a default of the class changes for 1,000 Services under load.
// Clusters are changed in place, one of the route configuration with one response,
// one that Envoy is not told of with none; no virtual host and no listener is sent,
// and nobody notices.
func TestClassDefault(t *testing.T) {
	const services, clients = 1000, 40
	w := newSuite(t, inprocess.Options{})
	oracle := w.many(services)
	running, end := w.everyHost(services, clients, oracle)
	settings := map[string]string{}
	for _, c := range []struct {
		changed  map[string]string
		clusters int // at least so many, since Envoy may have been sent one on its way
		routes   int
	}{
		{map[string]string{"upstream-idle-timeout": "1s"}, services, 0},
		{map[string]string{"max-request-body": "8Mi"}, 0, 1},
		{map[string]string{"drain-duration": "1m"}, 0, 0},
		{map[string]string{"load-balancing": "least-request"}, services, 0},
	} {
		before := w.sent()
		maps.Copy(settings, c.changed)
		w.Settings(settings)
		w.settle()
		w.more(running, 5*clients)
		after := w.sent()
		got := func(t snapshot.Type) int { return int(after[t] - before[t]) }
		t.Logf("%v: sent %d clusters, %d route configurations, %d virtual hosts, %d listeners", c.changed,
			got(snapshot.Cluster), got(snapshot.RouteConfiguration), got(snapshot.VirtualHost), got(snapshot.Listener))
		if got(snapshot.Cluster) < c.clusters || c.clusters == 0 && got(snapshot.Cluster) > 0 {
			t.Errorf("%v: sent %d clusters, want %d", c.changed, got(snapshot.Cluster), c.clusters)
		}
		if got(snapshot.RouteConfiguration) != c.routes || got(snapshot.VirtualHost) != 0 || got(snapshot.Listener) != 0 {
			t.Errorf("%v: routes or listeners were sent", c.changed)
		}
	}
	end()
	stats, err := w.Envoy.Stats(t.Context(), `^(cluster_manager\.(cluster_added|cluster_removed|update_failure)|listener_manager\.(listener_modified|listener_in_place_updated|listener_create_failure))$`)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(stats)
	if stats["listener_manager.listener_modified"] != 0 || stats["cluster_manager.cluster_removed"] != 0 {
		t.Errorf("not in place: %v", stats)
	}
}

// many adds n Services, s0 and so on, each with a host and the same endpoint.
func (w *suite) many(n int) load.Services {
	w.t.Helper()
	web := w.echoes("web", 1)[0]
	var objects []input.Object
	oracle := load.Services{}
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		objects = append(objects, service(name, nil), endpoint(name, 0, web.Addr().String(), ready), ingress(name+".test", name, nil))
		oracle[name+".test"] = "web"
	}
	w.put(objects...)
	w.settle()
	return oracle
}

// everyHost asks all hosts in turn, until end.
func (w *suite) everyHost(hosts, clients int, oracle load.Oracle) (running *load.Load, end func()) {
	var list []load.Client
	for i := range clients {
		n := i
		list = append(list, load.Client{Name: fmt.Sprint(i), Kind: []load.Kind{load.HTTP1, load.HTTP2}[i%2], Address: w.HTTP, Every: 100 * time.Millisecond,
			Next: func() (string, string) {
				n += clients
				return fmt.Sprintf("s%d.test", n%hosts), "/"
			}, Oracle: oracle})
	}
	return w.load(list)
}

// load runs clients, until end.
func (w *suite) load(list []load.Client) (running *load.Load, end func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	running = load.Start(ctx, list...)
	<-running.Ready()
	return running, func() {
		cancel()
		results := running.Wait()
		w.t.Log(results)
		if err := results.Disturbed(); err != nil {
			w.t.Error(err)
		}
	}
}

// more waits until so many requests more were answered.
func (w *suite) more(running *load.Load, n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	before := running.Results().Requests
	if err := running.Await(ctx, func(r load.Results) bool { return r.Requests >= before+uint64(n) }); err != nil {
		w.t.Fatal(err)
	}
}

// sent is how many resources of each type Envoy was sent so far.
func (w *suite) sent() [snapshot.NumTypes]uint64 {
	w.t.Helper()
	envoys := w.Envoys()
	if len(envoys) != 1 {
		w.t.Fatalf("%d Envoys", len(envoys))
	}
	return envoys[0].Status.Counters.Resources
}
