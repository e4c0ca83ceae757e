package route

import (
	"net/http"
	"slices"

	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Guard is a restriction that is not honoured: what it would have guarded is closed,
// and answers 503, unless the class serves unprotected.
type Guard struct {
	// Match is what it closes at the hosts of its fragment, at the place that the
	// order of the host gives it: a rule that comes before stays open, one of equal
	// rank does not, even if it is another object's. Without a path, it closes all of the fragment.
	Match Match
	// Reach is which other objects it closes, too, where it closes all of its fragment.
	Reach        Reach
	Restricts    string // "client addresses", for people
	Field, Value string
	// Foreign is the controller that it is written for, if that is another one: it closes
	// only where the class says so.
	Foreign string
}

// Reach is how far at its hosts a guard reaches that closes all of its fragment.
type Reach uint8

// The reaches.
const (
	OfObject    Reach = iota // its own fragment only
	OfNamespace              // also those of its namespace, where they have rules for the same host
	OfHost                   // also all others that have, if its namespace owns the host
)

// closesToo reports whether an object with this guard closes another one at a host that
// both have. Who does not own the host closes nobody's paths but those of its namespace.
func (g Guard) closesToo(p, other plan) bool { return g.reaches(p.fragment, other.fragment, p.owns) }

func (g Guard) reaches(by, other *Fragment, owns bool) bool {
	near := by.Origin.Object.Namespace == other.Origin.Object.Namespace
	return g.wholly() && (g.Reach == OfHost && owns || g.Reach != OfObject && near)
}

// ClosedBy is another object whose guard closes the paths of f at a host that both have; nil
// if none does.
func (c *Class) ClosedBy(of Tenure, f *Fragment) *Fragment {
	if c.Settings.ServeUnprotected {
		return nil
	}
	for _, by := range of.Served {
		if by != f && slices.ContainsFunc(by.Guards, func(g Guard) bool { return g.reaches(by, f, of.Owns(by)) }) {
			return by
		}
	}
	return nil
}

// widen closes the plans of a host that guards of others reach.
func (m *merger) widen() {
	for _, p := range m.plans {
		for _, g := range p.fragment.Guards {
			for i := range m.plans {
				if m.class.heeds(g) && g.closesToo(p, m.plans[i]) && !m.plans[i].closed {
					m.plans[i].closed, m.plans[i].byOthers = true, p.fragment != m.plans[i].fragment
				}
			}
		}
	}
}

// heeds reports whether a guard closes anything in the class.
func (c *Class) heeds(g Guard) bool {
	if g.Foreign != "" {
		return c.Settings.ForeignGuards == policy.CloseForeign
	}
	return !c.Settings.ServeUnprotected
}

// wholly reports whether g closes all of its fragment.
func (g Guard) wholly() bool { return g.Match.Path == "" }

// guards are the places that a plan closes, as rules.
func (p plan) guards() (list []candidate) {
	if p.closed {
		return nil
	}
	f := p.fragment
	for _, g := range f.Guards {
		if !p.class.heeds(g) {
			continue
		}
		name := f.Origin.Object.Key() + " closed " + g.Match.Path
		list = append(list, candidate{plan: p, guard: true, rule: Rule{Match: g.Match, Name: name, Path: g.Match.Path, Field: g.Field,
			Action: Action{Status: http.StatusServiceUnavailable}}})
	}
	return list
}

// guest is p as it counts for a host that belongs to another namespace: whatever it
// restricts, of its own paths without being honoured or of the whole host, closes all of
// its own paths, and no path of others.
func (m *merger) guest(p plan) plan {
	p.owns = false
	for _, g := range p.fragment.Guards {
		p.closed = p.closed || p.class.heeds(g)
	}
	for _, g := range p.fragment.Host(m.host.Host).Server.Guards {
		code := finding.Unprotected
		if p.class.heeds(g) {
			p.closed, code = true, finding.GuestClosed
		}
		m.found = append(m.found, code.At(p.fragment.At(g.Field), g.Value, g.Restricts))
	}
	return p
}

// closes reports whether class lets the guards of a fragment close all of it.
func (c *Class) closes(f *Fragment) bool {
	return slices.ContainsFunc(f.Guards, func(g Guard) bool { return c.heeds(g) && g.wholly() })
}

// restricts reports whether the object of a plan keeps anybody out, honoured or not. What
// the class says counts for everybody, and is not meant.
func (p plan) restricts(host string) bool {
	f, said := p.fragment, policy.Values{}.With(p.fragment.Policy)
	return slices.ContainsFunc(f.Guards, p.class.heeds) || len(f.Host(host).Server.Guards) > 0 ||
		said.Auth.Active() || len(said.Allowed)+len(said.Denied) > 0 || f.Measures.Restrict()
}

// Restrict reports whether measures keep anybody out.
func (m *Measures) Restrict() bool {
	return m != nil && (len(m.Addresses) > 0 || slices.ContainsFunc(m.Before, func(c Conditional) bool { return c.Action.Status >= 400 }))
}
