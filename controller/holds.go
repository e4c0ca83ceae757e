package controller

import (
	"maps"
	"slices"

	"legation.dev/held"
	"legation.dev/translator/input"
	"legation.dev/xds/hold"
)

// Holds are what is served although the objects say otherwise, after one pass. It is a
// value.
type Holds struct {
	view   input.View
	fleets map[string]hold.Held
	clock  held.Clock
}

// holdsOf is what a pass left.
func holdsOf(v input.View, holds map[string]kept, clock held.Clock) Holds {
	h := Holds{view: v, fleets: map[string]hold.Held{}, clock: clock}
	for name, one := range holds {
		h.fleets[name] = one.Held
	}
	return h
}

// View is that of the pass. What was wrong is told of it, and what is held of the past.
func (h Holds) View() input.View { return h.view }

// List is all of it, by kind, fleet and object. Whoever asks pays for it.
func (h Holds) List() (list []held.Entry) {
	for _, name := range slices.Sorted(maps.Keys(h.fleets)) {
		list = append(list, h.fleets[name].List(name, h.clock)...)
	}
	list = append(list, h.view.Holds(h.clock)...)
	slices.SortStableFunc(list, held.Entry.Compare)
	return list
}
