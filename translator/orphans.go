package translator

import (
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// orphans are Ingresses that are not served because no controller has their class.
type orphans struct {
	found   pmap.Map[finding.List] // by object
	classes pmap.Map[*input.IngressClass]
}

// findOrphans looks at the objects that changed, and at all of them if the classes
// did.
func findOrphans(prev orphans, before, v input.View) orphans {
	next := orphans{found: prev.found, classes: v.Classes()}
	fragments := before.Fragments()
	if prev.classes.Digest() != v.Classes().Digest() {
		next.found, fragments = pmap.Map[finding.List]{}, pmap.Map[*route.Fragment]{}
	}
	for c := range pmap.Diff(fragments, v.Fragments()) {
		var found []finding.Finding
		if c.HasNew {
			found = orphan(v, c.New)
		}
		next.found = finding.Record(next.found, c.Key, found)
	}
	return next
}

// orphan says why an object is not served. One of another controller's class is
// none of our business.
func orphan(v input.View, f *route.Fragment) []finding.Finding {
	switch at := f.At(f.Class.Field); {
	case !f.Class.Named && v.DefaultClass() == "":
		return []finding.Finding{finding.NoDefaultClass.At(f.At("spec.ingressClassName"), "")}
	case !f.Class.Named:
		return nil
	case f.Class.Field != "spec.ingressClassName": // a word that may be another controller's
		return nil
	default:
		if _, known := v.Class(f.Class.Name); !known {
			return []finding.Finding{finding.NoClass.At(at, f.Class.Name)}
		}
	}
	return nil
}
