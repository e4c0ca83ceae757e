//go:build real

package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

var coldHosts = flag.Int("cold-hosts", 100, "how many hosts the API server of TestColdStart has")

// coldStart is --cold-start-after of TestColdStart.
const coldStart = 2 * time.Second

// TestColdStart: API server and etcd are killed, then Legation, and it starts again. An Envoy
// that starts then is served what was stored, and one that ran before notices nothing. When
// the API server is back, both are brought to what that holds: of what is equal, nothing is
// sent, but the certificates if they were not stored. With -clock, Legation starts with a clock
// that is an hour behind, which is then set forward by two.
func TestColdStart(t *testing.T) {
	t.Run("without a key", func(t *testing.T) { coldStartOf(t, *coldHosts, "") })
	t.Run("with a key", func(t *testing.T) {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		key := filepath.Join(t.TempDir(), "identity")
		if err := os.WriteFile(key, []byte(identity.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		coldStartOf(t, 1, key)
	})
}

// coldStartOf is TestColdStart with so many plain hosts, and a key for what comes from
// Secrets; empty: none.
func coldStartOf(t *testing.T, hosts int, key string) {
	args := []string{"--cold-start-after", coldStart.String()}
	if key != "" {
		args = append(args, "--state-key", key)
	}
	o, setClock := withClock(t, incluster.Options{Binary: true, State: true, Args: args})
	w := newSuite(t, 4, grace, o)
	w.addHosts("more", hosts, 0)
	w.settle()
	w.stored()
	l, end := w.load(w.clients(100*time.Millisecond, 12, 6, 4)...)
	mend := w.breakAll()
	r := w.Replicas[0]
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	setClock(-time.Hour) // what is stored is of a time to come
	begin := time.Now()
	if err := r.Begin(); err != nil {
		t.Fatal(err)
	}
	e, err := w.AddEnvoy(w.limited(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"h0.test", fmt.Sprintf("more%d.test", hosts-1)} {
		if got := e.Ask(w.ctx, host, pathSteady); got != "200 "+steady {
			t.Errorf("a fresh Envoy answers %q for %s", got, host)
		}
	}
	t.Logf("a fresh Envoy serves %d hosts %v after Legation was started without an API server", hosts+4, time.Since(begin).Round(10*time.Millisecond))
	w.wantOwn(e, w.hosts[3].name, key != "")
	w.marked(r)
	setClock(time.Hour)
	w.more(l, 200)
	mend()
	kinds := everyKind
	if key == "" {
		kinds = kinds[:len(kinds)-1]
	}
	before := w.sent(r, kinds)
	w.await(func() error {
		if age, err := r.Metric(w.ctx, "legation_fleet_stored_age_seconds"); err != nil || age > 0 {
			return errors.Join(err, fmt.Errorf("what is served is still the stored state: %v s old", age))
		}
		return nil
	})
	w.settle()
	if after := w.sent(r, kinds); after != before {
		t.Errorf("the API server has what was stored, and %v resources were sent", after-before)
	}
	w.await(func() error { // Envoy's workers follow what it has acknowledged
		if got, err := w.presents(e.HTTPS, w.hosts[3].name); err != nil || got == standIn {
			return errors.Join(err, errors.New("the fresh Envoy still presents the stand-in"))
		}
		return nil
	})
	w.more(l, 200)
	end()
}

// TestRestartWithoutClass: while Legation is killed, its class and the settings of that are
// deleted. It starts again, and serves the fleet as before, certificates of today included, also
// to an Envoy that starts; when both are back, nothing is sent. With -clock, it starts an hour
// ahead, and is set back by two.
func TestRestartWithoutClass(t *testing.T) {
	o, setClock := withClock(t, incluster.Options{Binary: true, State: true})
	w := newSuite(t, 4, grace, o)
	w.stored()
	l, end := w.load(w.clients(100*time.Millisecond, 12, 6, 4)...)
	r := w.Replicas[0]
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, o := range fixture.Class(incluster.Class, incluster.Namespace, nil) {
		if err := k.Delete(w.limited(), o); err != nil {
			t.Fatal(err)
		}
	}
	setClock(time.Hour)
	if err := r.Start(w.limited()); err != nil {
		t.Fatal(err)
	}
	e, err := w.AddEnvoy(w.limited(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Ask(w.ctx, w.hosts[0].name, pathSteady); got != "200 "+steady {
		t.Errorf("a fresh Envoy answers %q", got)
	}
	w.wantOwn(e, w.hosts[3].name, true)
	if frozen, err := r.Metric(w.ctx, "legation_fleet_frozen"); err != nil || frozen != 1 {
		t.Errorf("%v fleets are frozen, %v", frozen, err)
	}
	setClock(-time.Hour)
	w.more(l, 200)
	before := w.sent(r, everyKind)
	if err := w.Settings(w.limited(), nil); err != nil {
		t.Fatal(err)
	}
	w.await(func() error {
		if frozen, err := r.Metric(w.ctx, "legation_fleet_frozen"); err != nil || frozen > 0 {
			return errors.Join(err, errors.New("the fleet is still frozen"))
		}
		return nil
	})
	w.settle()
	if after := w.sent(r, everyKind); after != before {
		t.Errorf("the class is back as it was, and %v resources were sent", after-before)
	}
	w.more(l, 200)
	end()
}

// everyKind are the discovery services of all resources, certificates last.
var everyKind = []string{"CDS", "EDS", "SRDS", "RDS", "ECDS", "LDS", "VHDS", "SDS"}

// breakAll kills the API server and etcd. What it returns starts both.
func (w *suite) breakAll() (mend func()) {
	w.t.Helper()
	for _, p := range []*kube.Process{k.APIServer, k.Etcd} {
		if err := p.Kill(); err != nil {
			w.t.Fatal(err)
		}
	}
	mend = sync.OnceFunc(func() {
		for _, p := range []*kube.Process{k.Etcd, k.APIServer} {
			if err := p.Start(); err != nil {
				w.t.Error(err)
			}
		}
		if err := k.WaitReady(w.limited()); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(mend) // the tests that follow need both
	return mend
}

// wantOwn wants an Envoy to present the certificate of a host, or else the stand-in.
func (w *suite) wantOwn(e *incluster.Envoy, host string, own bool) {
	w.t.Helper()
	got, err := w.presents(e.HTTPS, host)
	if err != nil || (got != standIn) != own {
		w.t.Errorf("%s presents %q for %s, %v; its own certificate: want %t", e.ID, got, host, err, own)
	}
}

// stored waits until the replica has stored all that was written before.
func (w *suite) stored() {
	w.t.Helper()
	begin := time.Now()
	w.addHosts("last", 1, 0)
	w.settle()
	w.await(func() error {
		at, err := w.Replicas[0].Metric(w.ctx, "legation_state_written_timestamp_seconds")
		if err != nil || at < float64(begin.UnixMilli())/1000+0.001 {
			return errors.Join(err, errors.New("the last state is not stored"))
		}
		return nil
	})
}

// marked wants the replica to say that it serves what was stored.
func (w *suite) marked(r *incluster.Replica) {
	w.t.Helper()
	ready, err := r.Page(w.ctx, "/readyz")
	if err != nil || !strings.HasPrefix(ready, "ready, with what was stored ") || !strings.Contains(ready, "\n  Ingress: ") {
		w.t.Errorf("/readyz says %q, %v", ready, err)
	}
	if age, err := r.Metric(w.ctx, "legation_fleet_stored_age_seconds"); err != nil || age < 1 {
		w.t.Errorf("the age is %v s, %v", age, err)
	}
}

// sent is how many resources of some kinds the replica has sent or removed since it was
// started.
func (w *suite) sent(r *incluster.Replica, kinds []string) (sum float64) {
	w.t.Helper()
	for _, kind := range kinds {
		for _, what := range []string{"resources_sent", "resources_removed"} {
			n, err := r.Metric(w.ctx, fmt.Sprintf(`legation_xds_%s_total{type="%s"}`, what, kind))
			if err != nil {
				w.t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}
