package route

import (
	"net/http"

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

// preflights reports whether those to what no rule matches are.
func (p *Planned) preflights() bool {
	return p.Settings != nil && p.Settings.Cors.Active() && p.Status != http.StatusServiceUnavailable
}

// preflight answers preflights to what a match takes, before its owner's redirects and
// before all that restricts access. Those of origins that are not allowed are left to
// the route itself. What measures add to answers is on these, too.
func (m *merger) preflight(name string, match Match, cors *policy.Cors, of *Measures) {
	match.Method = http.MethodOptions
	if cors.CorsOrigins != policy.AnyOrigin {
		match.Headers = append(match.Headers[:len(match.Headers):len(match.Headers)], ValueMatch{Name: "origin", Value: cors.CorsOrigins.Pattern(), Regex: true})
	}
	// What the class restricts is behind it, too.
	planned := Planned{Action: Action{Status: http.StatusNoContent}, Settings: m.class.openOf(&m.class.Settings.Route)}
	p := &Preflight{Cors: cors}
	if of != nil {
		p.Headers = of.Headers.Response.ordinary()
	}
	m.add(Route{Name: "preflight " + name, Match: match, Preflight: p, Planned: planned})
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
