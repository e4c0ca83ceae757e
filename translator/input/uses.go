package input

import (
	"maps"
	"slices"

	"legation.dev/object"
	"legation.dev/translator/route"
)

// Uses are the objects that settings in force name and objects that are frozen, in order, each
// once: fleets are served with them, whatever the newest objects name. Who reads objects by
// name follows them, too, so that a certificate is renewed while settings are held or a fleet is
// paused.
func (v View) Uses() []object.Ref {
	used := map[object.Ref]bool{}
	for _, name := range v.ClassNames() {
		if s, ok := v.inForce(name); ok && s.Config != nil {
			addNamed(used, s.Config.Fragment())
		}
		if f, ok := v.frozen.Get(name); ok {
			is, _ := v.facts(name)
			for _, pinned := range f.served.fragments.All() {
				if is.Has(pinned.Class) {
					addNamed(used, pinned)
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(used), object.Ref.Compare)
}

func addNamed(set map[object.Ref]bool, f *route.Fragment) {
	for _, r := range f.References {
		if r.To.Kind.ByName() {
			set[r.To] = true
		}
	}
}

// SameUses reports whether v and o use the same objects, because nothing was changed between
// them that says so. It compares pointers.
func (v View) SameUses(o View) bool {
	return v.classes.Same(o.classes) && v.configs.Same(o.configs) && v.settings.Same(o.settings) && v.frozen.Same(o.frozen)
}
