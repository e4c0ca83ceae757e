package input

import (
	"iter"
	"time"

	"legation.dev/held"
	"legation.dev/pmap"
	"legation.dev/translator/route"
)

// KeepNames is how long a name stays with a namespace after its last Ingress for it is
// gone: long enough for an Ingress that is deleted and made anew by hand, by a chart or
// from a backup, and short enough for a name to change hands.
const KeepNames = time.Minute

// Kept is a claim of the past to a name: of an Ingress that is gone, changed, or made
// anew. It counts while the namespace has another Ingress for the name, and until Until
// if it has none.
type Kept struct {
	route.Claim
	Host  string
	Until time.Time // zero while the namespace has one

	class route.ClassName
}

// Sum identifies the claim, but not until when it counts: each replica has seen the
// Ingress go at a moment of its own.
func (k Kept) Sum() pmap.Sum {
	lapsed := ""
	if k.Lapsed {
		lapsed = "lapsed"
	}
	return pmap.SumOf(k.By.String(), k.Age.UTC().Format(time.RFC3339), lapsed, k.Host, k.class.Key())
}

// claimKey is the key of a claim: one of each namespace for each host and class.
func claimKey(host string, class route.ClassName, namespace string) string {
	return host + sep + class.Key() + sep + namespace
}

// Keep is v, given the View before it and the time: names stay with the namespaces of
// Ingresses that are gone from v for KeepNames, and for as long as such a namespace has
// another Ingress for the name and somebody else wants it.
func (v View) Keep(before View, clock held.Clock) View {
	v.kept = before.kept
	touched := map[string]bool{} // hosts
	for c := range pmap.Diff(before.fragments, v.fragments) {
		for host := range claimed(c.Old) {
			touched[host] = true
			v.remember(host, c.Old)
		}
		for host := range claimed(c.New) {
			touched[host] = true
		}
	}
	for key, k := range v.kept.All() {
		if k.Lapsed && clock.Over(k.since(), KeepNames) {
			v.kept = v.kept.Delete(key)
			touched[k.Host] = true
		}
	}
	for host := range touched { // each by itself
		for key, k := range v.kept.Prefix(host + sep) {
			v.judge(key, k, clock.Now)
		}
	}
	return v
}

// keptUntil is when the first claim of the past ends; zero if none does.
func (v View) keptUntil(clock held.Clock) (first time.Time) {
	for _, k := range v.kept.All() {
		if end := clock.End(k.since(), KeepNames); k.Lapsed && (first.IsZero() || end.Before(first)) {
			first = end
		}
	}
	return first
}

// since is when the last Ingress went, of a claim that has lapsed.
func (k Kept) since() time.Time { return k.Until.Add(-KeepNames) }

// Kept are the claims of the past, for differences between two views.
func (v View) Kept() pmap.Map[Kept] { return v.kept }

// KeptOf yields the claims of the past to a host in a class.
func (v View) KeptOf(host string, class *route.Class) iter.Seq[route.Claim] {
	kept := v.kept
	return func(yield func(route.Claim) bool) {
		for _, k := range kept.Prefix(host + sep) {
			if class.Has(k.class) && !yield(k.Claim) {
				return
			}
		}
	}
}

// claimed yields the hosts that a fragment of an object that there is has a claim to.
func claimed(f *route.Fragment) iter.Seq[string] {
	return func(yield func(string) bool) {
		if f == nil || f.Withheld || f.Gone {
			return
		}
		for _, h := range f.Hosts {
			if !yield(h.Name) {
				return
			}
		}
		if f.CatchAll != nil {
			yield(route.Any)
		}
	}
}

// remember keeps the claim that a fragment had, unless an older one is kept.
func (v *View) remember(host string, f *route.Fragment) {
	k := Kept{Claim: f.Claim(), Host: host, class: f.Class}
	key := claimKey(host, f.Class, f.Origin.Object.Namespace)
	if old, ok := v.kept.Get(key); !ok || k.Older(old.Claim) < 0 {
		v.kept = v.kept.Set(key, k)
	}
}

// judge says of a claim of the past whether it is needed, and until when it counts.
func (v *View) judge(key string, k Kept, now time.Time) {
	first, lives := v.oldest(k)
	switch {
	case lives && (first.Older(k.Claim) <= 0 || !v.wanted(k)):
		v.kept = v.kept.Delete(key)
	case lives:
		k.Lapsed, k.Until = false, time.Time{}
		v.kept = v.kept.Set(key, k)
	case !k.Lapsed:
		k.Lapsed, k.Until = true, now.Add(KeepNames)
		v.kept = v.kept.Set(key, k)
	}
}

// oldest is the oldest claim that the namespace of a kept one has now.
func (v *View) oldest(k Kept) (first route.Claim, ok bool) {
	for _, f := range v.Claimants(k.Host) {
		if !f.Gone && f.Origin.Object.Namespace == k.By.Namespace && f.Class.Key() == k.class.Key() {
			if c := f.Claim(); !ok || c.Older(first) < 0 {
				first, ok = c, true
			}
		}
	}
	return first, ok
}

// wanted reports whether another namespace has, or had a moment ago, a claim to the host
// of a kept one or to the wildcard above. Below a wildcard it is not looked for.
func (v *View) wanted(k Kept) bool {
	if len(k.Host) > 1 && k.Host[0] == '*' {
		return true
	}
	wildcard, _ := route.Wildcard(k.Host)
	for _, host := range []string{k.Host, wildcard} {
		for _, f := range v.Claimants(host) {
			if !f.Gone && f.Origin.Object.Namespace != k.By.Namespace {
				return true
			}
		}
		for _, other := range v.kept.Prefix(host + sep) {
			if other.By.Namespace != k.By.Namespace {
				return true
			}
		}
	}
	return false
}

// Claimants are the fragments with a claim to a host: with a rule for it or, for route.Any,
// with a catch-all. The slice is the caller's.
func (v View) Claimants(host string) (list []*route.Fragment) {
	prefix := host + sep
	for _, k := range v.byHost.Keys(prefix) {
		if f, ok := v.fragments.Get(k[len(prefix):]); ok && !f.Withheld {
			list = append(list, f)
		}
	}
	if host != route.Any {
		return list
	}
	for f := range v.CatchingAll() {
		if !f.Withheld && f.Host(route.Any) == nil {
			list = append(list, f)
		}
	}
	return list
}
