package input

import (
	"slices"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/policy"
)

// frozen is what a fleet last saw before its class or settings disappeared, or when it was
// paused.
type frozen struct {
	view   *View
	served *View // without what is of another class by now
	since  time.Time
	pause  *Pause // nil: it is not paused
}

// Sum covers what is pinned, Ingresses, class and settings, and what is told of a pause.
func (f frozen) Sum() pmap.Sum {
	pinned := together(f.view.ingresses.Digest(), f.view.classes.Digest(), f.view.configs.Digest(), f.view.leaving.Digest(), f.served.ingresses.Digest())
	if f.pause == nil {
		return pinned
	}
	return pmap.SumOf(string(pinned[:]), f.pause.By, f.pause.Reason)
}

// Freeze is v, given the View before it and the time: a class of our controller that is gone
// from v, or another controller's, or whose settings ConfigMap is gone or Unusable, keeps the Ingresses,
// class and settings that before had, until all are back. A fleet is thereby frozen, not
// emptied, when somebody deletes its IngressClass. An Ingress that is of another class
// meanwhile goes, as it would have otherwise.
func (v View) Freeze(before View, clock held.Clock) View {
	v = v.freeze(before, clock)
	if v.classes.Same(before.classes) && v.configs.Same(before.configs) && v.fragments.Same(before.fragments) {
		return v
	}
	return v.settled()
}

// settled is v with what its frozen fleets serve: what they have pinned, without what is of
// another class by now. One that is paused serves all of it.
func (v View) settled() View {
	newest := v.DefaultClass()
	for name, f := range v.frozen.All() {
		served := *f.view
		for _, pinned := range f.view.fragments.All() {
			if of := pinned.Origin.Object; f.pause == nil && v.moved(of.String(), name, newest) {
				served = served.put(of, nil)
			}
		}
		f.served = &served
		v.frozen = v.frozen.Set(name, f)
	}
	return v
}

// moved reports whether an object is of another class than this one now, one that is there;
// newest is the default one.
func (v View) moved(of, class, newest string) bool {
	f, ok := v.fragments.Get(of)
	switch {
	case !ok || f.Class.Names(class):
		return false
	case !f.Class.Named:
		return newest != "" && newest != class
	}
	return v.classes.Has(f.Class.Name) || f.Class.Beside != nil && v.classes.Has(*f.Class.Beside)
}

func (v View) freeze(before View, clock held.Clock) View {
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
		if class.Controller != Controller || v.frozen.Has(name) || !before.HasSettings(class) {
			continue
		}
		if f := v.pin(before, name, clock); !v.complete(name, f) {
			v.frozen, v.settings = v.frozen.Set(name, f), v.settings.Delete(name)
		}
	}
	return v
}

// pin keeps what before had for a class.
func (v View) pin(before View, class string, clock held.Clock) frozen {
	pinned := before.withHeld(class)
	pinned.frozen = pmap.Map[frozen]{}
	pinned.services, pinned.slices, pinned.secrets = v.services, v.slices, v.secrets // For takes today's
	return frozen{view: &pinned, served: &pinned, since: clock.Now}
}

// complete reports whether v has the class, of the same controller, and its settings.
func (v View) complete(name string, f frozen) bool {
	class, ok := v.classes.Get(name)
	was, _ := f.view.classes.Get(name)
	return ok && class.Controller == was.Controller && v.HasSettings(class)
}

// HasSettings reports whether the ConfigMap is there that a class names, and is right where it
// is Unusable otherwise, or others are held in its place. Without that nobody knows what its
// fleet should be.
func (v View) HasSettings(class *IngressClass) bool {
	p := class.Parameters
	if p.Kind != object.KindConfigMap {
		return true
	}
	config, ok := v.configs.Get(p.Key())
	return ok && (len(Unusable(config)) == 0 || v.settings.Has(class.Name))
}

// Unusable is what is wrong with settings of a class in what is fixed at install. The default
// of that in its place would close every connection of a fleet that runs.
func Unusable(settings *ConfigMap) (list []*policy.FieldError) {
	for _, e := range settings.Fragment().Mistakes {
		if e.Fixed {
			list = append(list, e)
		}
	}
	return list
}

// For is the View that the fleet of a class translates: v itself, or with settings that are
// held, or, while the fleet is frozen or paused, what it last saw with today's Services, slices and Secrets, at
// the time of v. isFrozen reports whether its class or settings are gone.
func (v View) For(class string) (_ View, isFrozen bool) {
	f, ok := v.frozen.Get(class)
	if !ok {
		return v.withHeld(class), false
	}
	p := *f.served
	p.services, p.slices, p.byService, p.secrets = v.services, v.slices, v.byService, v.secrets
	p.left, p.leaving, p.deletions = v.left, v.leaving, v.deletions
	p.standIn, p.problems, p.unread, p.now = v.standIn, v.problems, v.unread, v.now
	return p, !v.complete(class, f)
}

// ClassNames yields every class that v has or keeps frozen, in order.
func (v View) ClassNames() []string {
	list := make([]string, 0, v.classes.Len()+v.frozen.Len())
	for n := range v.classes.All() {
		list = append(list, n)
	}
	for n := range v.frozen.All() {
		list = append(list, n)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
