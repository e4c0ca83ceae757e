package route

import (
	"net/http"
	"reflect"
	"strings"

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

// preflightsAlike reports whether preflights are answered alike wherever that is done at the
// host, so that one route does for all, and returns which requests that takes: to the whole host
// if none of it is left out, else to the paths of its rules.
func (m *merger) preflightsAlike(candidates []candidate, last Planned) (Match, bool) {
	if len(candidates) == 0 {
		return Match{}, false
	}
	first, all := candidates[0].plan, false
	for _, c := range candidates {
		if !m.preflights(c) || !sameAnswers(first, c.plan) {
			return Match{}, false
		}
		all = all || c.rule.Match.everything()
	}
	switch {
	case all || last.preflights() && sameAnswers(first, plan{settings: last.Settings, measures: last.Measures}):
		return Match{Path: "/"}, true
	case last.preflights() || len(candidates) == 1:
		return Match{}, false
	}
	return anyOf(candidates)
}

// anyOf is a match of what any of the candidates takes; false if that cannot be said by one
// pattern, or by none that Envoy takes.
func anyOf(candidates []candidate) (Match, bool) {
	patterns := make([]string, len(candidates))
	for i, c := range candidates {
		if m := c.rule.Match; m.Method != "" || len(m.Headers)+len(m.Query) > 0 {
			return Match{}, false
		}
		patterns[i] = c.rule.Match.pattern()
	}
	m := Match{Kind: Regex, Path: strings.Join(patterns, "|")}
	return m, Known(m.Path) == nil
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
