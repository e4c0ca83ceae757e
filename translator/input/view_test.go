package input

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"legation.dev/object"
	"legation.dev/pmap"
)

// randomChange draws a change of few objects, so that they meet.
func randomChange(t *rapid.T) Change {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	host := rapid.SampledFrom([]string{"", "x.test", "*.test"}).Draw(t, "host")
	service := rapid.SampledFrom([]string{"s", "t"}).Draw(t, "service")
	meta := Meta{Namespace: "n", Name: name}
	objects := []Object{
		Seal(&Ingress{Meta: meta, Rules: []Rule{{Host: host, Paths: []Path{{Path: "/", Backend: Backend{Service: service, Port: 80}}}}}, TLS: []TLS{{Hosts: []string{host}, Secret: service}}}),
		Seal(&Ingress{Meta: meta, DefaultBackend: &Backend{Service: service, Port: 80}}),
		Seal(&Service{Meta: meta, ExternalName: host}),
		Seal(&Slice{Meta: meta, Service: service}),
		Seal(&Secret{Meta: meta, Key: []byte(service)}),
		Seal(&ConfigMap{Meta: meta, Data: map[string]string{"k": service}}),
		Seal(&IngressClass{Meta: Meta{Name: name}, Controller: "us", Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "n", Name: name}}),
	}
	o := rapid.SampledFrom(objects).Draw(t, "object")
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		return Delete(o.Ref())
	case 1:
		return Change{Ref: o.Ref(), Problems: []Problem{{Object: o.Ref(), Message: host}}}
	}
	return Put(o)
}

// TestViewIndexes: each index says what looking through all objects says.
func TestViewIndexes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v View
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			v = v.With(randomChange(t))
		}
		for _, host := range []string{"", "x.test", "*.test"} {
			want := all(v, func(o *Ingress) bool { return slices.Contains(slices.Collect(o.Hosts()), host) })
			compare(t, "host "+host, slices.Collect(v.IngressesOfHost(host)), want)
		}
		for _, service := range []string{"s", "t"} {
			want := all(v, func(o *Ingress) bool {
				return slices.ContainsFunc(o.TLS, func(t TLS) bool { return t.Secret == service })
			})
			compare(t, "secret "+service, slices.Collect(v.IngressesOfSecret("n/"+service)), want)
			want = all(v, func(o *Ingress) bool {
				return slices.ContainsFunc(slices.Collect(o.Backends()), func(b Backend) bool { return b.Service == service })
			})
			compare(t, "backend "+service, slices.Collect(v.IngressesOfService("n/"+service)), want)
			var slicesOf []*Slice
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

func all(v View, ok func(*Ingress) bool) (list []*Ingress) {
	for _, o := range v.Ingresses().All() {
		if ok(o) {
			list = append(list, o)
		}
	}
	return list
}

func compare(t *rapid.T, what string, got, want []*Ingress) {
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
		var v View
		var before []View
		var digests []pmap.Sum
		last := map[object.Ref]Change{}
		for _, c := range list {
			before, digests = append(before, v), append(digests, v.Digest())
			v = v.With(c)
			if known := last[c.Ref]; c.Object == nil && !c.Deleted { // its last good state stays
				c.Object, c.Deleted = known.Object, known.Deleted || known.Object == nil
			}
			last[c.Ref] = c
		}
		var again View
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

func refs(m map[object.Ref]Change) func(func(object.Ref) bool) {
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
	class := Seal(&IngressClass{Meta: Meta{Name: "edge"}, Controller: "us", Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "n", Name: "settings"}})
	settings := Seal(&ConfigMap{Meta: Meta{Namespace: "n", Name: "settings"}, Data: map[string]string{"k": "v"}})
	ingress := Seal(&Ingress{Meta: Meta{Namespace: "n", Name: "a"}})
	service := func(port int32) Object {
		return Seal(&Service{Meta: Meta{Namespace: "n", Name: "s"}, Ports: []ServicePort{{Port: port}}})
	}
	for _, gone := range []object.Ref{class.Ref(), settings.Ref()} {
		first := View{}.With(Put(class), Put(settings), Put(ingress), Put(service(1)))
		v := first.With(Delete(gone), Delete(ingress.Ref()), Put(service(2))).Freeze(first, "us")
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
		back := v.With(Put(class), Put(settings)).Freeze(v, "us")
		if now, frozen := back.For("edge"); frozen || now.Ingresses().Len() != 0 {
			t.Errorf("%v is back: frozen %v", gone, frozen)
		}
	}
}

// TestSecretsDoNotPrint: no verb shows a key.
func TestSecretsDoNotPrint(t *testing.T) {
	s := Seal(&Secret{Meta: Meta{Namespace: "n", Name: "a"}, Key: []byte("KEY")})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "Secret n/a" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}
