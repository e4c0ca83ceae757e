package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// Reduce is the Change that an object makes. It never panics: an object that
// cannot be reduced, whatever the API server let through, is a Problem, and its
// last good state stays.
func Reduce(o runtime.Object) (c input.Change) {
	var ref object.Ref
	defer func() {
		if r := recover(); r != nil { // its text could contain what the object contains
			c = input.Change{Ref: ref, Problems: []finding.Problem{finding.ObjectNotRead.Of(object.Origin{Object: ref}, "")}}
		}
	}()
	ref = refOf(o)
	reduced, ok := input.FromObject(o)
	if !ok {
		return input.Change{Ref: ref, Problems: []finding.Problem{finding.KindNotRead.Of(object.Origin{Object: ref}, "", o)}}
	}
	c = lower.Put(reduced)
	c.By = authorOf(o)
	return c
}

// refOf is the zero Ref of what is no object of ours.
func refOf(o runtime.Object) object.Ref {
	m, err := meta.Accessor(o)
	if err != nil {
		return object.Ref{}
	}
	return object.Ref{Kind: input.KindOf(o), Namespace: m.GetNamespace(), Name: m.GetName()}
}

// maxYear is the last that can be written: whoever writes an object may write these times, too.
const maxYear = 9999

// authorOf is who wrote an object last, its status and other subresources aside.
func authorOf(o runtime.Object) (a object.Author) {
	m, err := meta.Accessor(o)
	if err != nil {
		return a
	}
	for _, e := range m.GetManagedFields() {
		if e.Subresource == "" && e.Time != nil && !e.Time.Time.Before(a.Time) && e.Time.Year() <= maxYear {
			a = object.Author{Manager: input.Written(e.Manager), Time: e.Time.UTC()}
		}
	}
	return a
}

// NotServed takes the place of our controller in a class that is ours but not
// among Config.Classes: it may be the default class all the same.
const NotServed = "legation.dev/not-served-here"

// reducer is Reduce for Config.Classes and Config.Controllers. An Ingress of another class is a
// deletion; one without a class is kept, since which class is the default is
// decided by translation.
func reducer(classes, controllers []string) func(runtime.Object) input.Change {
	if len(classes) == 0 {
		return func(o runtime.Object) input.Change { return Reduce(o).Claim(controllers) }
	}
	return func(o runtime.Object) input.Change {
		c := Reduce(o).Claim(controllers)
		switch reduced := c.Object.(type) {
		case *input.Ingress:
			if class := reduced.Fragment().Class; class.Named && class.Name != "" && !slices.ContainsFunc(classes, class.Names) {
				return input.Change{Ref: c.Ref, Deleted: true, By: c.By}
			}
		case *input.IngressClass:
			if reduced.Controller == input.Controller && !slices.Contains(classes, reduced.Name) {
				other := *reduced
				other.Controller = NotServed
				c.Object = input.Seal(&other)
			}
		}
		return c
	}
}
