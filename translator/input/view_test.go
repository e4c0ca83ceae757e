package input_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/route"
)

// randomChange draws a change of few objects, so that they meet.
func randomChange(t *rapid.T) input.Change {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	host := rapid.SampledFrom([]string{"", "x.test", "*.test"}).Draw(t, "host")
	service := rapid.SampledFrom([]string{"s", "t"}).Draw(t, "service")
	meta := input.Meta{Namespace: "n", Name: name}
	objects := []input.Object{
		input.Seal(&input.Ingress{Meta: meta, Rules: []input.Rule{{Host: host, Paths: []input.Path{{Path: "/", Backend: input.Backend{Service: service, Port: 80}}}}}, TLS: []input.TLS{{Hosts: []string{host}, Secret: service}}}),
		input.Seal(&input.Ingress{Meta: meta, DefaultBackend: &input.Backend{Service: service, Port: 80}}),
		input.Seal(&input.Service{Meta: meta, ExternalName: host}),
		input.Seal(&input.Slice{Meta: meta, Service: service}),
		input.Seal(&input.Secret{Meta: meta, Key: []byte(service)}),
		input.Seal(&input.ConfigMap{Meta: meta, Data: map[string]string{"k": service}}),
		input.Seal(&input.IngressClass{Meta: input.Meta{Name: name}, Controller: input.Controller, Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "n", Name: name}}),
	}
	o := rapid.SampledFrom(objects).Draw(t, "object")
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		return input.Delete(o.Ref())
	case 1:
		return input.Change{Ref: o.Ref(), Problems: []finding.Problem{{Object: o.Ref(), Message: host}}}
	}
	return lower.Put(o)
}

// TestViewIndexes: each index says what looking through all objects says.
func TestViewIndexes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v input.View
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			v = v.With(randomChange(t))
		}
		for _, host := range []string{"", "x.test", "*.test"} {
			want := all(v, func(f *route.Fragment) bool { return f.Host(cmp.Or(host, route.Any)) != nil })
			compare(t, "host "+host, slices.Collect(v.OfHost(cmp.Or(host, route.Any))), want)
		}
		want := all(v, func(f *route.Fragment) bool { return f.CatchAll != nil })
		compare(t, "catch-all", slices.Collect(v.CatchingAll()), want)
		for _, service := range []string{"s", "t"} {
			for _, kind := range []object.Kind{object.KindSecret, object.KindService} {
				ref := object.Ref{Kind: kind, Namespace: "n", Name: service}
				want := all(v, func(f *route.Fragment) bool {
					return slices.ContainsFunc(f.References, func(r route.Reference) bool { return r.To == ref })
				})
				compare(t, ref.String(), slices.Collect(v.Naming(ref)), want)
			}
			var slicesOf []*input.Slice
			for _, s := range v.Slices().All() {
				if s.Service == service {
					slicesOf = append(slicesOf, s)
				}
			}
			if got := slices.Collect(v.SlicesOf("n/" + service)); !slices.Equal(got, slicesOf) {
				t.Fatalf("slices of %s: got %v, want %v", service, got, slicesOf)
			}
		}
	})
}

func all(v input.View, ok func(*route.Fragment) bool) (list []*route.Fragment) {
	for _, f := range v.Fragments().All() {
		if ok(f) {
			list = append(list, f)
		}
	}
	return list
}

func compare(t *rapid.T, what string, got, want []*route.Fragment) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// TestViewOrder: the last state of each object decides over the digest, not the
// way there; and an earlier View is not touched.
func TestViewOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(randomChange), 1, 20).Draw(t, "changes")
		var v input.View
		var before []input.View
		var digests []pmap.Sum
		last := map[object.Ref]input.Change{}
		for _, c := range list {
			before, digests = append(before, v), append(digests, v.Digest())
			v = v.With(c)
			if known := last[c.Ref]; c.Object == nil && !c.Deleted { // its last good state stays
				c.Object, c.Deleted = known.Object, known.Deleted || known.Object == nil
			}
			last[c.Ref] = c
		}
		var again input.View
		for _, ref := range rapid.Permutation(slices.Collect(refs(last))).Draw(t, "order") {
			again = again.With(last[ref])
		}
		if v.Digest() != again.Digest() {
			t.Fatalf("the same objects in another order have another digest")
		}
		for i := range before {
			if before[i].Digest() != digests[i] {
				t.Fatalf("change %d touched an earlier View", i)
			}
		}
	})
}

