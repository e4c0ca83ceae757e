package worlds

import (
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// Carry is the Change that sets an object which has a fragment of our own making.
func Carry(f *route.Fragment) input.Change {
	ref := f.Origin.Object
	o := input.Seal(&input.Ingress{Meta: input.Meta{Namespace: ref.Namespace, Name: ref.Name, Annotations: map[string]string{"sum": f.Sum().String()}}})
	input.Lowered(o, f)
	return input.Change{Ref: ref, Object: o}
}
