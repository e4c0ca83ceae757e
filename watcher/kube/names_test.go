package kube

import (
	"slices"
	"testing"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// TestReferencesOfAnyKind: what a fragment refers to is followed, whatever kind of object
// it was made of, as long as a class of ours may use it.
func TestReferencesOfAnyKind(t *testing.T) {
	ca := object.Ref{Kind: object.KindSecret, Namespace: "shop", Name: "ca"}
	pages := object.Ref{Kind: object.KindConfigMap, Namespace: "shop", Name: "pages"}
	web := object.Ref{Kind: object.KindService, Namespace: "shop", Name: "web"}
	refers := func(kind object.Kind, class route.ClassName) input.Change {
		o := input.Seal(&input.Service{Meta: input.Meta{Namespace: "shop", Name: "web"}})
		input.Lowered(o, &route.Fragment{Class: class, References: []route.Reference{{To: ca}, {To: web}, {To: pages}, {To: ca}}})
		return input.Change{Ref: object.Ref{Kind: kind, Namespace: "shop", Name: "web"}, Object: o}
	}
	class := func(controller string) input.Change {
		o := input.Seal(&input.IngressClass{Meta: input.Meta{Name: "edge"}, Controller: controller})
		return input.Change{Ref: o.Ref(), Object: o}
	}
	edge := route.ClassName{Name: "edge", Named: true, Field: "spec.class"}
	all := []object.Ref{pages, ca}
	for name, c := range map[string]input.Change{
		"a Service":                  refers(object.KindService, route.ClassName{}),
		"another kind with a class":  refers("HTTPRoute", edge),
		"an Ingress with references": refers(object.KindIngress, edge),
	} {
		n := newNames()
		expect := func(step string, change input.Change, wantMore, wantLess []object.Ref) {
			t.Helper()
			if more, less := n.update(change); !slices.Equal(more, wantMore) || !slices.Equal(less, wantLess) {
				t.Errorf("%s, %s: more %v, less %v, want %v and %v", name, step, more, less, wantMore, wantLess)
			}
		}
		expect("without a class", c, nil, nil)
		expect("with its class", class(input.Controller), all, nil)
		expect("a class of others", class("example.com/other"), nil, all)
		expect("its class again", class(input.Controller), all, nil)
		expect("deleted", input.Delete(c.Ref), nil, all)
	}
}
