package route

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"

	"legation.dev/translator/policy"
)

// Measures are what an object asks for on its routes that no setting says.
type Measures struct {
	// Headers are changed in requests, and in all answers, also in those of Envoy's own.
	Headers Headers
	// Addresses are tried in order; the first that has the client's decides whether it may
	// come, and whom none has may.
	Addresses []AddressRule
	// Before are tried in order, before the rule, before a redirect to https, and before
	// anybody is asked who he is. No address is asked there.
	Before []Conditional
	// Rewrites are of paths for targets, in place of the rule's own: the first counts whose
	// pattern a path has.
	Rewrites []Rewrite
	// Answers is what is replaced in answers of targets; nil for nothing.
	Answers *Answers
}

// AddressRule lets clients come, or keeps them out.
type AddressRule struct {
	Of    netip.Prefix // the zero one is everybody
	Allow bool
}

// Conditional is what becomes of some of the requests that a rule takes.
type Conditional struct {
	// Match is the condition, beside that of the rule. Its path, if any, is a pattern.
	Match  Match
	Action Action
}

// Place is a path of a host that is answered as it stands: it is not sent to https first.
type Place struct {
	Match  Match
	Action Action
	// First: it is tried before all rules of the host, whatever their paths.
	First bool
	// Once: it is no place of its own, and tried before all of these. A path that has become
	// another one is not asked for it again.
	Once bool
	// Literal is what the paths begin with that it takes, if it is not First: among rules it
	// is tried where a prefix of that text would be, and before patterns in any case.
	Literal string
}

// with are the measures of an object and those of a whole host; nil for none.
func (m *Measures) with(host *Measures) *Measures {
	if m == nil || host == nil {
		if m == nil {
			return host
		}
		return m
	}
	return &Measures{Headers: Headers{Request: m.Headers.Request.with(host.Headers.Request), Response: m.Headers.Response.with(host.Headers.Response)},
		Addresses: slices.Concat(m.Addresses, host.Addresses), Before: slices.Concat(m.Before, host.Before), Rewrites: m.Rewrites, Answers: m.Answers}
}

func (c HeaderChange) with(other HeaderChange) HeaderChange {
	return HeaderChange{Remove: slices.Concat(other.Remove, c.Remove), Set: slices.Concat(other.Set, c.Set), Add: slices.Concat(other.Add, c.Add)}
}

// ofServer yields what owners say of the host as a server of nginx. ingress-nginx hears the
// oldest that says anything; of the others only whom they keep out is kept out.
func (m *merger) ofServer(yield func(plan, Server) bool) {
	first := true
	for p := range m.owning {
		said := p.fragment.Host(m.host.Host).Server
		if said.Measures == nil && len(said.Places) == 0 {
			continue
		}
		if !first {
			said = said.refusals()
		}
		if first = false; !yield(p, said) {
			return
		}
	}
}

// refusals are whom measures and places keep out.
func (s Server) refusals() Server {
	refuses := func(a Action) bool { return a.Redirect == nil && a.Status >= http.StatusBadRequest }
	s.Places = kept(s.Places, func(p Place) bool { return refuses(p.Action) })
	if s.Measures != nil {
		s.Measures = &Measures{Addresses: s.Measures.Addresses, Before: kept(s.Measures.Before, func(c Conditional) bool { return refuses(c.Action) })}
	}
	return s
}

// everywhere hears what owners say of the host as a whole, for all of them: who keeps
// somebody out of the host keeps him out of each path, also out of those that no rule has.
func (m *merger) everywhere() {
	var host *Measures
	for _, said := range m.ofServer {
		if said.Measures != nil {
			host = said.Measures.with(host)
			host = &Measures{Headers: host.Headers, Addresses: host.Addresses, Answers: host.Answers}
		}
	}
	if host == nil {
		return
	}
	m.apart, m.whole = &Measures{Headers: host.Headers}, host
	m.conditionsOfHost()
	for i := range m.plans {
		m.plans[i].measures = m.plans[i].measures.with(host)
	}
}

// conditionsOfHost adds the conditions of a whole host, which are tried before all else that it
// has.
func (m *merger) conditionsOfHost() {
	for p, said := range m.ofServer {
		if said.Measures == nil || len(said.Measures.Before) == 0 {
			continue
		}
		p = m.unruled(p, 0)
		p.measures, p.settings, p.closed = m.apart, cmp.Or(p.open, p.settings), false
		for _, b := range said.Measures.Before {
			m.addFirst(candidate{plan: p, rule: Rule{Name: p.fragment.Origin.Object.Key() + " server if", Match: b.of(Match{Path: "/"}), Action: b.Action}})
		}
	}
}

