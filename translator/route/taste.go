package route

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// What a compatible class does as ingress-nginx did, where the API leaves it open.

// portless is what a redirect puts in place of the client's host, so that a port goes, which
// is not that of https; empty where the host is not known, and stays as the client wrote it.
func (m *merger) portless() string {
	if m.host.Host == Any || strings.HasPrefix(m.host.Host, "*.") {
		return ""
	}
	return m.host.Host
}

// unslashed adds, before a redirect to https, those that lose the slash at the end of a
// path. The path / alone is a case of its own: Envoy sends nobody to an empty path.
func (m *merger) unslashed(r Route) {
	root, below := r, r
	host := Piece{Literal: m.portless()}
	if host.Literal == "" {
		host = Piece{Part: Authority}
	}
	root.Name, root.Redirect = r.Name+" root", &Redirect{Status: r.Redirect.Status, To: Text{{Literal: "https://"}, host}}
	if port := r.Redirect.Port; port != 0 {
		root.Redirect.To = append(root.Redirect.To, Piece{Literal: ":" + strconv.Itoa(int(port))})
	}
	to := *r.Redirect
	to.Rewrite = &Rewrite{Pattern: "^(.+)/$", To: `\1`}
	below.Name, below.Redirect = r.Name+" without its slash", &to
	at := func(pattern string) []ValueMatch {
		return append(slices.Clip(r.Match.Headers), ValueMatch{Name: ":path", Value: pattern, Regex: true})
	}
	root.Match.Headers, below.Match.Headers = at("/"), at("(?s:.+)/")
	if r.Match.takesPath("/") {
		m.add(root)
	}
	m.add(below)
}

// leaves reports whether a request by plain http that a candidate takes is sent to https.
// A redirect of its own comes first, and a path of challenges for certificates stays.
func (m *merger) leaves(c candidate) bool {
	if c.guard || c.apart || !m.wantsHTTPS(c.plan) {
		return false
	}
	return !m.class.Settings.Compatible() || c.rule.Action.Redirect == nil && !strings.HasPrefix(c.rule.Path, strings.TrimSuffix(ACME, "/"))
}

// slashes adds, for each path that ends with a slash, the same path without it, which
// sends there, unless a rule has that. Patterns have no such thing, and what is denied leaves it
// to the other rules.
func (m *merger) slashes(list []candidate) []candidate {
	if !m.class.Settings.Compatible() || m.regex {
		return list
	}
	for i, c := range slices.Clone(list) {
		bare := strings.TrimSuffix(c.rule.Match.Path, "/")
		match := Match{Kind: Exact, Path: bare}
		if c.guard || bare == "" || bare == c.rule.Match.Path || c.rule.Match.Kind == Regex {
			continue
		}
		if m.denied(c.plan) {
			list[i] = c.below()
			continue
		}
		if m.has(match) || m.hasOwn(Match{Path: bare}, c.plan.fragment) {
			continue
		}
		m.winner[match.key()], c.plan = c.plan.fragment, m.withoutCors(c.plan)
		if own := c.plan.measures; own != nil { // so is what a snippet of the path answers
			rest := *own
			rest.Before = nil
			c.plan.measures = &rest
		}
		c.rule.Name += " without its slash"
		c.rule.Match = match
		c.rule.Action = Action{Redirect: &Redirect{Status: http.StatusMovedPermanently, Host: m.portless(), Path: bare + "/"}}
		list = append(list, c)
	}
	return list
}

// below is c for what begins with its path, whose slash at the end counts; its place in the
// order stays.
func (c candidate) below() candidate {
	if place := c.ranks(); place.Kind == Prefix {
		c.place, c.rule.Match.Kind, c.rule.Match.Path = &place, Regex, EverySpelling(place.Path)+"(?s:.*)"
	}
	return c
}

// denied reports whether ingress-nginx serves nothing of an object either, for what it names:
// then it has no redirect to a path with a slash.
func (m *merger) denied(p plan) bool {
	return p.closed && !p.byOthers && !m.class.closes(p.fragment)
}

// hasOwn reports whether there is a rule of the namespace of f: those of others change nothing that it has.
func (m *merger) hasOwn(match Match, f *Fragment) bool {
	winner := m.winner[match.key()]
	return winner != nil && winner.Origin.Object.Namespace == f.Origin.Object.Namespace
}

func (m *merger) has(match Match) bool { return m.winner[match.key()] != nil }

// roots puts first what the host has for the path / alone. It is said by a fragment that has a rule
// here, though it may get no request, or that lends its settings, whoever has a rule for /; of
// several that say so, by the one with the longest path, as in ingress-nginx. That of somebody else
// than the owner counts where the path / is his.
func (m *merger) roots() {
	if !slices.ContainsFunc(m.plans, func(p plan) bool { return p.fragment.Host(m.host.Host).Root != nil }) {
		return
	}
	var by *plan
	var longest Match
	taken := map[matchKey]bool{} // by rules that are older
	for i, p := range m.plans {
		said := p.fragment.Host(m.host.Host)
		if said.Root != nil && (p.owns || m.hasRoot(p.fragment)) {
			for _, match := range m.rooted(p, taken) {
				if by == nil || rootFirst(match, longest) {
					by, longest = &m.plans[i], match
				}
			}
		}
		for _, r := range said.Rules {
			taken[r.Match.key()] = true
		}
	}
	if by != nil {
		root := by.fragment.Host(m.host.Host).Root
		m.add(Route{Name: by.fragment.Origin.Object.Key() + " root", Match: Match{Kind: Exact, Path: "/"}, Planned: m.planned(m.ofHost(*by), *root)})
	}
}

