package main

import (
	"sync"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/store"
)

// readiness is whether this process can serve Envoys: from when each class of ours has a
// fleet. One whose settings are not there has none in a process that never saw them, and an
// Envoy of it is better led to a replica that has. A source without any class of ours is
// one that is not mounted, or the wrong one, unless it may be empty. Once reached it stays:
// what comes later must not take the control plane from the Envoys of other classes.
type readiness struct {
	store      *store.Store
	allowEmpty bool
	reached    chan struct{}

	mu    sync.Mutex
	is    bool
	lacks []string // what classes without a fleet lack
}

func newReadiness(s *store.Store, allowEmpty bool) *readiness {
	return &readiness{store: s, allowEmpty: allowEmpty, reached: make(chan struct{})}
}

// Report takes a new result, whose fleets are published.
func (r *readiness) Report(of translator.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lacks = nil
	for _, p := range of.Unset() {
		r.lacks = append(r.lacks, p.Error())
	}
	empty := len(r.lacks) == 0
	for range of.Fleets() {
		empty = false
		break
	}
	switch {
	case empty && r.allowEmpty:
		r.store.Open()
	case empty:
		r.lacks = []string{"there is no IngressClass of ours (spec.controller: " + input.Controller + "); --allow-empty starts a new cluster"}
	}
	if len(r.lacks) == 0 && !r.is {
		r.is = true
		close(r.reached)
	}
}

// missing says which classes have no fleet, and why, or that there is none.
func (r *readiness) missing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.lacks...)
}
