package input

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Together is how many hosts of a class must go within its deletion-window to be one
// deletion, of which all wait until it is over, and how many at least are held.
const Together = 10

// Leaving is a host of a class that no object has any more, and that is served as it
// last was: it is not known yet how many go with it, or a Deletion holds it.
type Leaving struct {
	Class, Host string
	Since       time.Time

	parts []*route.Fragment // what is served there, of objects as they last were
	of    []*Ingress        // those objects, for whoever takes over
}

// Sum identifies what is served, but not since when: each replica has seen the host go at
// a moment of its own.
func (l Leaving) Sum() pmap.Sum {
	parts := []string{l.Class, l.Host}
	for _, f := range l.parts {
		sum := f.Sum()
		parts = append(parts, string(sum[:]))
	}
	return pmap.SumOf(parts...)
}

// Objects are those whose rules are served there.
func (l Leaving) Objects() (list []object.Ref) {
	for _, f := range l.parts {
		list = append(list, f.Origin.Object)
	}
	return list
}

// Deletion is that of more than the class's deletion-share of its hosts: all hosts that
// leave are held.
type Deletion struct {
	Class string
	Share uint32 // percent that was exceeded
	Since time.Time
	Until time.Time // zero: until it is approved
}

// Sum identifies the deletion, for whoever shows it.
func (d Deletion) Sum() pmap.Sum { return pmap.SumOf(d.Class, d.Until.UTC().Format(time.RFC3339)) }

// tally is how many hosts of a class objects have.
type tally int

// Sum identifies nothing: a tally is found again by its class, and put by Replace.
func (t tally) Sum() pmap.Sum { return pmap.Sum{} }

// moment is when the next host of a class may go.
type moment time.Time

// Sum identifies nothing: a moment is found again by its class, and put by Replace.
func (m moment) Sum() pmap.Sum { return pmap.Sum{} }

// Guard is v, given the View before it, that v was made of, and the time: a host that no
// object of its class has any more is served as it last was for the deletion-window of the
// class, and if so many go together that they are more than its deletion-share, until the
// deletion is approved, undone, or held for deletion-hold. Whatever those hosts name stays as
// well, but for endpoints. Nothing else waits.
//
// No wait ends for the lack of news, see held.Clock.
func (v View) Guard(before View, clock held.Clock) View {
	v.lapsed = nil
	if v.fragments.Same(before.fragments) && v.classes.Same(before.classes) && v.configs.Same(before.configs) &&
		v.secrets.Same(before.secrets) && v.services.Same(before.services) && v.leaving.Len() == 0 {
		v.wakes = pmap.Map[moment]{} // there may be those of hosts which somebody has let go
		v.tidy()
		return v
	}
	g := guard{before: before, v: v, clock: clock}
	g.v.wakes = pmap.Map[moment]{}
	g.touch()
	if len(g.touched) > 0 || v.leaving.Len() > 0 || !v.classes.Same(before.classes) || !v.configs.Same(before.configs) {
		for _, name := range v.ClassNames() {
			g.class(name)
		}
	}
	g.keepNamed()
	g.v.tidy()
	return g.v
}

// tidy lets go of what no host needs that leaves, so that views which let the same hosts go in
// different ways are equal.
func (v *View) tidy() {
	for key, o := range v.left.All() {
		if !v.leavingNames(o.Ref()) {
			v.left = v.left.Delete(key)
		}
	}
	for class := range v.deletions.All() {
		if _, hosts := v.LeavingOf(class); hosts == 0 {
			v.deletions = v.deletions.Delete(class)
		}
	}
}