func refs(m map[object.Ref]input.Change) func(func(object.Ref) bool) {
	return func(yield func(object.Ref) bool) {
		var list []object.Ref
		for r := range m {
			list = append(list, r)
		}
		slices.SortFunc(list, func(a, b object.Ref) int {
			return slices.Compare([]string{string(a.Kind), a.Namespace, a.Name}, []string{string(b.Kind), b.Namespace, b.Name})
		})
		for _, r := range list {
			if !yield(r) {
				return
			}
		}
	}
}

// TestFreeze: a class, or the settings that it had, is gone: Ingresses stay,
// Services live on; when it is back, all is as it says.
func TestFreeze(t *testing.T) {
	class := input.Seal(&input.IngressClass{Meta: input.Meta{Name: "edge"}, Controller: input.Controller, Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "n", Name: "settings"}})
	settings := input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: "n", Name: "settings"}, Data: map[string]string{"k": "v"}})
	ingress := input.Seal(&input.Ingress{Meta: input.Meta{Namespace: "n", Name: "a"}})
	service := func(port int32) input.Object {
		return input.Seal(&input.Service{Meta: input.Meta{Namespace: "n", Name: "s"}, Ports: []input.ServicePort{{Port: port}}})
	}
	for _, gone := range []object.Ref{class.Ref(), settings.Ref()} {
		first := input.View{}.With(lower.Put(class), lower.Put(settings), lower.Put(ingress), lower.Put(service(1)))
		v := first.With(input.Delete(gone), input.Delete(ingress.Ref()), lower.Put(service(2))).Freeze(first, held.Clock{})
		now, frozen := v.For("edge")
		if !frozen || !slices.Equal(v.ClassNames(), []string{"edge"}) {
			t.Fatalf("%v is gone, and the fleet is not frozen", gone)
		}
		s, _ := now.Service("n/s")
		_, hasIngress := now.Ingress("n/a")
		_, hasSettings := now.ConfigMap("n/settings")
		if s.Ports[0].Port != 2 || !hasIngress || !hasSettings {
			t.Errorf("%v is gone: port %d, Ingress %v, settings %v", gone, s.Ports[0].Port, hasIngress, hasSettings)
		}
		back := v.With(lower.Put(class), lower.Put(settings)).Freeze(v, held.Clock{})
		if now, frozen := back.For("edge"); frozen || now.Ingresses().Len() != 0 {
			t.Errorf("%v is back: frozen %v", gone, frozen)
		}
	}
}

// TestNamesInOutage: a name stays with its namespace for its whole time after an outage, as all
// that is held.
func TestNamesInOutage(t *testing.T) {
	ingress := input.Seal(&input.Ingress{Meta: input.Meta{Namespace: "n", Name: "a"}, Rules: []input.Rule{{Host: "a.example.com"}}})
	at := func(now, fresh time.Duration) held.Clock {
		begin := time.Unix(1_700_000_000, 0)
		return held.Clock{Now: begin.Add(now), Fresh: begin.Add(fresh)}
	}
	v := input.View{}.With(lower.Put(ingress))
	v = v.With(input.Delete(ingress.Ref())).Keep(v, at(0, -time.Hour))
	for _, c := range []struct {
		now, fresh time.Duration
		kept       int
	}{{30 * time.Second, 0, 1}, {2 * time.Minute, 2 * time.Minute, 1}, {3*time.Minute - 1, 2 * time.Minute, 1}, {3 * time.Minute, 2 * time.Minute, 0}} {
		if v = v.Keep(v, at(c.now, c.fresh)); v.Kept().Len() != c.kept {
			t.Errorf("after %s, fresh since %s: %d names are kept, want %d", c.now, c.fresh, v.Kept().Len(), c.kept)
		}
	}
}

// TestSecretsDoNotPrint: no verb shows a key.
func TestSecretsDoNotPrint(t *testing.T) {
	s := input.Seal(&input.Secret{Meta: input.Meta{Namespace: "n", Name: "a"}, Key: []byte("KEY")})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "Secret n/a" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}
