package route

import (
	"net/http"
	"reflect"

	"legation.dev/translator/policy"
)

// Preflight is what browsers are told by an answer to a preflight.
type Preflight struct {
	*policy.Cors
	// Headers are what else is changed in it; none of them depends on a status.
	Headers HeaderChange
}

// preflights reports whether the preflights of browsers to a candidate are answered.
func (m *merger) preflights(c candidate) bool {
	return !c.guard && !c.plan.closed && c.plan.settings.Cors.Active()
}

// preflights reports whether those to what no rule matches are answered.
func (p *Planned) preflights() bool {
	return p.Settings != nil && p.Settings.Cors.Active() && p.Status != http.StatusServiceUnavailable
}

// preflightsAlike reports whether preflights are answered alike wherever they go at the host, so
// that one route does for all: to each rule, and to what none matches, if there is such a path.
func (m *merger) preflightsAlike(candidates []candidate, last Planned) bool {
	if len(candidates) == 0 {
		return false
	}
	first, all := candidates[0].plan, false
	for _, c := range candidates {
		if !m.preflights(c) || !sameAnswers(first, c.plan) {
			return false
		}
		all = all || c.rule.Match.everything()
	}
	return all || last.preflights() && sameAnswers(first, plan{settings: last.Settings, measures: last.Measures})
}

// sameAnswers reports whether two plans answer preflights alike.
func sameAnswers(a, b plan) bool {
	return a.settings.Cors == b.settings.Cors && (a.measures == b.measures || reflect.DeepEqual(a.measures.onPreflights(), b.measures.onPreflights()))
}

// onPreflights is what measures change of an answer to a preflight; nil has nothing.
func (m *Measures) onPreflights() HeaderChange {
	if m == nil {
		return HeaderChange{}
	}
	return m.Headers.Response.ordinary()
}

// preflight answers preflights to what a match takes, before its owner's redirects and
// before all that restricts access. Those of origins that are not allowed are left to
// the route itself. What measures add to answers is on these, too.
func (m *merger) preflight(name string, match Match, p plan) {
	cors := &p.settings.Cors
	match.Method = http.MethodOptions
	if cors.CorsOrigins != policy.AnyOrigin {
		match.Headers = append(match.Headers[:len(match.Headers):len(match.Headers)], ValueMatch{Name: "origin", Value: cors.CorsOrigins.Pattern(), Regex: true})
	}
	// What the class restricts is behind it, too.
	planned := Planned{Action: Action{Status: http.StatusNoContent}, Settings: m.class.openOf(&m.class.Settings.Route)}
	m.add(Route{Name: name, Match: match, Preflight: &Preflight{Cors: cors, Headers: p.measures.onPreflights()}, Planned: planned})
}

// ordinary is a change of an answer whose status is one of the usual ones.
func (c HeaderChange) ordinary() HeaderChange {
	without := func(list []Header) (out []Header) {
		for _, h := range list {
			h.Ordinary = false
			out = append(out, h)
		}
		return out
	}
	return HeaderChange{Remove: c.Remove, Set: without(c.Set), Add: without(c.Add)}
}
