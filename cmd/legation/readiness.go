package main

import (
	"sync"

	"legation.dev/translator"
)

// readiness is whether this process can serve Envoys: from when each class of ours has a
// fleet. One whose settings are not there has none in a process that never saw them, and an
// Envoy of it is better led to a replica that has. Once reached it stays: what comes later
// must not take the control plane from the Envoys of other classes.
type readiness struct {
	reached chan struct{}

	mu    sync.Mutex
	is    bool
	unset []string // what classes without a fleet lack
}

func newReadiness() *readiness { return &readiness{reached: make(chan struct{})} }

// Report takes a new result, whose fleets are published.
func (r *readiness) Report(of translator.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unset = nil
	for _, p := range of.Unset() {
		r.unset = append(r.unset, p.Error())
	}
	served := false
	for range of.Fleets() {
		served = true
	}
	if served && len(r.unset) == 0 && !r.is {
		r.is = true
		close(r.reached)
	}
}

// missing says which classes have no fleet, and why.
func (r *readiness) missing() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.unset...)
}
