package main

import (
	"strings"
	"testing"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/store"
)

// TestFirstReading: without a class of ours a process is not ready, unless it is told that
// there may be none.
func TestFirstReading(t *testing.T) {
	nothing := translator.Translate(translator.Result{}, input.View{})
	class := input.Seal(&input.IngressClass{Meta: input.Meta{Name: "edge"}, Controller: input.Controller})
	some := translator.Translate(translator.Result{}, input.View{}.With(lower.Put(class)))
	ready := func(s *store.Store) bool {
		select {
		case <-s.Ready():
			return true
		default:
			return false
		}
	}

	f := &firstReading{store: store.New(store.Config{})}
	f.report(nothing)
	if list := f.waiting(); len(list) != 1 || !strings.Contains(list[0], "--allow-empty") || ready(f.store) {
		t.Errorf("nothing was read: waiting for %q, ready %t", list, ready(f.store))
	}
	f.report(some)
	if list := f.waiting(); len(list) != 0 {
		t.Errorf("a class came: waiting for %q", list)
	}

	f = &firstReading{store: store.New(store.Config{}), allowEmpty: true}
	if f.report(nothing); !ready(f.store) {
		t.Error("a new cluster is not ready")
	}
}
