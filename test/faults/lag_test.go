//go:build real

package faults

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"legation.dev/test/incluster"
	"legation.dev/xds/fleet"
)

// lag is how far a replica is behind in TestLag.
const lag = 2 * time.Second

// TestLag: one replica hears nothing from the API server for 2 s. Hosts that come
// meanwhile are served by the other. An Envoy that has them moves to the late
// replica, and they answer all the time, as all others do.
func TestLag(t *testing.T) {
	const times, added = 2, 3
	w := newSuite(t, 4, grace, incluster.Options{Replicas: 2, Envoys: 2})
	_, end := w.load(w.clients(clientEvery, 6, 2, 2)...)
	for i := range times {
		late := w.Replicas[i%2]
		e := w.Envoys[(i+1)%2] // of the other
		late.API.Hold()
		over := time.After(lag) // nothing is taken from the Envoy within as long after its move
		hosts := w.addHosts(fmt.Sprint("late", i, "-"), added, added)
		w.awaitHosts(e, hosts)
		l, endNew := w.load(w.clientsOf(e, hosts, clientEvery, 12, 4, 4)...)
		w.more(l, 200)
		for _, h := range hosts {
			if _, ok := late.Plane.Result().View().Ingress(w.namespace + "/" + h.name); ok {
				t.Errorf("the late replica has %s already", h.name)
			}
		}
		e.XDS.Lead(late.Address)
		w.awaitConnected(e, late)
		<-over
		late.API.Release()
		w.settle()
		w.more(l, settled)
		e.XDS.Lead(w.Replicas[(i+1)%2].Address)
		w.settle()
		endNew()
	}
	end()
}

// awaitHosts waits until an Envoy runs the routes and certificates of hosts, as
// its replica sees it.
func (w *suite) awaitHosts(e *incluster.Envoy, hosts []*host) {
	w.t.Helper()
	for _, h := range hosts {
		w.await(func() error { return w.answers(e, h) })
	}
}

// awaitConnected waits until an Envoy is connected to a replica.
func (w *suite) awaitConnected(e *incluster.Envoy, r *incluster.Replica) {
	w.t.Helper()
	w.await(func() error {
		if !slices.ContainsFunc(r.Plane.Envoys(), func(x fleet.Envoy) bool { return x.ID == e.ID }) {
			return fmt.Errorf("%s is not connected to %s", e.ID, r.Address)
		}
		return nil
	})
}
