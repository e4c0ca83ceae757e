//go:build real

package faults

import (
	"flag"
	"testing"
	"time"

	"legation.dev/test/incluster"
	"legation.dev/test/kube"
	"legation.dev/test/load"
)

var rounds = flag.Int("rounds", 3, "how many times TestKills kills each program")

// TestKills: both replicas of Legation, each with a folder of --state, the API server and
// etcd are killed in turns, as by kill -9, while the cluster changes. No request fails, and
// whenever all run again, every Envoy comes to run the full translation of what the API
// server holds. Whatever a kill interrupts, what was stored opens.
func TestKills(t *testing.T) {
	w := newSuite(t, 8, grace, incluster.Options{Replicas: 2, Envoys: 2, Binary: true, State: true})
	l, end := w.load(w.clients(100*time.Millisecond, 12, 6, 4)...)
	c := newChanges(w)
	for range *rounds {
		for _, r := range w.Replicas {
			w.killReplica(r, c, l)
		}
		for _, p := range []*kube.Process{k.APIServer, k.Etcd} {
			w.killProcess(p, c, l)
		}
	}
	end()
	t.Logf("%d changes: %v", c.made.Load(), c.counts)
}

// killReplica kills a replica of Legation, which is back after some changes.
func (w *suite) killReplica(r *incluster.Replica, c *changes, l *load.Load) {
	w.t.Helper()
	c.begin()
	c.more(2)
	if err := r.Kill(); err != nil {
		w.t.Fatal(err)
	}
	c.more(8)
	if err := r.Start(w.limited()); err != nil {
		w.t.Fatal(err)
	}
	if n, err := r.Metric(w.ctx, "legation_state_put_aside_total"); err != nil || n > 0 {
		w.t.Errorf("%v files of --state were put aside, %v", n, err)
	}
	c.more(2)
	c.end()
	w.settle()
	w.more(l, 100)
}

// killProcess kills a program of Kubernetes, which is back after some requests.
func (w *suite) killProcess(p *kube.Process, c *changes, l *load.Load) {
	w.t.Helper()
	c.begin()
	c.more(2)
	if err := p.Kill(); err != nil {
		w.t.Fatal(err)
	}
	w.more(l, 200)
	if err := p.Start(); err != nil {
		w.t.Fatal(err)
	}
	if err := k.WaitReady(w.limited()); err != nil {
		w.t.Fatal(err)
	}
	c.more(8)
	c.end()
	w.settle()
	w.more(l, 100)
}
