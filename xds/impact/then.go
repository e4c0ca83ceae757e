package impact

import (
	"maps"
	"slices"

	"legation.dev/xds/snapshot"
)

// Path is what several steps came to, one after the other. The zero Path has none.
type Path struct{ changes map[snapshot.Ref]Change }

// Then adds the next step.
func (p *Path) Then(step []Change) {
	if p.changes == nil {
		p.changes = map[snapshot.Ref]Change{}
	}
	for _, c := range step {
		ref := snapshot.Ref{Type: c.Type, Name: c.Name}
		before, had := p.changes[ref]
		if !had {
			p.changes[ref] = c
			continue
		}
		if both, ok := before.then(c); ok {
			p.changes[ref] = both
		} else {
			delete(p.changes, ref)
		}
	}
}

// Changes are what is different after all steps, by type and name. Where a client's
// connections ended on the way, that is said even if a later step did not end them.
func (p *Path) Changes() []Change { return Merge(slices.Collect(maps.Values(p.changes))) }

// then is c, and after that next, of the same resource; false if that leaves it as it was.
func (c Change) then(next Change) (Change, bool) {
	both := next
	both.Before, both.Hidden, both.Drains = c.Before, c.Hidden || next.Hidden, c.Drains || next.Drains
	if len(both.From) == 0 {
		both.From = c.From
	}
	switch {
	case c.Kind == Added && next.Kind == Removed:
		return both, false
	case c.Kind == Added: // and changed
		both.Kind, both.Effect, both.Drains = Added, c.Effect, false
		return both, true
	case next.Kind == Removed:
		return both, true
	case c.Kind == Removed: // and added
		both.Kind, both.Effect = Changed, effectOf(next.Type, next.Effect)
	case c.Drains && !next.Drains:
		both.Effect = c.Effect
	}
	return both, both.Hidden || both.Before != both.After || both.Before == ""
}

// effectOf is what a change of a resource does that was removed and came back.
func effectOf(t snapshot.Type, added string) string {
	if t < snapshot.NumTypes && effects[t] != nil {
		return effects[t][Changed]
	}
	return added
}