// places are those that owners have at the host: the ones that come before all rules are
// added, the others are candidates.
func (m *merger) places() (list []candidate) {
	for p, said := range m.ofServer {
		if len(said.Places) == 0 {
			continue
		}
		p.measures, p.closed = m.apart, false
		first, own := m.besideRules(p, 0), m.besideRules(p, m.ofPlaces())
		for _, place := range said.Places {
			rule := Rule{Match: place.Match, Action: place.Action, Path: place.Match.Path, Name: p.fragment.Origin.Object.Key() + " location " + place.Match.Path}
			c := candidate{plan: own, apart: true, rule: rule}
			switch {
			case place.Once:
				c.plan = first
				m.addFirst(c)
				continue
			case place.First:
				m.ahead = append(m.ahead, m.routeOf(c))
				continue
			}
			c.place = &Match{Path: place.Literal}
			list = append(list, c)
		}
	}
	if !m.regex {
		return list
	}
	slices.SortStableFunc(list, ByElement.compare)
	for _, c := range list {
		m.ahead = append(m.ahead, m.routeOf(c))
	}
	return nil
}

// ofPlaces is how large a request to a place may be, in bytes. ingress-nginx says that of its own
// locations only: where others are, the default of nginx counts, which is also that of Legation.
func (m *merger) ofPlaces() uint64 {
	if m.class.Settings.Compatible() {
		return policy.Defaults().RequestBody
	}
	return m.class.Settings.RequestBody
}

// besideRules is a plan for places, without who guards its rules, without whose pages may use
// them, and with another limit of bodies, in bytes.
func (m *merger) besideRules(p plan, body uint64) plan {
	p = m.unruled(p, body)
	p.settings = cmp.Or(p.open, p.settings)
	p.open = p.settings
	return p
}

func (m *merger) addFirst(c candidate) { m.first = append(m.first, m.routeOf(c)) }

func (m *merger) routeOf(c candidate) Route {
	return Route{Name: c.rule.Name, Match: c.rule.Match, Planned: m.planned(c.plan, c.rule.Action)}
}

// before adds what is tried before the rule of a candidate.
func (m *merger) before(c candidate) {
	if c.apart || c.guard || c.plan.closed || c.plan.measures == nil {
		return
	}
	early := c.plan
	early.settings = cmp.Or(early.open, early.settings)
	m.conditions(c.rule.Name, c.rule.Match, c.plan.measures, func(a Action) Planned { return m.planned(early, a) })
}

// beforeRest adds what is tried before a fallback or a catch-all, if that is of an object.
func (m *merger) beforeRest(all Planned) {
	if !all.answers() {
		return
	}
	m.conditions(all.Owner+" default", Match{Path: "/"}, all.Measures, func(a Action) Planned {
		return Planned{Action: a, Settings: cmp.Or(m.class.openOf(all.Settings), all.Settings), Owner: all.Owner, From: all.From}
	})
}

// conditions adds what measures say is tried before a route.
func (m *merger) conditions(name string, match Match, of *Measures, plan func(Action) Planned) {
	for _, b := range of.Before {
		if b.Match.Path != "" && match.apart(b.Match.Path) {
			continue
		}
		planned := plan(b.Action)
		planned.Measures = &Measures{Headers: of.Headers}
		m.add(Route{Name: name + " if", Match: b.of(match), Planned: planned})
	}
}

// of is the match of a rule, and the condition.
func (c Conditional) of(match Match) Match {
	if match.Method == "" {
		match.Method = c.Match.Method
	}
	match.Headers = append(slices.Clip(match.Headers), c.Match.Headers...)
	if c.Match.Path != "" {
		match = match.having(c.Match.Path)
	}
	return match
}

// addRewritten adds a route, and before it those of the paths of it that become others.
func (m *merger) addRewritten(r Route) {
	if r.Measures != nil && len(r.Targets) > 0 {
		for _, w := range r.Measures.Rewrites {
			if r.Match.apart(w.Whole()) {
				continue
			}
			own := r
			own.Name, own.Match, own.Rewrite = r.Name+" rewritten", r.Match.having(w.Whole()), &w
			m.add(own)
		}
	}
	m.add(r)
}

// answers reports whether anything is answered before a fallback or a catch-all, and before a
// redirect to https: what is closed is closed for all.
func (p *Planned) answers() bool {
	return p.Measures != nil && len(p.Measures.Before) > 0 && p.Status != http.StatusServiceUnavailable
}

// answers reports whether anything of a candidate is answered before a redirect to https.
func (c candidate) answers() bool {
	return c.apart || !c.guard && !c.plan.closed && c.plan.measures != nil && len(c.plan.measures.Before) > 0
}
