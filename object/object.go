// Package object names Kubernetes objects: what an Envoy resource came from, what
// a Problem is about, what one object refers to. Both sides of the translation
// import it, so that an identity is never printed on one side and parsed on the
// other.
package object

import (
	"cmp"
	"strings"
)

// Kind is the kind of an object that a source reads.
type Kind string

// The kinds. File is a file of manifests as a whole: it carries the
// Problems of what could not be read as an object. Namespace carries those of what may not
// be read there; it is not read itself.
const (
	KindIngress      Kind = "Ingress"
	KindIngressClass Kind = "IngressClass"
	KindService      Kind = "Service"
	KindSlice        Kind = "EndpointSlice"
	KindSecret       Kind = "Secret"
	KindConfigMap    Kind = "ConfigMap"
	KindFile         Kind = "File"
	KindNamespace    Kind = "Namespace"
)

// Ref identifies an object. Namespace is empty for what has none.
type Ref struct {
	Kind            Kind
	Namespace, Name string
}

// String is how people write it: "Ingress shop/checkout".
func (r Ref) String() string {
	var b strings.Builder
	b.Grow(len(r.Kind) + len(r.Namespace) + len(r.Name) + len(" /"))
	r.Write(&b)
	return b.String()
}

// Write adds what String is.
func (r Ref) Write(to *strings.Builder) {
	to.WriteString(string(r.Kind))
	to.WriteByte(' ')
	if r.Namespace != "" {
		to.WriteString(r.Namespace)
		to.WriteByte('/')
	}
	to.WriteString(r.Name)
}

// Parse reads what String printed; false if it is no such text.
func Parse(text string) (Ref, bool) {
	kind, key, ok := strings.Cut(text, " ")
	namespace, name, namespaced := strings.Cut(key, "/")
	if !namespaced || Kind(kind) == KindFile { // whose name is a path
		namespace, name = "", key
	}
	return Ref{Kind: Kind(kind), Namespace: namespace, Name: name}, ok && kind != "" && name != ""
}

// Texts prints each of a list.
func Texts(list []Ref) []string {
	if list == nil {
		return nil
	}
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.String()
	}
	return texts
}

// Key is "namespace/name", the key of the object among those of its kind.
func (r Ref) Key() string { return r.Namespace + "/" + r.Name }

// KeyOrNone is Key, or empty for the zero Ref.
func (r Ref) KeyOrNone() string {
	if r == (Ref{}) {
		return ""
	}
	return r.Key()
}

// Compare orders by kind, namespace and name.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(cmp.Compare(r.Kind, o.Kind), cmp.Compare(r.Namespace, o.Namespace), cmp.Compare(r.Name, o.Name))
}

// Places says where in a file the fields of an object stand: "shop/ingress.yaml:12".
type Places interface {
	// Place is that of a field, or of the nearest one above it that is there.
	Place(field string) string
}

// Origin is a field of an object, and where that was read.
type Origin struct {
	Object Ref
	// File is where it was read, if the line is not known; empty if it came from an
	// API server.
	File string
	// Places are those of its fields; nil if they are not known.
	Places Places
	// Field is the path of the field: `spec.rules[0].http.paths[1].path`.
	Field string
}

// Place is where the field is: file and line, as far as they are known.
func (o Origin) Place() string {
	if o.Places == nil {
		return o.File
	}
	return o.Places.Place(o.Field)
}

// In is o with a field below o.Field.
func (o Origin) In(field string) Origin {
	if o.Field != "" {
		field = o.Field + "." + field
	}
	o.Field = field
	return o
}