// guardUntil is when the first wait of Guard ends; zero if none does.
func (v View) guardUntil() (first time.Time) {
	for _, m := range v.wakes.All() {
		if t := time.Time(m); first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}

// GuardUntilOf is when the first wait of Guard ends for hosts of a class; zero if none does.
func (v View) GuardUntilOf(class string) time.Time {
	m, _ := v.wakes.Get(class)
	return time.Time(m)
}

// approveRemoval is v without the hosts of a class that leave: they go now.
func (v View) approveRemoval(class string) View {
	for key, l := range v.leaving.Prefix(class + sep) {
		v.let(key, l)
	}
	v.deletions = v.deletions.Delete(class)
	return v
}

// Leaving yields the hosts that leave, by class and name.
func (v View) Leaving() iter.Seq[Leaving] {
	return func(yield func(Leaving) bool) {
		for _, l := range v.leaving.All() {
			if !yield(l) {
				return
			}
		}
	}
}

// LeavingOf is how many hosts of a class leave, and a digest of what is served there.
func (v View) LeavingOf(class string) (digest pmap.Sum, hosts int) {
	var list pmap.Map[Leaving]
	for key, l := range v.leaving.Prefix(class + sep) {
		list = list.Set(key, l)
	}
	return list.Digest(), list.Len()
}

// Deletion is that which is held of a class.
func (v View) Deletion(class string) (Deletion, bool) { return v.deletions.Get(class) }

// SameGuard reports whether the same hosts leave in two views, and are held.
func (v View) SameGuard(o View) bool {
	return v.leaving.Same(o.leaving) && v.deletions.Digest() == o.deletions.Digest()
}

// Lapsed are the removals that Guard has let go just now, since they were held for as long as they
// may be.
func (v View) Lapsed() []held.Entry { return v.lapsed }

// Left are objects that are gone and that leaving hosts name, by their refs, for
// differences between two views.
func (v View) Left() pmap.Map[Object] { return v.left }

// guard is one call of Guard.
type guard struct {
	before, v View
	clock     held.Clock
	touched   []*route.Fragment // that came, changed or went
}

// touch finds the fragments that changed. Those without a class did if the default class
// is another one.
func (g *guard) touch() {
	for c := range pmap.Diff(g.before.fragments, g.v.fragments) {
		for _, f := range []*route.Fragment{c.Old, c.New} {
			if f != nil && !f.Gone {
				g.touched = append(g.touched, f)
			}
		}
	}
	if g.before.DefaultClass() == g.v.DefaultClass() {
		return
	}
	for _, f := range g.v.fragments.All() {
		if !f.Class.Named && !f.Gone {
			g.touched = append(g.touched, f)
		}
	}
}

// class looks at the hosts of one class. One that is frozen is served as it was, so it
// is judged when it is whole again.
func (g *guard) class(name string) {
	is, ok := g.v.facts(name)
	if !ok {
		return
	}
	was, had := g.before.facts(name)
	count, counted := g.v.tallies.Get(name)
	if !had || !counted {
		g.v.tallies = g.v.tallies.Replace(name, g.count(&is))
		return
	}
	for _, host := range g.hosts(&was, &is) {
		a, b := g.before.served(&was, host), g.v.served(&is, host)
		switch {
		case len(a) == 0 && len(b) > 0:
			count++
		case len(a) > 0 && len(b) == 0:
			count--
		}
		g.host(&is, host, a, len(b) > 0)
	}
	if owners(&was) != owners(&is) {
		count = g.count(&is)
	}
	g.v.tallies = g.v.tallies.Replace(name, count)
	if _, frozen := g.v.frozen.Get(name); !frozen {
		g.judge(name, is.Settings.Deletion, int(count))
	}
}

// hosts are those that the touched fragments name, of the class before or now, in order.
func (g *guard) hosts(was, is *route.Class) []string {
	set := map[string]bool{}
	for _, f := range g.touched {
		if was.Has(f.Class) || is.Has(f.Class) {
			for host := range claimed(f) {
				set[host] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// host follows one host: before are the fragments that it was served with.
func (g *guard) host(c *route.Class, host string, before []*route.Fragment, served bool) {
	key := leavingKey(c.Name, host)
	l, leaves := g.v.leaving.Get(key)
	switch {
	case leaves && served:
		g.v.let(key, l)
	case !leaves && !served && len(before) > 0 && c.Settings.DeletionWindow > 0:
		l = Leaving{Class: c.Name, Host: host, Since: g.clock.Now}
		for _, f := range before {
			l.parts = append(l.parts, f.Leaving(c.Name, host))
			if o, ok := g.before.ingresses.Get(f.Origin.Object.Key()); ok {
				l.of = append(l.of, o)
			}
		}
		g.v.hold(key, l)
	}
}

// judge decides about the hosts that leave a class, of which objects have count others.
func (g *guard) judge(class string, s policy.Deletion, count int) {
	var list []Leaving
	for _, l := range g.v.leaving.Prefix(class + sep) {
		list = append(list, l)
	}
	d, held := g.v.deletions.Get(class)
	switch {
	case len(list) == 0: // or all are back
		g.v.deletions = g.v.deletions.Delete(class)
		return
	case !held && s.DeletionShare > 0 && len(list) >= Together && len(list)*100 > int(s.DeletionShare)*(len(list)+count):
		d, held = Deletion{Class: class, Share: s.DeletionShare, Since: g.clock.Now}, true
	}
	if !held {
		g.pass(class, list, s.DeletionWindow)
		return
	}
	d.Until = time.Time{}
	if s.DeletionHold > 0 {
		d.Until = g.clock.End(d.Since, s.DeletionHold)
	}
	if !d.Until.IsZero() && !d.Until.After(g.clock.Now) {
		g.v.lapsed = append(slices.Clip(g.v.lapsed), g.v.heldDeletion(class))
		g.v = g.v.approveRemoval(class)
		return
	}
	g.v.deletions = g.v.deletions.Set(class, d)
	g.wakeAt(class, d.Until)
}

// pass lets the hosts go that have waited, unless so many have not that all are of one
// deletion, which is not over yet.
func (g *guard) pass(class string, list []Leaving, window time.Duration) {
	end := func(l Leaving) time.Time { return g.clock.End(l.Since, window) }
	slices.SortStableFunc(list, func(a, b Leaving) int { return b.Since.Compare(a.Since) })
	if len(list) >= Together && end(list[Together-1]).After(g.clock.Now) {
		g.wakeAt(class, end(list[Together-1]))
		return
	}
	for _, l := range list {
		if end(l).After(g.clock.Now) {
			g.wakeAt(class, end(l))
			continue
		}
		g.v.let(leavingKey(l.Class, l.Host), l)
	}
}

// wakeAt has a class looked at again at a moment, or earlier; zero is never.
func (g *guard) wakeAt(class string, t time.Time) {
	if first := g.v.GuardUntilOf(class); !t.IsZero() && (first.IsZero() || t.Before(first)) {
		g.v.wakes = g.v.wakes.Replace(class, moment(t))
	}
}

// keepNamed keeps objects that are gone and that hosts name which leave.
func (g *guard) keepNamed() {
	keepGone(g, object.KindService, g.before.services, g.v.services)
	keepGone(g, object.KindSecret, g.before.secrets, g.v.secrets)
	keepGone(g, object.KindConfigMap, g.before.configs, g.v.configs)
}

func keepGone[O Object](g *guard, kind object.Kind, before, now pmap.Map[O]) {
	if before.Same(now) {
		return
	}
	for c := range pmap.Diff(before, now) {
		namespace, name, _ := strings.Cut(c.Key, "/")
		ref := object.Ref{Kind: kind, Namespace: namespace, Name: name}
		switch {
		case c.HasNew:
			g.v.left = g.v.left.Delete(ref.String())
		case g.v.leavingNames(ref):
			g.v.left = g.v.left.Set(ref.String(), c.Old)
		}
	}
}

// count is how many hosts a class has.
func (g *guard) count(c *route.Class) (n tally) {
	seen := map[string]bool{}
	for _, f := range g.v.fragments.All() {
		if f.Gone || !c.Has(f.Class) {
			continue
		}
		for host := range claimed(f) {
			if !seen[host] && len(g.v.served(c, host)) > 0 {
				n++
			}
			seen[host] = true
		}
	}
	return n
}

// recount counts the hosts of a class whose settings are others without a pass of Guard: they say
// whose hosts are.
func (v *View) recount(class string) {
	if is, ok := v.facts(class); ok {
		g := guard{v: *v}
		v.tallies = v.tallies.Replace(class, g.count(&is))
	}
}

// owners are what of a class says whose a host is.
func owners(c *route.Class) string {
	return fmt.Sprint(c.Default, c.Settings.HostOwnership, c.Settings.HostOwners)
}

// facts are what of a class of ours says whose a host is, and how its hosts are guarded.
func (v View) facts(name string) (route.Class, bool) {
	view, _ := v.For(name)
	of, ok := view.classes.Get(name)
	if !ok || of.Controller != Controller {
		return route.Class{}, false
	}
	c := route.Class{Name: name, Default: v.DefaultClass() == name, Settings: policy.DefaultsOf(of.Claimed)}
	if config, ok := view.configs.Get(of.Parameters.Key()); ok && of.Parameters.Kind == object.KindConfigMap {
		c.Settings = c.Settings.With(config.Fragment().Policy)
	}
	return c, true
}

// served are the fragments that a host is served with, by objects that there are.
func (v View) served(c *route.Class, host string) []*route.Fragment {
	t := c.TenureOf(host, func(name string) route.Claims {
		claims := route.Claims{Host: name, Kept: slices.Collect(v.KeptOf(name, c))}
		for _, f := range v.Claimants(name) {
			if !f.Gone && c.Has(f.Class) {
				claims.Fragments = append(claims.Fragments, f)
			}
		}
		slices.SortStableFunc(claims.Fragments, route.Older)
		return claims
	})
	return t.Served
}

func leavingKey(class, host string) string { return class + sep + host }

// hold serves a host on that leaves.
func (v *View) hold(key string, l Leaving) {
	v.leaving = v.leaving.Set(key, l)
	for _, f := range l.parts {
		v.route(f.Key(), f)
	}
}

// let lets a host go, and the objects that it alone named.
func (v *View) let(key string, l Leaving) {
	v.leaving = v.leaving.Delete(key)
	for _, f := range l.parts {
		v.unroute(f.Key())
		for _, r := range f.References {
			if v.left.Has(r.To.String()) && !v.leavingNames(r.To) {
				v.left = v.left.Delete(r.To.String())
			}
		}
	}
}

// leavingNames reports whether a host that leaves names an object.
func (v View) leavingNames(ref object.Ref) bool {
	for f := range v.Naming(ref) {
		if f.Gone {
			return true
		}
	}
	return false
}

// orLeft is what a map has under "namespace/name", else the object of that name that is
// gone and still needed.
func orLeft[O Object](v View, m pmap.Map[O], kind object.Kind, key string) (O, bool) {
	o, ok := m.Get(key)
	if ok || v.left.Len() == 0 {
		return o, ok
	}
	kept, _ := v.left.Get(string(kind) + " " + key)
	o, ok = kept.(O)
	return o, ok
}
