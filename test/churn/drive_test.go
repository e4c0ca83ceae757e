//go:build real

package churn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/load"
	"legation.dev/xds/snapshot"
)

// effect is what a change leads to, until Envoy runs it.
type effect struct {
	change   uint64 // from Apply
	concerns func(snapshot.Ref) bool
	claims   []claim // allowed from the change on, and alone when it landed
	landed   func()  // called then, if set
	then     workers // when Envoy acknowledged it; nil before
	freezes  bool    // it is that the settings of the class went away
}

// claim is what a host answers to a path.
type claim struct {
	host, path string
	answer     load.Answer
}

// driver applies changes and follows each until Envoy runs it. It belongs to
// the test's goroutine.
type driver struct {
	*suite
	kinds   []kind // of changes that are drawn
	pending []*effect
	counts  map[string]int            // changes by kind
	loaded  int                       // of them, those to hosts under load
	extras  []*host                   // that came since and are not under load
	names   int                       // how many names of hosts and paths were used
	probes  int                       // how many times a new connection was tried
	frozen  bool                      // the settings of the class are away: nothing of the fleet changes
	thawed  uint64                    // number of the change by which they came back
	latest  map[string]*corev1.Secret // the good certificate of a host that was given last
	shown   map[string]*corev1.Secret // and the one of those that Envoy had, when nothing was newer
}

// nothing concerns who waits for the publication alone.
func nothing(snapshot.Ref) bool { return false }

// routesOf concerns the virtual host of a host.
func routesOf(host string) func(snapshot.Ref) bool {
	return func(r snapshot.Ref) bool { return r == vh(host) }
}

// podsOf concerns the endpoints of a Service.
func podsOf(service string) func(snapshot.Ref) bool { return named(snapshot.Endpoints, service) }

// clustersOf concerns all clusters of a Service.
func clustersOf(service string) func(snapshot.Ref) bool { return named(snapshot.Cluster, service) }

func named(t snapshot.Type, service string) func(snapshot.Ref) bool {
	return func(r snapshot.Ref) bool {
		return r.Type == t && (r.Name == cluster(service) || strings.HasPrefix(r.Name, cluster(service)+"/"))
	}
}

// tlsOf concerns the certificate and the listeners.
func tlsOf(host string) func(snapshot.Ref) bool {
	return func(r snapshot.Ref) bool {
		return r.Type == snapshot.Secret && r.Name == host || r.Type == snapshot.Listener
	}
}

// either concerns whom one of them concerns.
func either(list ...func(snapshot.Ref) bool) func(snapshot.Ref) bool {
	return func(r snapshot.Ref) bool {
		return slices.ContainsFunc(list, func(f func(snapshot.Ref) bool) bool { return f(r) })
	}
}

func newDriver(w *suite) *driver {
	return &driver{suite: w, kinds: kinds, counts: map[string]int{}, latest: map[string]*corev1.Secret{}, shown: map[string]*corev1.Secret{}}
}

// allow is to be called before a change is made.
func (d *driver) allow(claims ...claim) []claim {
	for _, c := range claims {
		d.timeline.Allow(c.host, c.path, c.answer)
	}
	return claims
}

// look finishes the effects that have landed.
func (d *driver) look() {
	before := d.pending
	d.pending = nil // landed may add to it
	for _, e := range before {
		if !d.inForce(e) {
			d.pending = append(d.pending, e)
			continue
		}
		for _, c := range e.claims {
			d.timeline.Only(c.host, c.path, c.answer)
		}
		if e.landed != nil {
			e.landed()
		}
	}
}

// inForce reports whether Envoy runs the change, its workers included where answers
// depend on it.
func (d *driver) inForce(e *effect) bool {
	if e.then == nil && (e.freezes || !d.frozen) && d.Landed(max(e.change, d.thawed), e.concerns) {
		e.then = d.acknowledged()
	}
	return e.then != nil && (len(e.claims) == 0 || d.followed(e.then))
}

// run makes n changes at so many a second.
func (d *driver) run(n, rate int) (took time.Duration) {
	begin := time.Now()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for made := 0; made < n; {
		if d.one() {
			made++
		}
		<-tick.C
		d.look()
	}
	took = time.Since(begin)
	d.finish()
	return took
}

// draws is how often a kind is drawn before a tick goes by without a change.
const draws = 20

// one makes a random change; false if none of the drawn kinds fits now.
func (d *driver) one() bool {
	for range draws {
		k := d.draw()
		e := k.make(d)
		if e == nil {
			continue
		}
		d.counts[k.name]++
		if k.loaded {
			d.loaded++
		}
		d.pending = append(d.pending, e)
		return true
	}
	return false
}

func (d *driver) draw() kind {
	n := d.rng.IntN(d.totalWeight())
	for _, k := range d.kinds {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("churn: weights")
}

// finish waits until all effects have landed.
func (d *driver) finish() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, hang)
	defer cancel()
	err := d.Await(ctx, func() error {
		if d.look(); len(d.pending) > 0 {
			refs, _ := d.Behind(0)
			return fmt.Errorf("%d changes have not landed; Envoy lacks %.300v", len(d.pending), refs)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// String lists the changes by kind.
func (d *driver) String() string {
	total := 0
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(d.counts)) {
		total += d.counts[name]
		parts = append(parts, fmt.Sprintf("%d %s", d.counts[name], name))
	}
	return fmt.Sprintf("%d changes, %d to hosts under load, %d probes: %s", total, d.loaded, d.probes, strings.Join(parts, ", "))
}
