package impact

import (
	"iter"
	"strings"

	"legation.dev/held"
	"legation.dev/xds/snapshot"
)

// Closes is which connections of clients changes close.
func Closes(changes iter.Seq[Change]) (c held.Closes) {
	for one := range changes {
		if one.Drains {
			listener, _, _ := strings.Cut(one.Name, "/")
			c = c.With(listener, one.Type == snapshot.Chain)
		}
	}
	return c
}
