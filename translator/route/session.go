package route

import (
	"regexp"

	"legation.dev/translator/policy"
)

// withSession gives a plan whose cookie says no path that of its rule. A pattern is no
// path.
func (m *merger) withSession(p Planned, r Rule) Planned {
	if p.Settings.Session.Affinity != policy.ByCookie || p.Settings.Session.Path != "" || len(p.Targets) == 0 {
		return p
	}
	own := *p.Settings
	if own.Session.Path = r.Path; m.regex || r.Match.Kind == Regex {
		own.Session.Path = "/"
	}
	p.Settings = &own
	return p
}

// sessions are the routes of those who began at Main or at the canary, and the settings of
// the canary's share: it has a cookie of its own, or an address of the one would be looked
// for at the other.
func (c *Canary) sessions(r Route, to Backend) (list []Route, settings *policy.Route) {
	s := r.Settings.Session
	if s.Affinity != policy.ByCookie {
		return nil, nil
	}
	own := *r.Settings
	if settings = &own; !s.OnCanary {
		own.Session.Affinity = policy.NoAffinity
		return nil, settings
	}
	own.Cookie += "-canary"
	of := func(side, name string, target Target) {
		one := r
		one.Name, one.Targets = side+" by session "+r.Name, []Target{target}
		one.Match.Headers = append(append([]ValueMatch{}, r.Match.Headers...), ValueMatch{Name: "cookie", Value: hasCookie(name), Regex: true})
		list = append(list, one)
	}
	of("main", s.Cookie, r.Targets[0])
	of("canary", own.Cookie, Target{Backend: to, Settings: settings})
	return list, settings
}

// hasCookie is the pattern of a header with cookies, one of which has this name and is a
// session of Envoy's: a message with an address of less than 64 bytes, in base64, which
// begins so. Else it is one of another proxy, or of a canary that is asked for by a cookie
// of the same name, and decides nothing.
func hasCookie(name string) string {
	return `(?:.*;)?\s*` + regexp.QuoteMeta(name) + `="?C[g-j][0-9A-Za-z+/]+=*"?\s*(?:;.*)?`
}
