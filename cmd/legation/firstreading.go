package main

import (
	"sync/atomic"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/store"
)

// firstReading keeps a process from being ready whose source has no class of ours: a
// folder that is not mounted yet, an API server that was restored without its objects, or
// a right that was lost. Another replica may know better, and so do the Envoys that
// run. In a new cluster that is all there is: --allow-empty says so.
type firstReading struct {
	store      *store.Store
	allowEmpty bool
	nothing    atomic.Bool // was read
}

// report hears of each result.
func (f *firstReading) report(r translator.Result) {
	nothing := true
	for range r.Fleets() {
		nothing = false
		break
	}
	f.nothing.Store(nothing)
	if nothing && f.allowEmpty {
		f.store.Open()
	}
}

// waiting is why the process is not ready although its source was read.
func (f *firstReading) waiting() (list []string) {
	if f.nothing.Load() {
		list = append(list, "there is no IngressClass of ours (spec.controller: "+input.Controller+"); --allow-empty starts a new cluster")
	}
	return list
}
