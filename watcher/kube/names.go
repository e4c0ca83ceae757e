package kube

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

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
	tls     map[input.Ref]tlsNames         // Ingresses that name Secrets
	owners  map[input.Ref][]input.Ref      // what each object names, each once
	count   map[input.Ref]int              // how many name it; never 0
}

// tlsNames is what an Ingress names, if its class is ours.
type tlsNames struct {
	class    string
	hasClass bool
	secrets  []input.Ref
}

func newNames() names {
	return names{classes: map[string]*input.IngressClass{}, tls: map[input.Ref]tlsNames{},
		owners: map[input.Ref][]input.Ref{}, count: map[input.Ref]int{}}
}

// has says whether somebody names ref.
func (n *names) has(ref input.Ref) bool { return n.count[ref] > 0 }

// update takes a change into account. It returns what is named now and was not,
// and what is not any more.
func (n *names) update(c input.Change) (more, less []input.Ref) {
	if c.Object == nil && !c.Deleted {
		return nil, nil
	}
	t := tally{names: n, before: map[input.Ref]bool{}}
	switch c.Ref.Kind {
	case input.KindIngress:
		t.ingress(c.Ref, c.Object)
	case input.KindIngressClass:
		t.class(c.Object)
	case input.KindConfigMap:
		t.settings(c.Ref, c.Object)
	}
	return t.difference()
}

// tally is one update of names.
type tally struct {
	*names
	before map[input.Ref]bool // whether those that the update touches were named
}

func (t tally) ingress(ref input.Ref, object input.Object) {
	o, _ := object.(*input.Ingress)
	if o == nil || len(o.TLS) == 0 {
		delete(t.tls, ref)
		t.set(ref, nil)
		return
	}
	name, ok := className(o)
	named := tlsNames{class: name, hasClass: ok}
	for _, s := range o.TLS {
		secret := input.Ref{Kind: input.KindSecret, Namespace: o.Namespace, Name: s.Secret}
		if s.Secret != "" && !slices.Contains(named.secrets, secret) {
			named.secrets = append(named.secrets, secret)
		}
	}
	t.tls[ref] = named
	t.claim(ref, named)
}

// claim lets an Ingress name its Secrets exactly if it is ours.
func (t tally) claim(ref input.Ref, named tlsNames) {
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

func (t tally) class(object input.Object) {
	o, _ := object.(*input.IngressClass)
	if o == nil {
		return
	}
	t.classes[o.Name] = o
	var settings []input.Ref
	if o.Controller == input.Controller && o.Parameters.Kind == input.KindConfigMap && o.Parameters.Namespace != "" {
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
func (t tally) settings(ref input.Ref, object input.Object) {
	o, _ := object.(*input.ConfigMap)
	if o == nil {
		if !t.has(ref) {
			t.set(ref, nil)
		}
		return
	}
	var secrets []input.Ref
	overrides, mistakes := policy.OfClass(o)
	if len(mistakes) > 0 {
		secrets = slices.Clone(t.owners[ref])
	}
	if namespace, name, ok := strings.Cut(policy.Defaults().With(overrides).DefaultTLSSecret, "/"); ok {
		if secret := (input.Ref{Kind: input.KindSecret, Namespace: namespace, Name: name}); !slices.Contains(secrets, secret) {
			secrets = append(secrets, secret)
		}
	}
	t.set(ref, secrets)
}

// set replaces what owner names.
func (t tally) set(owner input.Ref, named []input.Ref) {
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

func (t tally) add(ref input.Ref, n int) {
	if _, ok := t.before[ref]; !ok {
		t.before[ref] = t.has(ref)
	}
	if t.count[ref] += n; t.count[ref] == 0 {
		delete(t.count, ref)
	}
}

func (t tally) difference() (more, less []input.Ref) {
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

func compareRefs(a, b input.Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
