package inspect

import (
	"cmp"
	"maps"
	"slices"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/admin/adminv1"
)

// fewExamples is how many Ingresses of a class are named.
const fewExamples = 3

// Elsewhere are the Ingresses of classes that are not ours, by class; only those of a
// namespace, if it is not empty. Whoever looks for his Ingress finds here why it is not
// served, although nothing is wrong with it.
func Elsewhere(r translator.Result, namespace string) []*adminv1.Elsewhere {
	view, of := r.View(), map[string]*adminv1.Elsewhere{}
	defaultClass := ""
	if list := view.Defaults(); len(list) > 0 {
		defaultClass = list[0].Name
	}
	for _, o := range view.Ingresses().All() {
		class := o.Fragment().Class
		name := class.Name
		if !class.Named {
			name = defaultClass
		}
		if namespace != "" && o.Namespace != namespace || name == "" || ours(view, name) || class.Beside != nil && ours(view, *class.Beside) {
			continue
		}
		e := of[name]
		if e == nil {
			e = &adminv1.Elsewhere{Class: name}
			if c, ok := view.Class(name); ok {
				e.Controller = cmp.Or(c.Claimed, c.Controller)
			}
			of[name] = e
		}
		if e.Ingresses++; len(e.GetExamples()) < fewExamples {
			e.Examples = append(e.Examples, o.Ref().String())
		}
	}
	return slices.SortedFunc(maps.Values(of), func(a, b *adminv1.Elsewhere) int { return cmp.Compare(a.GetClass(), b.GetClass()) })
}

// ours reports whether a class is served here, or was and is frozen.
func ours(view input.View, name string) bool {
	c, ok := view.Class(name)
	return ok && c.Controller == input.Controller || view.IsFrozen(name)
}
