package route

import (
	"slices"
	"strings"
)

// solvers adds, before all else, the rules by which an issuer of certificates looks: by
// plain http they are served whatever others close or restrict at the host. Else a host
// that is closed could never get the certificate that it needs. Where nothing is in the
// way of a rule, it is left at its place.
func (m *merger) solvers(candidates []candidate) {
	for i, c := range candidates {
		if c.guard || c.apart || !strings.HasPrefix(c.rule.Path, ACME) || c.rule.Path == ACME || len(c.rule.Action.Targets) == 0 ||
			c.plan.closed && !c.plan.byOthers || c.plan.restricts(m.host.Host) || !m.hindered(c, candidates[:i]) {
			continue
		}
		p := c.plan
		p.closed, p.measures = false, p.fragment.Measures
		m.add(Route{Name: "challenge " + c.rule.Name, Match: c.rule.Match, Plain: true, Challenges: true, Planned: m.planned(p, c.rule.Action)})
	}
}

// hindered reports whether anything but the rule itself decides over what a candidate
// takes.
func (m *merger) hindered(c candidate, before []candidate) bool {
	return c.plan.byOthers || len(m.first) > 0 || c.plan.measures != c.plan.fragment.Measures ||
		slices.ContainsFunc(before, func(o candidate) bool { return o.rule.Match.takesPath(c.rule.Path) })
}
