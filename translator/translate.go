// Package translator turns a view of Kubernetes into Envoy resources.
//
// Translate is a pure function: it reads no clock, starts no goroutine, logs
// nothing and remembers nothing. Equal views give equal bytes on every replica;
// the earlier result it is handed only saves work.
//
// Objects come lowered: as fragments of the route model (translator/lower, by the
// source). Here a pass finds out what a change concerns, has route.Merge put
// together what several objects say of one host, and has translator/render make
// Envoy resources of it.
//
// Start reading at Translate, then pass.run, which shows the order of the steps.
package translator

import (
	"fmt"
	"iter"
	"maps"
	"time"

	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Result is what Translate makes of a View. It is a value; the zero Result is
// that of an empty View and of no history.
type Result struct {
	// Stats tells what this translation did, not what it led to.
	Stats Stats

	fleets  pmap.Map[*Fleet] // by the name of the class
	orphans orphans
	unset   pmap.Map[finding.List] // by the name of the class: why it has no fleet
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
	// Weighed is how many objects were looked at for the budgets of their namespaces.
	Weighed int
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

	class    *class                  // as it was read last: it never changes
	view     input.View              // that it was made of
	named    pmap.Map[pmap.Unit]     // cluster + separator + host: who names a cluster
	backends pmap.Map[route.Backend] // by cluster: those that are named
	copies   pmap.Map[pmap.Unit]     // Service + separator + cluster: those of backends whose name may be that of a Service
	chains   hostChains
	lent     pmap.Map[pmap.Unit] // hosts with the chain of a wildcard that another namespace has, or has one below
	canaries canaries
	budgets  budgets
	ports    pmap.Map[tally]        // by namespace: Service ports with clusters
	crowded  pmap.Map[pmap.Unit]    // namespaces with nearly too many of them
	measured pmap.Map[until]        // by cluster: those with all-metrics-until
	found    pmap.Map[finding.List] // by unit: a resource, an Ingress or the class
	standIns *standIns              // shared by the versions of the fleet
	sum      pmap.Sum
}

// hostChains are the filter chains of TLS hosts, by listener and host. It is a value:
// with and without leave it unchanged.
type hostChains map[string]pmap.Map[render.Chain]

// has reports whether a host has a chain.
func (c hostChains) has(host string) bool {
	for _, m := range c {
		if m.Has(host) {
			return true
		}
	}
	return false
}

func (c hostChains) with(listener, host string, ch render.Chain) hostChains {
	next := maps.Clone(c)
	if next == nil {
		next = hostChains{}
	}
	next[listener] = next[listener].Set(host, ch)
	return next
}

func (c hostChains) without(host string) hostChains {
	next := maps.Clone(c)
	for listener, m := range next {
		next[listener] = m.Delete(host)
	}
	return next
}

// hosts yields every host with a chain, some perhaps twice.
func (c hostChains) hosts(yield func(string) bool) {
	for _, m := range c {
		for host := range m.All() {
			if !yield(host) {
				return
			}
		}
	}
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

// NamespaceChanges is how many changes a second a namespace may make: the most that a class
// lets it; 0 is any number.
func (r Result) NamespaceChanges() (most uint32) {
	for f := range r.Fleets() {
		if f.class.Settings.NamespaceChanges == 0 {
			return 0
		}
		most = max(most, f.class.Settings.NamespaceChanges)
	}
	return most
}

// Digest is equal for equal results, on every replica.
func (r Result) Digest() pmap.Sum {
	f, o, u := r.fleets.Digest(), r.orphans.found.Digest(), r.unset.Digest()
	return pmap.SumOf(string(f[:]), string(o[:]), string(u[:]))
}

// Problems are what is wrong at now, each once, sorted by object and field: what
// was found in reading objects and in translating them.
func (r Result) Problems(now time.Time) []finding.Problem { return finding.Due(now, r.found()...) }

// EachProblem yields the same in no order, and perhaps some of them several times: for who
// looks for a few.
func (r Result) EachProblem(now time.Time) iter.Seq[finding.Problem] {
	return finding.Each(now, r.found()...)
}

// found is where all findings are.
func (r Result) found() []pmap.Map[finding.List] {
	maps := []pmap.Map[finding.List]{r.orphans.found, r.unset, read(r.view)}
	for f := range r.Fleets() {
		maps = append(maps, f.found)
	}
	return maps
}

// Problems are those of this fleet's objects.
func (f *Fleet) Problems(now time.Time) []finding.Problem { return finding.Due(now, f.found) }

// read are the problems of reading.
func read(v input.View) pmap.Map[finding.List] {
	var list []finding.Finding
	for p := range v.Problems() {
		list = append(list, finding.Finding{Problem: p})
	}
	return finding.Record(pmap.Map[finding.List]{}, "reading", list)
}

// Translate computes the fleets of v. prev is the result of an earlier view, or
// the zero Result: it saves work and has no other influence. The cost follows
// the difference between the two views, unless a class changes: then its hosts
// are all computed.
func Translate(prev Result, v input.View) Result {
	next := Result{view: v, orphans: findOrphans(prev.orphans, prev.view, v)}
	for _, name := range v.ClassNames() {
		fleetView, frozen := v.For(name)
		of, ok := fleetView.Class(name)
		if !ok || of.Controller != input.Controller {
			continue
		}
		if !fleetView.HasSettings(of) {
			next.unset = finding.Record(next.unset, name, unset(fleetView, of))
			continue
		}
		old, ok := prev.fleets.Get(name)
		if !ok {
			old = &Fleet{Name: name, class: &class{}}
		}
		p := newPass(old, fleetView, of, frozen)
		p.paused(v)
		p.unusable(v)
		p.held(v)
		p.pressed(v)
		next.fleets = next.fleets.Set(name, p.run())
		next.Stats.Resources += p.stats.Resources
		next.Stats.Bytes += p.stats.Bytes
		next.Stats.Weighed += p.stats.Weighed
	}
	return next
}

// unset says that a class has no fleet, since its settings are not there, or wrong in what is
// fixed at install. What they may say is no default's to guess: listeners would move, and what
// is closed would open. A process that has seen them goes on by what they said, see
// input.View.Freeze and input.View.HoldSettings.
func unset(v input.View, of *input.IngressClass) []finding.Finding {
	at, p := input.Origin(of).In("spec.parameters"), of.Parameters
	if config, ok := v.ConfigMap(p.Key()); ok {
		return wrongFixed(config)
	}
	if why := v.WhyUnread(p); why != "" {
		return []finding.Finding{finding.SettingsNotRead.At(at, p.Key(), why)}
	}
	return []finding.Finding{finding.NoSettings.At(at, p.Key())}
}

// wrongFixed is what is wrong with settings in what is fixed at install.
func wrongFixed(settings *input.ConfigMap) (list []finding.Finding) {
	for _, e := range input.Unusable(settings) {
		list = append(list, finding.SettingsUnusable.At(settings.Fragment().At(e.Field), e.Value, e.Err))
	}
	return list
}

// Unset are the Problems of classes of ours that have no fleet.
func (r Result) Unset() []finding.Problem { return finding.Due(time.Time{}, r.unset) }

// finish completes a fleet whose resources are all there.
func (f *Fleet) finish() *Fleet {
	view := f.view
	if f.standIns == nil || f.standIns.of != view.StandIn() {
		f.standIns = &standIns{of: view.StandIn(), pair: own(view)}
	}
	f.Snapshot = f.Snapshot.WithReserve(reserve{view, f.standIns})
	s, p := f.Snapshot.Digest(), f.found.Digest()
	f.sum = pmap.SumOf(string(s[:]), string(p[:]), fmt.Sprint(f.Frozen))
	return f
}

// reserve is the snapshot.Reserve of a fleet.
type reserve struct {
	view     input.View
	standIns *standIns
}

// Spare implements snapshot.Reserve.
func (r reserve) Spare(cluster string) *snapshot.Resource { return spareEndpoints(r.view, cluster) }

// StandIn implements snapshot.Reserve.
func (r reserve) StandIn(secret string) *snapshot.Resource { return r.standIns.get(secret) }

// View is what r was made of.
func (r Result) View() input.View { return r.view }
