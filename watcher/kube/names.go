package kube

import (
	"slices"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// names counts by whom Secrets and ConfigMaps are named: by what the fragments of our
// classes refer to (spec.tls of Ingresses), by our classes (spec.parameters) and by
// their settings (default-tls-secret).
//
// A class that is deleted counts on as it last was, since its fleet is frozen,
// not emptied. What fleets are served with counts, too, whatever names it now (used).
//
// It belongs to the lock of state.
type names struct {
	classes map[string]*input.IngressClass // by name, the deleted ones too
	routes  map[object.Ref]routeNames      // lowered objects that name others
	owners  map[object.Ref][]object.Ref    // what each object names, each once
	count   map[object.Ref]int             // how many name it; never 0
}

// routeNames is what a lowered object names, if its class is ours.
type routeNames struct {
	class route.ClassName
	refs  []object.Ref
}

func newNames() names {
	return names{classes: map[string]*input.IngressClass{}, routes: map[object.Ref]routeNames{},
		owners: map[object.Ref][]object.Ref{}, count: map[object.Ref]int{}}
}

// has reports whether somebody names ref.
func (n *names) has(ref object.Ref) bool { return n.count[ref] > 0 }

// update takes a change into account. It returns what is named now and was not,
// and what is not any more.
func (n *names) update(c input.Change) (more, less []object.Ref) {
	if c.Object == nil && !c.Deleted {
		return nil, nil
	}
	t := tally{names: n, before: map[object.Ref]bool{}}
	switch c.Ref.Kind {
	case object.KindIngressClass:
		t.class(c.Object)
	case object.KindConfigMap:
		t.settings(c.Ref, c.Object)
	default:
		t.lowered(c.Ref, c.Object)
	}
	return t.difference()
}

// tally is one update of names.
type tally struct {
	*names
	before map[object.Ref]bool // whether those that the update touches were named
}

// lowered takes what an object refers to by its fragment, of whatever kind it is.
func (t tally) lowered(ref object.Ref, now input.Object) {
	var named routeNames
	if o, _ := now.(interface{ Fragment() *route.Fragment }); o != nil {
		if f := o.Fragment(); f != nil {
			named = routeNames{class: f.Class, refs: fetched(f)}
		}
	}
	if len(named.refs) == 0 {
		delete(t.routes, ref)
		t.set(ref, nil)
		return
	}
	t.routes[ref] = named
	t.claim(ref, named)
}

// fetched are the objects that a fragment names and that are fetched by name, each
// once.
func fetched(f *route.Fragment) (list []object.Ref) {
	for _, r := range f.References {
		if r.To.Kind.ByName() && !slices.Contains(list, r.To) {
			list = append(list, r.To)
		}
	}
	return list
}

// claim lets an object name others exactly if it is ours.
func (t tally) claim(ref object.Ref, named routeNames) {
	if t.ours(named) {
		t.set(ref, named.refs)
	} else {
		t.set(ref, nil)
	}
}

// ours reports whether an object may be of a class of ours: without a class it is,
// if one of ours is marked as default. What has no field for a class, as a Service,
// is of all.
func (n *names) ours(named routeNames) bool {
	if named.class.Named {
		return n.isOurs(named.class.Name) || named.class.Beside != nil && n.isOurs(*named.class.Beside)
	}
	for _, c := range n.classes {
		if c.Controller == input.Controller && (c.IsDefault() || named.class.Field == "") {
			return true
		}
	}
	return false
}

// isOurs reports whether a class is.
func (n *names) isOurs(class string) bool {
	c := n.classes[class]
	return c != nil && c.Controller == input.Controller
}

func (t tally) class(now input.Object) {
	o, _ := now.(*input.IngressClass)
	if o == nil {
		return
	}
	t.classes[o.Name] = o
	var settings []object.Ref
	if o.Controller == input.Controller && o.Parameters.Kind == object.KindConfigMap && o.Parameters.Namespace != "" {
		settings = append(settings, o.Parameters)
	}
	t.set(o.Ref(), settings)
	for ref, named := range t.routes {
		t.claim(ref, named)
	}
}

// settings lets a ConfigMap name the default certificate.
func (t tally) settings(ref object.Ref, now input.Object) {
	var named []object.Ref
	if o, _ := now.(*input.ConfigMap); o != nil {
		named = fetched(o.Fragment())
	}
	t.set(ref, named)
}

// served is the owner of what fleets are served with.
var served = object.Ref{}

// used lets fleets name what they are served with, which held settings may name, or Ingresses of
// a fleet that is paused.
func (n *names) used(refs []object.Ref) (more, less []object.Ref) {
	t := tally{names: n, before: map[object.Ref]bool{}}
	t.set(served, refs)
	return t.difference()
}

// set replaces what owner names.
func (t tally) set(owner object.Ref, named []object.Ref) {
	for _, ref := range named {
		t.add(ref, 1)
	}
	for _, ref := range t.owners[owner] {
		t.add(ref, -1)
	}
	if len(named) == 0 {
		delete(t.owners, owner)
	} else {
		t.owners[owner] = named
	}
}

func (t tally) add(ref object.Ref, n int) {
	if _, ok := t.before[ref]; !ok {
		t.before[ref] = t.has(ref)
	}
	if t.count[ref] += n; t.count[ref] == 0 {
		delete(t.count, ref)
	}
}

func (t tally) difference() (more, less []object.Ref) {
	for ref, had := range t.before {
		switch has := t.has(ref); {
		case has && !had:
			more = append(more, ref)
		case had && !has:
			less = append(less, ref)
		}
	}
	slices.SortFunc(more, object.Ref.Compare)
	slices.SortFunc(less, object.Ref.Compare)
	return more, less
}
