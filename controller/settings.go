package controller

import (
	"legation.dev/held"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
)

// weigh says which connections the new settings of classes would close that are held for now, by
// class. last only saves work, and so does the Result, which is of one or the
// other.
func weigh(last translator.Result, v input.View) (closes map[string]held.Closes, r translator.Result) {
	closes = map[string]held.Closes{}
	r = translator.Translate(last, v)
	all := map[string]held.Closes{}
	for _, class := range v.Unweighed() {
		all[class] = nil
	}
	next := translator.Translate(r, v.Weighed(all))
	for _, class := range v.Unweighed() {
		closes[class] = impact.Closes(impact.Of(fleetOf(r, class), fleetOf(next, class)))
		if len(closes[class]) == 0 {
			r = next
		}
	}
	return closes, r
}

// fleetOf is what a fleet is to run; nothing if there is none.
func fleetOf(r translator.Result, class string) snapshot.Snapshot {
	if f, ok := r.Fleet(class); ok {
		return f.Snapshot
	}
	return snapshot.Snapshot{}
}
