package route

import (
	"net/http"
	"slices"
)

// Guard is a restriction that is not honoured: what it would have guarded is closed,
// and answers 503, unless the class serves unprotected.
type Guard struct {
	// Match is what it closes at the hosts of its fragment, at the place that the
	// order of the host gives it: a rule that comes before stays open, one of equal
	// rank does not, even if it is another object's. Without a path, it closes all of the fragment.
	Match        Match
	Restricts    string // "client addresses", for people
	Field, Value string
}

// wholly reports whether g closes all of its fragment.
func (g Guard) wholly() bool { return g.Match.Path == "" }

// guards are the places that a plan closes, as rules.
func (p plan) guards() (list []candidate) {
	if p.closed || p.class.Settings.ServeUnprotected {
		return nil
	}
	f := p.fragment
	for _, g := range f.Guards {
		name := f.Origin.Object.Key() + " closed " + g.Match.Path
		list = append(list, candidate{plan: p, guard: true, rule: Rule{Match: g.Match, Name: name, Path: g.Match.Path, Field: g.Field,
			Action: Action{Status: http.StatusServiceUnavailable}}})
	}
	return list
}

// guest is p as it counts for a host that belongs to another namespace: its guards close
// all of its own paths, and no path of others.
func (p plan) guest() plan {
	p.owns = false
	p.closed = len(p.fragment.Guards) > 0 && !p.class.Settings.ServeUnprotected
	return p
}

// closes reports whether class lets the guards of a fragment close all of it.
func (c *Class) closes(f *Fragment) bool {
	return !c.Settings.ServeUnprotected && slices.ContainsFunc(f.Guards, Guard.wholly)
}
