package input

import (
	"testing"

	"legation.dev/object"
)

// TestKinds: each kind that is read from an API server can be decoded from a file,
// is reduced, and has a place in a View; and no other.
func TestKinds(t *testing.T) {
	for _, r := range object.Kinds {
		empty, ok := kinds[r.Kind]
		if !ok {
			t.Errorf("%s cannot be decoded", r.Kind)
			continue
		}
		if got := KindOf(empty()); got != r.Kind {
			t.Errorf("an empty %s is of kind %q", r.Kind, got)
		}
		if o, ok := FromObject(empty()); !ok || o.Ref().Kind != r.Kind {
			t.Errorf("%s is reduced to %v", r.Kind, o)
		}
		if (View{}).of(r.Kind) == nil {
			t.Errorf("a View has no place for %s", r.Kind)
		}
	}
	for kind := range kinds {
		if _, ok := kind.Reading(); !ok {
			t.Errorf("%s is decoded, and nothing says how it is read", kind)
		}
	}
}
