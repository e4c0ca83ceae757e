package worlds

import (
	"slices"
	"testing"

	"legation.dev/translator/input"
	"legation.dev/translator/lower/nginx/snippet"
)

// TestLines: each line of a snippet is understood where it is drawn, but those that must not be.
func TestLines(t *testing.T) {
	for _, text := range slices.Concat(ifs, changes, addresses, returns, moves, lasts, rewrites) {
		if m, err := snippet.Location(text); err != nil || m == nil && text != "etag off;" {
			t.Errorf("%s: %+v, %v", text, m, err)
		}
	}
	for _, text := range slices.Concat(ifs, changes, addresses, returns, moves, lasts, places) {
		if m, places, err := snippet.Server(text); err != nil || m == nil && len(places) == 0 && text != "etag off;" {
			t.Errorf("%s: %+v, %+v, %v", text, m, places, err)
		}
	}
	for _, text := range unread {
		if m, err := snippet.Location(text); err == nil {
			t.Errorf("%s: %+v", text, m)
		}
	}
}

// TestSnipped: snippets are drawn where they are asked for, and no other object of a World
// depends on that.
func TestSnipped(t *testing.T) {
	seen := map[string]int{}
	beside(t, 10, func(s *Size) { s.Snippets = true }, func(c *input.Change) bool {
		switch o := c.Object.(type) {
		case *input.Ingress:
			for _, name := range []string{locationSnippet, serverSnippet} {
				if o.Annotations[name] != "" {
					seen[name]++
					delete(o.Annotations, name)
				}
			}
			c.Object = input.Seal(o)
		case *input.ConfigMap:
			if o.Data["compatibility"] != "" {
				seen["compatibility"]++
				delete(o.Data, "compatibility")
			}
			c.Object = input.Seal(o)
		}
		return true
	})
	for _, name := range []string{locationSnippet, serverSnippet, "compatibility"} {
		if seen[name] == 0 {
			t.Errorf("%s is never drawn", name)
		}
	}
}