// rooted are the paths, as they are written, that ingress-nginx has of a fragment: those of rules
// that no older one has, and / of the one that lends its settings.
func (m *merger) rooted(p plan, taken map[matchKey]bool) (list []Match) {
	if m.lends(p) && !m.unowned() {
		list = append(list, Match{Path: "/"})
	}
	for _, r := range m.rules(p.fragment) {
		if !taken[r.Match.key()] {
			list = append(list, Match{Kind: r.Match.Kind, Path: r.written()})
		}
	}
	return list
}

// rootFirst reports whether ingress-nginx has a path before another one that is there already. Of
// those with one text the older is first; but / of type Prefix is there before all rules.
func rootFirst(a, b Match) bool {
	order := cmp.Or(longer(a.Path, b.Path), strings.Compare(b.Path, a.Path))
	return order < 0 || order == 0 && a.Path == "/" && exactFirst(b, a) < 0
}

// hasRoot reports whether the path / is of the namespace of f.
func (m *merger) hasRoot(f *Fragment) bool {
	exact := Match{Kind: Exact, Path: "/"}
	return m.hasOwn(exact, f) || !m.has(exact) && m.hasOwn(Match{Path: "/"}, f)
}

// ofHost is a plan for what the host answers before it has looked for a rule: with the headers
// of the host, and without the headers and the limit of bodies that are of rules. Whom a rule
// keeps out is kept out.
func (m *merger) ofHost(p plan) plan {
	p.closed = p.closed && !m.denied(p)
	var own Measures
	if p.measures != nil {
		own.Addresses = p.measures.Addresses
	}
	if m.apart != nil {
		own.Headers = m.apart.Headers
	}
	p.measures = &own
	return m.unruled(p, 0)
}

// unruled is a plan for what the host answers beside its rules, without their headers for browsers,
// and with another limit of bodies, in bytes.
func (m *merger) unruled(p plan, body uint64) plan {
	if p.settings.Cors == m.class.Settings.Cors && p.settings.RequestBody == body {
		return p
	}
	return p.with(func(s *policy.Route) { s.Cors, s.RequestBody = m.class.Settings.Cors, body })
}

// withoutCors is a plan for what is answered before the headers of rules for browsers are added.
func (m *merger) withoutCors(p plan) plan { return m.unruled(p, p.settings.RequestBody) }

// silent has plans that are closed say nothing of rules in a compatible class, where what is
// denied is answered at once.
func (m *merger) silent() {
	for i, p := range m.plans {
		if p.closed && m.class.Settings.Compatible() {
			m.plans[i] = m.withoutCors(p)
			m.plans[i].measures = m.apart
		}
	}
}

// with is a plan with other settings.
func (p plan) with(change func(*policy.Route)) plan {
	for _, s := range []**policy.Route{&p.settings, &p.open} {
		if *s != nil {
			own := **s
			change(&own)
			*s = &own
		}
	}
	return p
}

// hidden reports whether a rule gets no request, and tells its owner: at a host of patterns
// the path / of type Prefix is tried before that of type Exact, and is there without a rule.
func (m *merger) hidden(f *Fragment, r Rule) bool {
	is := m.regex && m.class.Settings.Compatible() && r.Match.Kind == Exact && r.Path == "/"
	if is {
		m.found = append(m.found, finding.RootHidden.At(f.At(r.Field), r.Path, m.host.Host))
	}
	return is
}

// lent is what a host of a compatible class does with a path that no rule matches: what
// the object of p, the oldest of the host's owner, says for it (Lends), else what the class
// does, both under the settings of that object.
func (m *merger) lent(p plan) Planned {
	action := m.class.unmatched(m.host.Host, m.owner).Action
	if p.fragment.Lends != nil {
		action = *p.fragment.Lends
	}
	return m.planned(p, action).withoutSession()
}

// withoutSession is p without sessions by cookie, which are of rules.
func (p Planned) withoutSession() Planned {
	if s := p.Settings; s != nil && s.Session.Affinity == policy.ByCookie {
		own := *s
		own.Session.Affinity, p.Settings = policy.NoAffinity, &own
	}
	return p
}

// lentRedirect reports whether paths that no rule has are redirected by their owner.
func (m *merger) lentRedirect() bool {
	for p := range m.owning {
		lends := p.fragment.Lends
		return m.class.Settings.Compatible() && lends != nil && lends.Redirect != nil
	}
	return false
}

// challenged is p for one rule: about challenges for certificates the service of the class is
// not asked, or there would never be one.
func (p plan) challenged(r Rule) plan {
	if p.local != nil && strings.HasPrefix(r.Path, strings.TrimSuffix(ACME, "/")) {
		p.settings = p.local
	}
	return p
}

// lends reports whether a plan is the one that lends its settings to paths without a rule.
func (m *merger) lends(p plan) bool {
	for first := range m.owning {
		return first.fragment == p.fragment
	}
	return false
}
