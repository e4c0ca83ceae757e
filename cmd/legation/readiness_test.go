package main

import (
	"strings"
	"testing"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/store"
)

// TestReadiness: without a class of ours a process is not ready, unless it is told that
// there may be none; nor while a class names settings that are not there, which it never saw.
func TestReadiness(t *testing.T) {
	nothing := translator.Translate(translator.Result{}, input.View{})
	class := input.Seal(&input.IngressClass{Meta: input.Meta{Name: "edge"}, Controller: input.Controller})
	some := translator.Translate(translator.Result{}, input.View{}.With(lower.Put(class)))
	reached := func(r *readiness) bool {
		select {
		case <-r.reached:
			return true
		default:
			return false
		}
	}

	r := newReadiness(store.New(store.Config{}), false)
	r.Report(nothing)
	if list := r.missing(); len(list) != 1 || !strings.Contains(list[0], "--allow-empty") || reached(r) {
		t.Errorf("nothing was read: waiting for %q, ready %t", list, reached(r))
	}
	r.Report(some)
	if list := r.missing(); len(list) != 0 || !reached(r) {
		t.Errorf("a class came: waiting for %q, ready %t", list, reached(r))
	}

	settings := input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: "ops", Name: "inner"}})
	inner := input.Seal(&input.IngressClass{Meta: input.Meta{Name: "inner"}, Controller: input.Controller, Parameters: settings.Ref()})
	view := input.View{}.With(lower.Put(class), lower.Put(inner))
	for _, allowEmpty := range []bool{false, true} {
		r = newReadiness(store.New(store.Config{}), allowEmpty)
		r.Report(translator.Translate(translator.Result{}, view))
		if list := r.missing(); len(list) != 1 || !strings.Contains(list[0], "IngressClass inner: ") || !strings.Contains(list[0], "ops/inner") || reached(r) {
			t.Errorf("the settings of a class are not there: waiting for %q, ready %t", list, reached(r))
		}
		r.Report(translator.Translate(translator.Result{}, view.With(lower.Put(settings))))
		if list := r.missing(); len(list) != 0 || !reached(r) {
			t.Errorf("the settings came: waiting for %q, ready %t", list, reached(r))
		}
	}

	r = newReadiness(store.New(store.Config{}), true)
	if r.Report(nothing); !reached(r) {
		t.Error("a new cluster is not ready")
	}
	select {
	case <-r.store.Ready():
	default:
		t.Error("in a new cluster no Envoy is answered")
	}
}
