// Package translator turns a view of Kubernetes into Envoy resources.
//
// Translate is a pure function: it reads no clock, starts no goroutine, logs
// nothing and remembers nothing. Equal views give equal bytes on every replica;
// the earlier result it is handed only saves work.
//
// Each kind of resource has a file with one function that computes it from the
// view and its key: virtualHost, cluster, endpoints, secret, hostChain. drive.go
// finds out which of them a change concerns. Loop is the only part that waits.
//
// Start reading at Translate, then drive.run, which shows the order of the steps.
package translator

import (
	"fmt"
	"iter"
	"time"

	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/xds/snapshot"
)

// Result is what Translate makes of a View. It is a value; the zero Result is
// that of an empty View and of no history.
type Result struct {
	// Stats tells what this translation did, not what it led to.
	Stats Stats

	fleets  pmap.Map[*Fleet] // by the name of the class
	orphans orphans
	view    input.View
}

// Stats counts the work of one translation.
type Stats struct {
	// Resources is how many resources and filter chains were computed, whether
	// or not they came out as they were.
	Resources int
	// Bytes is how many serialised bytes of them are new, and would be sent to
	// an Envoy that has everything else.
	Bytes int
}

// Fleet is what the Envoys of one IngressClass should run.
type Fleet struct {
	// Name is that of the IngressClass, and node.cluster of the Envoys.
	Name string
	// Snapshot is closed: what its resources Need and Pull is in it.
	Snapshot snapshot.Snapshot
	// Members are the Ingresses of the class, by "namespace/name". A fleet that is
	// frozen has those that it last had.
	Members pmap.Map[pmap.Unit]
	// Frozen says that the class or its settings are gone, see input.View.Freeze.
	Frozen bool

	class    class
	view     input.View          // that it was made of
	named    pmap.Map[pmap.Unit] // cluster + separator + host: who names a cluster
	backends pmap.Map[backend]   // by cluster: those that are named
	chains   pmap.Map[chain]     // by TLS host
	found    pmap.Map[findings]  // by unit: a resource, an Ingress or the class
	standIns *standIns           // shared by the versions of the fleet
	sum      pmap.Sum
}

// Sum identifies snapshot and problems.
func (f *Fleet) Sum() pmap.Sum { return f.sum }

// Fleets yields the fleets in order of their names.
func (r Result) Fleets() iter.Seq[*Fleet] {
	return func(yield func(*Fleet) bool) {
		for _, f := range r.fleets.All() {
			if !yield(f) {
				return
			}
		}
	}
}

// Fleet is the fleet of a class.
func (r Result) Fleet(name string) (*Fleet, bool) { return r.fleets.Get(name) }

// Digest is equal for equal results, on every replica.
func (r Result) Digest() pmap.Sum {
	f, o := r.fleets.Digest(), r.orphans.found.Digest()
	return pmap.SumOf(string(f[:]), string(o[:]))
}

// Problems are what is wrong at now, each once, sorted by object and field: what
// was found in reading objects and in translating them.
func (r Result) Problems(now time.Time) []input.Problem {
	maps := []pmap.Map[findings]{r.orphans.found, read(r.view)}
	for f := range r.Fleets() {
		maps = append(maps, f.found)
	}
	return due(now, maps...)
}

// Problems are those of this fleet's objects.
func (f *Fleet) Problems(now time.Time) []input.Problem { return due(now, f.found) }

// read are the problems of reading.
func read(v input.View) pmap.Map[findings] {
	var list []finding
	for p := range v.Problems() {
		list = append(list, finding{Problem: p})
	}
	return record(pmap.Map[findings]{}, "reading", list)
}

// Translate computes the fleets of v. prev is the result of an earlier view, or
// the zero Result: it saves work and has no other influence. The cost follows
// the difference between the two views, unless a class changes: then its hosts
// are all computed.
func Translate(prev Result, v input.View) Result {
	next := Result{view: v, orphans: findOrphans(prev.orphans, prev.view, v)}
	for _, name := range v.ClassNames() {
		fleetView, frozen := v.For(name)
		object, ok := fleetView.Class(name)
		if !ok || object.Controller != input.Controller {
			continue
		}
		old, ok := prev.fleets.Get(name)
		if !ok {
			old = &Fleet{Name: name}
		}
		d := newDrive(old, fleetView, object, frozen)
		next.fleets = next.fleets.Set(name, d.run())
		next.Stats.Resources += d.stats.Resources
		next.Stats.Bytes += d.stats.Bytes
	}
	return next
}

// finish completes a fleet whose resources are all there.
func (f *Fleet) finish() *Fleet {
	view := f.view
	spare := func(cluster string) *snapshot.Resource { return spareEndpoints(view, cluster) }
	if f.standIns == nil || f.standIns.of != view.StandIn() {
		f.standIns = &standIns{of: view.StandIn()}
	}
	f.Snapshot = f.Snapshot.WithSpare(spare).WithStandIn(f.standIns.get)
	s, p := f.Snapshot.Digest(), f.found.Digest()
	f.sum = pmap.SumOf(string(s[:]), string(p[:]), fmt.Sprint(f.Frozen))
	return f
}

// spareEndpoints are the live endpoints of a cluster that no route names any
// more, for Envoys that still have it; nil if nobody knows them, or if they have
// become names, which Envoy rejects by EDS.
func spareEndpoints(v input.View, cluster string) *snapshot.Resource {
	b, ok := parseBackend(cluster)
	if s, known := v.Service(b.key()); !ok || known && s.ExternalName != "" || hasNames(v, b.key()) {
		return nil
	}
	r, _ := endpointsOf(v, b, cluster)
	if r.Weak {
		return nil
	}
	return r
}

// View is what r was made of.
func (r Result) View() input.View { return r.view }
