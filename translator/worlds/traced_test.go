package worlds

import (
	"testing"

	"legation.dev/translator/input"
)

// beside compares what Worlds draw that are asked for more with what they draw otherwise, once
// without has taken it away. What it says false of is not compared.
func beside(t *testing.T, seeds uint64, more func(*Size), without func(*input.Change) bool) {
	t.Helper()
	for seed := range seeds {
		size := Size{Services: 4, Endpoints: 2, Ingresses: 5, TLS: 0.5}
		plain := New(seed, size)
		more(&size)
		with := New(seed, size)
		for range 50 {
			a, b := plain.Random(), with.Random()
			compared := without(&b)
			if a.Ref != b.Ref || a.Deleted != b.Deleted || a.Object != nil && compared && a.Object.Sum() != b.Object.Sum() {
				t.Fatalf("world %d: %+v beside %+v", seed, a, b)
			}
		}
	}
}

// TestTraced: settings of traces are drawn where they are asked for, each of them, and nothing
// else of a World depends on that.
func TestTraced(t *testing.T) {
	seen := map[string]int{}
	beside(t, 40, func(s *Size) { s.Traced = true }, func(c *input.Change) bool {
		if o, ok := c.Object.(*input.ConfigMap); ok {
			for _, s := range tracing {
				if _, ok := o.Data[s.name]; ok {
					seen[s.name]++
					delete(o.Data, s.name)
				}
			}
			c.Object = input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: o.Namespace, Name: o.Name}, Data: o.Data})
		}
		return true
	})
	for _, s := range tracing {
		if seen[s.name] == 0 {
			t.Errorf("%s is never drawn", s.name)
		}
	}
	t.Log(seen)
}

// TestCopied: copies of requests are drawn where they are asked for, and no other object of a
// World depends on that.
func TestCopied(t *testing.T) {
	seen := 0
	beside(t, 10, func(s *Size) { s.Copied = true }, func(c *input.Change) bool {
		if o, ok := c.Object.(*input.Ingress); ok && o.Annotations["nginx.ingress.kubernetes.io/mirror-target"] != "" {
			seen++
			delete(o.Annotations, "nginx.ingress.kubernetes.io/mirror-target")
			c.Object = input.Seal(o)
		}
		_, settings := c.Object.(*input.ConfigMap)
		return !settings
	})
	if seen == 0 {
		t.Error("none is drawn")
	}
}
