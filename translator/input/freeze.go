package input

import (
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
)

// frozen is what a fleet last saw before its class or settings disappeared, or when it was
// paused.
type frozen struct {
	view  *View
	since time.Time
	pause *Pause // nil: it is not paused
}

// Sum covers what is pinned, Ingresses, class and settings, and what is told of a pause.
func (f frozen) Sum() pmap.Sum {
	pinned := together(f.view.ingresses.Digest(), f.view.classes.Digest(), f.view.configs.Digest())
	if f.pause == nil {
		return pinned
	}
	return pmap.SumOf(string(pinned[:]), f.pause.By, f.pause.Reason)
}

// Freeze is v, given the View before it: a class of our controller that is gone
// from v, or whose settings ConfigMap is gone, keeps the Ingresses, class and
// settings that before had, until both are back. A fleet is thereby frozen, not
// emptied, when somebody deletes its IngressClass.
func (v View) Freeze(before View, controller string) View {
	v.frozen = before.frozen
	for name, f := range before.frozen.All() {
		if f.pause == nil && v.complete(name, f) {
			v.frozen = v.frozen.Delete(name)
		}
	}
	if v.classes.Same(before.classes) && v.configs.Same(before.configs) {
		return v
	}
	for name, class := range before.classes.All() {
		if class.Controller != controller || v.frozen.Has(name) {
			continue
		}
		if f := v.pin(before); !v.complete(name, f) {
			v.frozen = v.frozen.Set(name, f)
		}
	}
	return v
}

// pin keeps what before had.
func (v View) pin(before View) frozen {
	pinned := before
	pinned.frozen = pmap.Map[frozen]{}
	pinned.services, pinned.slices, pinned.secrets = v.services, v.slices, v.secrets // For takes today's
	return frozen{view: &pinned, since: v.Time()}
}

// complete reports whether v has the class, and the settings that it names if they
// were there when f was pinned.
func (v View) complete(name string, f frozen) bool {
	class, ok := v.classes.Get(name)
	if !ok {
		return false
	}
	p := class.Parameters
	return p == (object.Ref{}) || v.configs.Has(p.Key()) || !f.view.configs.Has(p.Key())
}

// For is the View that the fleet of a class translates: v itself, or, while the
// fleet is frozen or paused, what it last saw with today's Services, slices and Secrets, at
// the time of v. isFrozen reports whether its class or settings are gone.
func (v View) For(class string) (_ View, isFrozen bool) {
	f, ok := v.frozen.Get(class)
	if !ok {
		return v, false
	}
	p := *f.view
	p.services, p.slices, p.byService, p.secrets = v.services, v.slices, v.byService, v.secrets
	p.left, p.leaving, p.deletions = v.left, v.leaving, v.deletions
	p.standIn, p.problems, p.now = v.standIn, v.problems, v.now
	return p, !v.complete(class, f)
}

// ClassNames yields every class that v has or keeps frozen, in order.
func (v View) ClassNames() []string {
	names := pmap.Map[pmap.Unit]{}
	for n := range v.classes.All() {
		names = names.Set(n, pmap.Unit{})
	}
	for n := range v.frozen.All() {
		names = names.Set(n, pmap.Unit{})
	}
	var list []string
	for n := range names.All() {
		list = append(list, n)
	}
	return list
}
