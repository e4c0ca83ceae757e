//go:build real

package source

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/test/kube"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"

	watcher "legation.dev/watcher/kube"
)

var outage = flag.Duration("outage", 0, "how long an outage of TestOutages lasts once it is noticed")

// awaitWaiting waits until the source waits for something, or for nothing.
func (r *replica) awaitWaiting(ctx context.Context, t testing.TB, some bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond) // Waiting has no signal: it is read by probes
	defer tick.Stop()
	for (len(r.source.Waiting()) > 0) != some {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%v: the source waits for %v", ctx.Err(), r.source.Waiting())
		}
	}
}

// TestOutages: while the API server or its store is killed nothing is taken away
// and the source says so; what was changed and deleted as soon as it was back,
// before the source had returned, is found.
func TestOutages(t *testing.T) {
	world(t)
	namespaces := []string{worlds.Namespace, worlds.OtherSpace}
	r := start(t, watcher.Config{Namespaces: namespaces}, nil)
	w := worlds.New(2, worlds.Size{Services: 4, Endpoints: 2, Ingresses: 4, TLS: 0.5})
	for _, c := range w.All() {
		write(limited(t), t, c)
	}
	for _, program := range []*kube.Process{cluster.APIServer, cluster.Etcd, cluster.APIServer} {
		t.Run(program.Name(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience+*outage)
			defer cancel()
			r.await(ctx, t, is(truth(ctx, t, namespaces...).digest()))
			before := r.changed()
			if err := program.Kill(); err != nil {
				t.Fatal(err)
			}
			if program == cluster.APIServer { // watches of etcd's loss end only some time later
				r.awaitWaiting(ctx, t, true)
			}
			<-time.After(*outage)
			if n := r.changed() - before; n > 0 {
				t.Errorf("the outage led to %d other results", n)
			}
			restart(ctx, t, program)
			for range 20 {
				if c := w.Random(); !leavesHistory(c) {
					write(ctx, t, c)
				}
			}
			r.await(ctx, t, is(truth(ctx, t, namespaces...).digest()))
			r.awaitWaiting(ctx, t, false)
		})
	}
}

func restart(ctx context.Context, t testing.TB, p *kube.Process) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestDeletedWhileAway: what is deleted while the source's watches are away goes,
// and nothing else does.
func TestDeletedWhileAway(t *testing.T) {
	world(t)
	ctx, namespaces := limited(t), []string{worlds.Namespace}
	w := worlds.New(3, worlds.Size{Services: 3, Endpoints: 1, Ingresses: 3})
	for _, c := range w.All() {
		write(ctx, t, c)
	}
	r := start(t, watcher.Config{Namespaces: namespaces}, nil)
	r.await(ctx, t, is(truth(ctx, t, namespaces...).digest()))
	if err := cluster.APIServer.Kill(); err != nil {
		t.Fatal(err)
	}
	r.awaitWaiting(ctx, t, true)
	restart(ctx, t, cluster.APIServer)
	for _, c := range w.All() {
		if c.Ref.Kind == object.KindIngress && c.Ref.Name != "i00000" {
			write(ctx, t, input.Delete(c.Ref))
		}
	}
	r.await(ctx, t, func(result translator.Result) error {
		f, _ := result.Fleet(worlds.Class)
		if n := f.Snapshot.Of(snapshot.VirtualHost).Len(); n != 2 { // that of i00000, and the catch-all
			return fmt.Errorf("%d virtual hosts", n)
		}
		return nil
	})
	r.await(ctx, t, is(truth(ctx, t, namespaces...).digest()))
}
