package route

import (
	"cmp"
	"errors"
	"regexp/syntax"
	"slices"
	"strings"

	"legation.dev/translator/finding"
)

// Server is what an object says of a host as a whole, also if other objects have its paths.
type Server struct {
	// Regex: the path of each rule is a pattern, RE2, that a request's path begins
	// with, in any case, and the order is ByText. One object of the owner that says so is enough.
	// Fragments that ask for BySpecificity are left as they are.
	Regex bool
	// KeepSlash: where its own rules redirect from http to https in a compatible class, the
	// slash at the end of a path is kept.
	KeepSlash bool
	// Clients, if not nil, is which client certificates the host asks for.
	Clients *Clients
	// Measures, if not nil, are for all routes of the host, of whomever they are.
	Measures *Measures
	// Through, if not nil, gets the connections with TLS to the host as they are.
	Through *Backend
	// Ciphers are those of TLS 1.2 with clients, separated by commas; empty: Envoy's own.
	Ciphers string
	// Places are paths of the host beside the rules.
	Places []Place
	// Guards are those among these that keep somebody out of the whole host. They are
	// honoured where the object decides over that; else they close its own paths.
	Guards []Guard
}

// server hears what objects of the owner say of the host as a whole. To make patterns of
// its paths, an object must have one that no older object has: ingress-nginx asks the
// paths that it serves, not the Ingresses.
func (m *merger) server() {
	for i, p := range m.plans {
		said := p.fragment.Host(m.host.Host).Server
		m.regex = m.regex || p.owns && said.Regex && m.adds(i)
	}
}

// adds reports whether an object, by its place, has a rule that no older one has: one of those
// that it has be patterns itself, if any are.
func (m *merger) adds(place int) bool {
	rules := m.rules(m.plans[place].fragment)
	patterns := kept(rules, func(r Rule) bool { return r.Pattern })
	if len(patterns) > 0 {
		rules = patterns
	}
	return adds(rules, m.host.Host, m.older(place))
}

// older are the objects before a place.
func (m *merger) older(place int) (list []*Fragment) {
	for _, p := range m.plans[:place] {
		list = append(list, p.fragment)
	}
	return list
}

// rules are those of an object that a catch-all does not have.
func (m *merger) rules(f *Fragment) []Rule {
	return kept(f.Host(m.host.Host).Rules, func(r Rule) bool { return !m.ofRest(f, r) })
}

// addsRules reports whether an object has a rule for a host that none of the older ones has.
func addsRules(f *Fragment, host string, older []*Fragment) bool {
	return adds(f.Host(host).Rules, host, older)
}

func adds(rules []Rule, host string, older []*Fragment) bool {
	taken := map[matchKey]bool{}
	for _, other := range older {
		if h := other.Host(host); h != nil {
			for _, r := range h.Rules {
				taken[r.Match.key()] = true
			}
		}
	}
	return slices.ContainsFunc(rules, func(r Rule) bool { return !taken[r.Match.key()] })
}

// asPattern is a rule or guard at a host whose paths are patterns; its place in the order is
// that of the text. An error says why its path is none.
func asPattern(c candidate, written string) (candidate, error) {
	if c.rule.Match.Kind == Regex || c.plan.fragment.Order == BySpecificity {
		return c, nil
	}
	spelled, err := SpelledPattern("^" + written) // ^ is that of the whole path, also behind .*
	place := c.rule.Match
	place.Kind, place.Path = Regex, beginsWith("^"+c.rule.written())
	c.place, c.rule.Match = &place, place
	c.rule.Match.Path = beginsWith(spelled)
	return c, err
}

// written is the path of a rule as its owner wrote it, who did not spell it as the paths of
// requests are.
func (r Rule) written() string { return cmp.Or(r.Path, r.Match.Path) }

// beginsWith is the pattern of paths that begin with what another one takes, in any case.
func beginsWith(pattern string) string { return "(?i)" + Anywhere(pattern) }

// besideExact reports whether a rule of type Prefix, whose path only other objects make a
// pattern of, leaves the path itself, and what begins with it, to a rule of type Exact, as
// ingress-nginx has it: then it takes what is below. A guest's rule takes nothing of the
// owner's, and one that is older than the prefix has the whole path already, as match says.
// A later rule of type Prefix with the path is the same one.
func (m *merger) besideExact(c candidate, match Match) bool {
	path := c.rule.written()
	among := func(all map[exactPath]bool) bool {
		return all[exactPath{m.owner, path}] || all[exactPath{c.plan.fragment.Origin.Object.Namespace, path}]
	}
	switch {
	case c.guard || c.rule.Match.Kind != Prefix || match.Kind != Regex:
		return false
	case among(m.beside):
		return true
	case c.rule.Pattern || path == "/" || m.has(match):
		return false
	}
	if m.exact == nil {
		m.exact = m.exacts()
	}
	return among(m.exact)
}

// exactPath is the path of a rule of type Exact, and the namespace that it is of.
type exactPath struct{ namespace, path string }

// exacts are those of all rules of the host.
func (m *merger) exacts() map[exactPath]bool {
	all := map[exactPath]bool{}
	for _, p := range m.plans {
		for _, r := range p.fragment.Host(m.host.Host).Rules {
			if r.Match.Kind == Exact {
				all[exactPath{p.fragment.Origin.Object.Namespace, r.written()}] = true
			}
		}
	}
	return all
}

// possible reports whether a path can be one of a request, and tells its owner if not.
func (m *merger) possible(c candidate) bool {
	ok := c.guard || c.rule.Match.Kind == Regex || !strings.ContainsAny(c.rule.Path, "?#")
	if !ok {
		m.found = append(m.found, finding.BadPath.At(c.plan.fragment.At(c.rule.Field), c.rule.Path, "contains what no path of a request can contain"))
	}
	return ok
}

// patterned makes a pattern of the path of a candidate, if the host has patterns. One
// that is none is not served, and its owner is told; a guard closes its beginning instead.
func (m *merger) patterned(c candidate) (candidate, bool) {
	if !m.regex {
		return c, m.possible(c)
	}
	path := c.rule.Match.Path
	p, err := asPattern(c, c.rule.written())
	if err == nil && m.besideExact(c, p.rule.Match) {
		if m.beside == nil {
			m.beside = map[exactPath]bool{}
		}
		m.beside[exactPath{c.plan.fragment.Origin.Object.Namespace, c.rule.written()}] = true
		p, err = asPattern(c, strings.TrimSuffix(c.rule.written(), "/")+"/")
	}
	switch {
	case err == nil:
		return p, true
	case c.guard:
		return p.beginning(path), true
	}
	why := err.Error()
	if wrong := (*syntax.Error)(nil); errors.As(err, &wrong) {
		why = "is no regular expression, as the paths of host " + m.host.Host + " are"
	}
	m.found = append(m.found, finding.BadPath.At(c.plan.fragment.At(c.rule.Field), c.rule.Path, why))
	return c, false
}
