package worlds

import (
	"testing"

	"legation.dev/translator/input"
)

// TestTraced: settings of traces are drawn where they are asked for, each of them, and nothing
// else of a World depends on that.
func TestTraced(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(40) {
		size := Size{Services: 4, Endpoints: 2, Ingresses: 5, TLS: 0.5}
		plain := New(seed, size)
		size.Traced = true
		traced := New(seed, size)
		for range 50 {
			a, b := plain.Random(), traced.Random()
			if o, ok := b.Object.(*input.ConfigMap); ok {
				for _, s := range tracing {
					if _, ok := o.Data[s.name]; ok {
						seen[s.name]++
						delete(o.Data, s.name)
					}
				}
				b.Object = input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: o.Namespace, Name: o.Name}, Data: o.Data})
			}
			if a.Ref != b.Ref || a.Deleted != b.Deleted || a.Object != nil && a.Object.Sum() != b.Object.Sum() {
				t.Fatalf("world %d: %+v beside %+v", seed, a, b)
			}
		}
	}
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
	for seed := range uint64(10) {
		size := Size{Services: 4, Endpoints: 2, Ingresses: 5, TLS: 0.5}
		plain := New(seed, size)
		size.Copied = true
		copied := New(seed, size)
		for range 50 {
			a, b := plain.Random(), copied.Random()
			if o, ok := b.Object.(*input.Ingress); ok && o.Annotations["nginx.ingress.kubernetes.io/mirror-target"] != "" {
				seen++
				delete(o.Annotations, "nginx.ingress.kubernetes.io/mirror-target")
				b.Object = input.Seal(o)
			}
			_, settings := b.Object.(*input.ConfigMap)
			if a.Ref != b.Ref || a.Deleted != b.Deleted || a.Object != nil && !settings && a.Object.Sum() != b.Object.Sum() {
				t.Fatalf("world %d: %+v beside %+v", seed, a, b)
			}
		}
	}
	if seen == 0 {
		t.Error("none is drawn")
	}
}
