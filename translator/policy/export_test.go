package policy

import (
	"testing"

	"legation.dev/object"
)

// Hear lets f hear of each Ingress whose annotations are read, until the test ends.
func Hear(t *testing.T, f func(of object.Ref)) {
	heard = f
	t.Cleanup(func() { heard = nil })
}
