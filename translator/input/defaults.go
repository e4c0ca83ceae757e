package input

import (
	"cmp"
	"slices"

	"legation.dev/pmap"
)

// DefaultMark is the annotation that makes a class the default one.
const DefaultMark = "metadata.annotations." + defaultAnnotation

// Defaults are the classes that are marked as the default, whosever they are: the newest
// first, ties by name. That one has the objects that name no class, as the API server gives
// them to it. A class that is frozen counts as it last was.
func (v View) Defaults() (list []*IngressClass) {
	add := func(classes pmap.Map[*IngressClass], name string) {
		if c, ok := classes.Get(name); ok && c.IsDefault() {
			list = append(list, c)
		}
	}
	for _, name := range v.ClassNames() {
		if f, frozen := v.frozen.Get(name); frozen && !v.classes.Has(name) {
			add(f.view.classes, name)
		} else {
			add(v.classes, name)
		}
	}
	slices.SortStableFunc(list, func(a, b *IngressClass) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// DefaultClass is the class of objects that name none; empty if there is none.
func (v View) DefaultClass() string {
	if list := v.Defaults(); len(list) > 0 {
		return list[0].Name
	}
	return ""
}

// Frozen identifies what classes are frozen, and what they have.
func (v View) Frozen() pmap.Sum { return v.frozen.Digest() }

// IsFrozen reports whether the fleet of a class is frozen, and not only paused.
func (v View) IsFrozen(class string) bool {
	f, ok := v.frozen.Get(class)
	return ok && !v.complete(class, f)
}
