// Package lower turns objects into fragments of the route model, each once, when a
// source reads it. A package for each kind does it; this one chooses.
//
// Start reading at Object.
package lower

import (
	"legation.dev/translator/input"
	"legation.dev/translator/lower/ingress"
	"legation.dev/translator/lower/secret"
	"legation.dev/translator/lower/service"
	"legation.dev/translator/lower/settings"
)

// Object lowers an object that is sealed, and returns it. Kinds that say nothing of
// routes or settings are left as they are.
func Object(o input.Object) input.Object {
	switch o := o.(type) {
	case *input.Ingress:
		input.Lowered(o, ingress.Lower(o))
	case *input.Service:
		input.Lowered(o, service.Lower(o))
	case *input.ConfigMap:
		input.Lowered(o, settings.Lower(o))
	case *input.Secret:
		input.Trusted(o, secret.Lower(o))
	}
	return o
}

// Put is the Change that sets o.
func Put(o input.Object) input.Change { return input.Change{Ref: o.Ref(), Object: Object(o)} }

// Manifests reads the documents of a file, see input.DecodeManifests.
func Manifests(file string, data []byte) []input.Change {
	list := input.DecodeManifests(file, data)
	for i := range list {
		if o := list[i].Object; o != nil {
			list[i].Object = Object(o)
		}
	}
	return list
}
