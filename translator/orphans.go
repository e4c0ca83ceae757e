package translator

import (
	"legation.dev/pmap"
	"legation.dev/translator/input"
)

// orphans are Ingresses that nobody serves because their class is nobody's.
type orphans struct {
	found   pmap.Map[findings] // by namespace/name
	classes pmap.Map[*input.IngressClass]
}

// findOrphans looks at the Ingresses that changed, and at all of them if the
// classes did.
func findOrphans(prev orphans, before, v input.View) orphans {
	next := orphans{found: prev.found, classes: v.Classes()}
	ingresses := before.Ingresses()
	if prev.classes.Digest() != v.Classes().Digest() {
		next.found, ingresses = pmap.Map[findings]{}, pmap.Map[*input.Ingress]{}
	}
	for c := range pmap.Diff(ingresses, v.Ingresses()) {
		var found []finding
		if c.HasNew {
			found = orphan(v, c.New)
		}
		next.found = record(next.found, c.Key, found)
	}
	return next
}

// orphan says why nobody serves an Ingress. One of another controller's class is
// none of our business.
func orphan(v input.View, o *input.Ingress) []finding {
	name, field, ok := className(o)
	switch {
	case !ok && defaultClass(v) == "":
		return []finding{aboutIngress(o, "spec.ingressClassName", "", "there is no default class; the Ingress is not served")}
	case !ok:
		return nil
	case field != "spec.ingressClassName": // a word that may be another controller's
		return nil
	}
	if _, known := v.Class(name); !known {
		return []finding{aboutIngress(o, field, name, "there is no such IngressClass; the Ingress is not served, or not anew")}
	}
	return nil
}
