//go:build real

package churn

import (
	"context"
	"maps"
	"testing"
	"time"

	"legation.dev/test/stack"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// TestWalk: what random changes of everything lead to is accepted by Envoy.
func TestWalk(t *testing.T) {
	const step = 5
	n := seed(t)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := stack.Start(ctx, stack.Options{Log: warnings(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Stack: s, t: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	random := worlds.New(n, worlds.Size{Services: 20, Endpoints: 3, Ingresses: 30, TLS: 0.4})
	w.Change(w.here(random.All()...)...)
	w.settle()
	begin := time.Now()
	for i := range *walked {
		w.Change(w.here(random.Random())...)
		if i%step == step-1 {
			w.settle()
		}
	}
	w.settle()
	published, _ := s.Published()
	t.Logf("%d changes in %s; %d clusters, %d virtual hosts at the end", *walked, time.Since(begin).Round(time.Millisecond),
		published.Of(snapshot.Cluster).Len(), published.Of(snapshot.VirtualHost).Len())
	w.noneRejected()
	w.noTimeouts()
	if n := s.Server().Total().Resources; n < uint64(*walked/2) {
		t.Errorf("only %d resources were sent", n)
	}
}

// here makes the settings of the class those of this Stack.
func (w *world) here(changes ...input.Change) []input.Change {
	for i, c := range changes {
		config, ok := c.Object.(*input.ConfigMap)
		if !ok {
			continue
		}
		data := maps.Clone(config.Data)
		maps.Copy(data, w.Base())
		changes[i] = input.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: config.Namespace, Name: config.Name}, Data: data}))
	}
	return changes
}
