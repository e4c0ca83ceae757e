package kube

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

// names counts by whom Secrets and ConfigMaps are named: by Ingresses of our
// classes (spec.tls), by our classes (spec.parameters) and by their settings
// (default-tls-secret).
//
// A class that is deleted counts on as it last was, since its fleet is frozen,
// not emptied.
//
// It belongs to the lock of state.
type names struct {
	classes map[string]*input.IngressClass // by name, the deleted ones too
	tls     map[object.Ref]tlsNames        // Ingresses that name Secrets
	owners  map[object.Ref][]object.Ref    // what each object names, each once
	count   map[object.Ref]int             // how many name it; never 0
}

// tlsNames is what an Ingress names, if its class is ours.
type tlsNames struct {
	class    string
	hasClass bool
	secrets  []object.Ref
}

func newNames() names {
	return names{classes: map[string]*input.IngressClass{}, tls: map[object.Ref]tlsNames{},
		owners: map[object.Ref][]object.Ref{}, count: map[object.Ref]int{}}
}

// has says whether somebody names ref.
func (n *names) has(ref object.Ref) bool { return n.count[ref] > 0 }

// update takes a change into account. It returns what is named now and was not,
// and what is not any more.
func (n *names) update(c input.Change) (more, less []object.Ref) {
	if c.Object == nil && !c.Deleted {
		return nil, nil
	}
	t := tally{names: n, before: map[object.Ref]bool{}}
	switch c.Ref.Kind {
	case object.KindIngress:
		t.ingress(c.Ref, c.Object)
	case object.KindIngressClass:
		t.class(c.Object)
	case object.KindConfigMap:
		t.settings(c.Ref, c.Object)
	}
	return t.difference()
}

// tally is one update of names.
type tally struct {
	*names
	before map[object.Ref]bool // whether those that the update touches were named
}

func (t tally) ingress(ref object.Ref, now input.Object) {
	o, _ := now.(*input.Ingress)
	if o == nil || len(o.TLS) == 0 {
		delete(t.tls, ref)
		t.set(ref, nil)
		return
	}
	name, ok := className(o)
	named := tlsNames{class: name, hasClass: ok}
	for _, s := range o.TLS {
		secret := object.Ref{Kind: object.KindSecret, Namespace: o.Namespace, Name: s.Secret}
		if s.Secret != "" && !slices.Contains(named.secrets, secret) {
			named.secrets = append(named.secrets, secret)
		}
	}
	t.tls[ref] = named
	t.claim(ref, named)
}

// claim lets an Ingress name its Secrets exactly if it is ours.
func (t tally) claim(ref object.Ref, named tlsNames) {
	if t.ours(named) {
		t.set(ref, named.secrets)
	} else {
		t.set(ref, nil)
	}
}

// ours says whether an Ingress may be of a class of ours: without a class it is,
// if one of ours is marked as default.
func (n *names) ours(named tlsNames) bool {
	if named.hasClass {
		c := n.classes[named.class]
		return c != nil && c.Controller == input.Controller
	}
	for _, c := range n.classes {
		if c.Controller == input.Controller && c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
			return true
		}
	}
	return false
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
	for ref, named := range t.tls {
		t.claim(ref, named)
	}
}

// settings lets a ConfigMap name the default certificate. One that is gone, or
// has mistakes, names what it named before, too: the settings that are in force
// may be those.
func (t tally) settings(ref object.Ref, now input.Object) {
	o, _ := now.(*input.ConfigMap)
	if o == nil {
		if !t.has(ref) {
			t.set(ref, nil)
		}
		return
	}
	var secrets []object.Ref
	overrides, mistakes := policy.OfClass(ref, o.Data)
	if len(mistakes) > 0 {
		secrets = slices.Clone(t.owners[ref])
	}
	if namespace, name, ok := strings.Cut(policy.Defaults().With(overrides).DefaultTLSSecret, "/"); ok {
		if secret := (object.Ref{Kind: object.KindSecret, Namespace: namespace, Name: name}); !slices.Contains(secrets, secret) {
			secrets = append(secrets, secret)
		}
	}
	t.set(ref, secrets)
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
	slices.SortFunc(more, compareRefs)
	slices.SortFunc(less, compareRefs)
	return more, less
}

func compareRefs(a, b object.Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
