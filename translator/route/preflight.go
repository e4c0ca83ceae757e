package route

import (
	"cmp"
	"net/http"

	"legation.dev/translator/policy"
)

// preflights reports whether the preflights of browsers to a candidate are answered.
func (m *merger) preflights(c candidate) bool {
	return !c.guard && !c.plan.closed && c.plan.settings.Cors.Active()
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
	if of != nil && !of.Headers.Response.none() {
		planned.Measures = &Measures{Headers: Headers{Response: of.Headers.Response}}
		planned.Settings = cmp.Or(planned.Settings, &m.class.Settings.Route)
	}
	m.add(Route{Name: "preflight " + name, Match: match, Preflight: cors, Planned: planned})
}
