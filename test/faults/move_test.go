//go:build real

package faults

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"legation.dev/test/incluster"
	"legation.dev/test/kube"
	"legation.dev/test/load"
)

var moves = flag.Int("moves", 2, "how often TestMove moves its Envoy and then changes 50 objects")

// settled is how many requests are more than the longest wait of a control plane
// after a reconnect (2 s, for removals) lets through: answers that would come late
// have come then.
const settled = uint64(3 * moverClients * time.Second / clientEvery)

// restGrace is how long pods of TestMove serve on: the cluster is at rest only
// when they are gone.
const restGrace = 5 * time.Second

// Clients of tests with one load.
const (
	moverClients = 20
	clientEvery  = 50 * time.Millisecond
)

// TestMove: an Envoy moves from one replica to the other and back while nothing
// changes, also after many changes. It is sent nothing, since both replicas have
// made the same of the same objects.
func TestMove(t *testing.T) {
	const between = 50
	w := newSuite(t, 8, restGrace, incluster.Options{Replicas: 2})
	l, end := w.load(w.clients(clientEvery, 10, 6, 4)...)
	c := newChanges(w)
	for i := range *moves {
		w.moveAtRest(w.Replicas[(i+1)%2], l)
		c.begin()
		c.more(between)
		c.end()
	}
	w.moveAtRest(w.Replicas[(*moves+1)%2], l)
	end()
	t.Logf("%d moves, %d changes: %v", *moves+1, c.made.Load(), c.counts)
}

// moveAtRest leads the Envoy to a replica, which sends it nothing.
func (w *suite) moveAtRest(to *incluster.Replica, l *load.Load) {
	w.t.Helper()
	w.rest()
	w.settle()
	w.equal()
	before := to.Plane.Server().Total()
	w.Envoys[0].XDS.Lead(to.Address)
	w.settle()
	w.more(l, settled)
	if after := to.Plane.Server().Total(); after.Resources != before.Resources || after.Removed != before.Removed {
		w.t.Errorf("the replica that an Envoy has moved to had sent %d resources and %d removals, now %d and %d",
			before.Resources, before.Removed, after.Resources, after.Removed)
	}
}

// rest waits until pods that were rolled are gone: their slices change no more.
func (w *suite) rest() {
	w.t.Helper()
	deployment, _ := kube.Web(w.namespace, rolled, 2, w.grace)
	if err := k.AwaitServed(w.limited(), deployment); err != nil {
		w.t.Fatal(err)
	}
}

// equal fails the test if replicas that have translated all do not agree in what
// they saw, in what they made of it, or in what they serve.
func (w *suite) equal() {
	w.t.Helper()
	of := func(r *incluster.Replica) string {
		result := r.Plane.Result()
		served, _ := r.Plane.Published(incluster.Class)
		return fmt.Sprintf("view %s, result %s, served %s", result.View().Digest(), result.Digest(), served.Digest())
	}
	w.await(func() error {
		if a, b := of(w.Replicas[0]), of(w.Replicas[1]); a != b {
			return fmt.Errorf("replicas differ at rest: %s; %s", a, b)
		}
		return nil
	})
}
