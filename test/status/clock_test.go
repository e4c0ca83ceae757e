//go:build real

package status

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"legation.dev/test/clock"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

var setClock = flag.Bool("clock", false, "set the wall clock of the binary, which is compiled anew for that: it takes some minutes")

// TestClockIsSet: the wall clock of both replicas is set forward and back, far beyond
// all that they wait for. The Lease stays with who has it, new Ingresses are served and
// get their address, and Events are told, all as before; nothing is written twice.
func TestClockIsSet(t *testing.T) {
	if !*setClock {
		t.Skip("it was not asked for with -clock")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "legation")
	if err := clock.Build(t.Context(), "legation.dev/cmd/legation", binary); err != nil {
		t.Fatal(err)
	}
	wall, err := clock.NewWall(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := newSuite(t)
	s, err := incluster.Start(w.ctx, cluster, incluster.Options{Binary: true, Build: binary, Env: []string{clock.Variable + "=" + wall.Path}, Replicas: 2, Envoys: 2,
		Args: []string{"--lease", w.namespace + "/legation", "--publish-address", "192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	deployment, service := kube.Web(w.namespace, "web", 1, time.Second)
	if err := cluster.Apply(w.ctx, deployment, service, w.web("before", "web")); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, deployment); err != nil {
		t.Fatal(err)
	}
	w.awaitAddress("192.0.2.1", "before")
	leader, other := w.leader(s)
	writes := w.metric(s.Replicas[leader], "legation_status_writes_total")
	for i, d := range []time.Duration{time.Hour, -time.Hour, 0} {
		if err := wall.Set(d); err != nil {
			t.Fatal(err)
		}
		w.goesOn(s, fmt.Sprintf("at-%d", i), d)
		writes++
	}
	if got := w.metric(s.Replicas[leader], "legation_status_writes_total"); got != writes+3 { // and those without a Service
		t.Errorf("%v writes, want %v", got, writes+3)
	}
	for i, want := range map[int]float64{leader: 1, other: 0} {
		if got := w.metric(s.Replicas[i], "legation_status_terms_total"); got != want {
			t.Errorf("replica %d began to write %v times, want %v", i, got, want)
		}
	}
}

// goesOn has an Ingress served and written, one told about, and the Lease renewed,
// after the wall clock was set.
func (w *suite) goesOn(s *incluster.Stack, name string, set time.Duration) {
	w.Helper()
	begin := time.Now()
	if err := cluster.Apply(w.ctx, w.web(name, "web"), w.web(name+"-wrong", "missing")); err != nil {
		w.Fatal(err)
	}
	w.awaitAddress("192.0.2.1", name, name+"-wrong")
	for _, e := range s.Envoys {
		w.awaitAnswer(e, name+".test", "200")
	}
	w.events(w.namespace, name+"-wrong", starts("Warning NoService: "))
	w.Logf("set by %v: served, written and told after %v", set, time.Since(begin).Round(time.Millisecond))
	renewals, last := 0, time.Time{}
	err := kube.Await(w.ctx, cluster.Client().CoordinationV1().Leases(w.namespace), func(all []*coordinationv1.Lease) error {
		if len(all) != 1 || all[0].Spec.RenewTime == nil {
			return fmt.Errorf("%d Leases", len(all))
		}
		at := all[0].Spec.RenewTime.Time
		if off := at.Sub(time.Now().Add(set)); at != last && off.Abs() < 10*time.Minute {
			renewals, last = renewals+1, at
		}
		if renewals < 3 {
			return errors.New("the Lease is not renewed by the clock that was set")
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}
