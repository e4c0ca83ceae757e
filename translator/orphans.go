package translator

import (
	"slices"
	"strings"

	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// orphans are Ingresses that are not served, or not as they are now, because of their class.
type orphans struct {
	found   pmap.Map[finding.List] // by object
	classes pmap.Map[*input.IngressClass]
	frozen  pmap.Sum
	unset   string // the classes of ours without settings
}

// findOrphans looks at the objects that changed, and at all of them if the classes
// did.
func findOrphans(prev orphans, before, v input.View) orphans {
	next := orphans{found: prev.found, classes: v.Classes(), frozen: v.Frozen(), unset: strings.Join(unsetClasses(v), " ")}
	fragments := before.Fragments()
	if prev.classes.Digest() != v.Classes().Digest() || prev.frozen != next.frozen || prev.unset != next.unset {
		next.found, fragments = pmap.Map[finding.List]{}, pmap.Map[*route.Fragment]{}
	}
	look := searcher{v, v.Defaults()}
	for c := range pmap.Diff(fragments, v.Fragments()) {
		var found []finding.Finding
		if c.HasNew {
			found = look.orphan(c.New)
		}
		next.found = finding.Record(next.found, c.Key, found)
	}
	return next
}

// unsetClasses are the classes of ours that have no fleet, since their settings are not there, or not usable.
func unsetClasses(v input.View) (names []string) {
	for name, c := range v.Classes().All() {
		if c.Controller == input.Controller && !v.IsFrozen(name) && !v.HasSettings(c) {
			names = append(names, name)
		}
	}
	return names
}

// searcher looks for orphans.
type searcher struct {
	v        input.View
	defaults []*input.IngressClass
}

// orphan says why an object is not served. One of another controller's class is
// none of our business.
func (s searcher) orphan(f *route.Fragment) []finding.Finding {
	if found, frozen := s.frozen(f); frozen {
		return found
	}
	for _, name := range unsetClasses(s.v) {
		if f.Class.Names(name) || !f.Class.Named && len(s.defaults) > 0 && s.defaults[0].Name == name {
			return []finding.Finding{finding.ClassUnset.At(f.At(f.Class.Field), f.Class.Name, name)}
		}
	}
	if !f.Class.Named {
		return s.classless(f)
	}
	field := f.Class.Beside // what is in the field if there is an annotation, too
	if f.Class.Field == input.ClassField {
		field = &f.Class.Name
	}
	switch {
	case s.known(f.Class.Name) || field != nil && s.known(*field):
		return nil // if both are named, their classes tell
	case field != nil:
		return []finding.Finding{finding.NoClass.At(f.At(input.ClassField), *field)}
	case f.Class.Name == "":
		return []finding.Finding{finding.EmptyClass.At(f.At(f.Class.Field), "")}
	}
	return nil // a word that may be another controller's
}

func (s searcher) known(class string) bool {
	_, ok := s.v.Class(class)
	return ok
}

// classless looks at an object without a class, which is of the newest default class. That
// this is another controller's is our business if it takes the object from a class of ours.
func (s searcher) classless(f *route.Fragment) []finding.Finding {
	at := f.At(input.ClassField)
	if len(s.defaults) == 0 {
		return []finding.Finding{finding.NoDefaultClass.At(at, "")}
	}
	newest, older := s.defaults[0], s.defaults[1:]
	i := slices.IndexFunc(older, func(c *input.IngressClass) bool { return c.Controller == input.Controller })
	if i < 0 {
		return nil
	}
	return []finding.Finding{finding.DefaultElsewhere.At(at, "", newest.Name, older[i].Name)}
}

// frozen looks at an object whose class is frozen; false if none is that has it.
func (s searcher) frozen(f *route.Fragment) (found []finding.Finding, ok bool) {
	for _, name := range s.v.ClassNames() {
		if !s.v.IsFrozen(name) {
			continue
		}
		kept, _ := s.v.For(name)
		as, there := kept.Fragments().Get(f.Origin.Object.String())
		there = there && (as.Class.Names(name) || !as.Class.Named && kept.DefaultClass() == name)
		switch {
		case there && as.Sum() != f.Sum():
			return []finding.Finding{finding.FrozenChange.At(f.At(f.Class.Field), f.Class.Name, name)}, true
		case there && !s.known(name):
			return []finding.Finding{finding.ClassGone.At(f.At(f.Class.Field), f.Class.Name, name)}, true
		case there:
			return nil, true
		case f.Class.Names(name) || !f.Class.Named && len(s.defaults) > 0 && s.defaults[0].Name == name:
			return []finding.Finding{finding.FrozenOut.At(f.At(f.Class.Field), f.Class.Name, name)}, true
		}
	}
	return nil, false
}
