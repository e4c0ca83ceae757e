package route

import (
	"cmp"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Input is all that Merge may read.
type Input struct {
	Class *Class
	// Own are the fragments with a rule for the host, Wildcard those with one for
	// the wildcard it falls under, Any those with one for Any, which names below a
	// wildcard fall through to. Each sorted by Older, and of this class.
	Own, Wildcard, Any []*Fragment
	// Canaries are those on the Services that Own, Any and the class lead to, in the
	// order of their fragments. Others do no harm.
	Canaries []Canary
}

// VirtualHost is what becomes of the requests to one host.
type VirtualHost struct {
	Host string
	// Settings are those of the class.
	Settings *policy.Route
	// Routes are in the order in which they are tried.
	Routes []Route
	// Chain is the host whose filter chain serves this one over TLS, if it redirects to
	// https: that chain must be live first. It is empty if the host does not redirect.
	Chain string
	// Backends are those that it leads to, each once, in order of their clusters.
	Backends []Backend
	// From are the objects that it is made of.
	From []object.Ref
}

// Route is one rule of a virtual host.
type Route struct {
	// Name begins with the object that it came from.
	Name  string
	Match Match
	// Plain: the route takes only requests by plain http; Challenges: those, too, by which
	// certificates are issued.
	Plain, Challenges bool
	// Deeper: the route takes only names that are more than one label below this
	// wildcard; empty for all.
	Deeper string
	// Page: the route takes only what Envoy itself asks in place of a target.
	Page bool
	Planned
}

// Merge builds the virtual host of a name; nil if no fragment has a rule for it,
// except for Any, which always exists. The order of the fragments decides
// conflicts, and nothing else does.
func Merge(host string, in Input) (*VirtualHost, []finding.Finding) {
	m := mergeHost(host, in.Class, in.Own, chainOf(host, in))
	if m == nil {
		return nil, nil
	}
	if strings.HasPrefix(host, "*.") {
		m.deeper(in)
	}
	m.canaries(in.Canaries)
	m.pages()
	m.host.Backends = backends(m.host.Routes)
	return &m.host, m.found
}

func backends(routes []Route) (list []Backend) {
	for i := range routes {
		for b := range routes[i].backends {
			if n := len(list); n == 0 || list[n-1].Cluster() != b.Cluster() {
				list = append(list, *b)
			}
		}
	}
	slices.SortFunc(list, func(a, b Backend) int { return strings.Compare(a.Cluster(), b.Cluster()) })
	return slices.CompactFunc(list, func(a, b Backend) bool { return a.Cluster() == b.Cluster() })
}

// deeper decides who takes names of more labels below a wildcard than one: those
// owners that claim them, else the one that takes what no host takes.
func (m *merger) deeper(in Input) {
	var claim []*Fragment
	for _, f := range in.Own {
		if f.Host(m.host.Host).Deep {
			claim = append(claim, f)
		}
	}
	switch len(claim) {
	case 0:
		m.passDeeper(mergeHost(Any, in.Class, in.Any, ""))
		m.host.From = append(m.host.From, refs(in.Any)...)
	case len(in.Own): // they are served like the others
	default:
		m.passDeeper(mergeHost(m.host.Host, in.Class, claim, m.chain))
	}
}

// chainOf is the host whose filter chain serves this host over TLS: the host itself, or
// the wildcard that it falls under. It is empty if neither has a certificate.
func chainOf(host string, in Input) string {
	if _, _, ok := Certificate(host, in.Own); ok {
		return host
	}
	if wildcard, ok := Wildcard(host); ok {
		if _, _, ok := Certificate(wildcard, in.Wildcard); ok {
			return wildcard
		}
	}
	return ""
}

// merger is one host in the making.
type merger struct {
	class     *Class
	host      VirtualHost
	chain     string
	plans     []plan // of the owners, in their order
	winner    map[matchKey]*Fragment
	found     []finding.Finding
	regex     bool      // all paths are patterns
	keepSlash bool      // at the end of a path, when http is sent to https
	https     *Redirect // of this host; made when it is first needed
}

// candidate is a rule with who says so.
type candidate struct {
	rule  Rule
	plan  plan
	guard bool
}

// compare orders candidates; what is equal is tried in the order of the owners. A
// guard comes before what it has equal rank with.
func (o Order) compare(a, b candidate) int {
	first := func(c candidate) int {
		if c.guard {
			return 0
		}
		return 1
	}
	return cmp.Or(o.precedence(a.rule.Match, b.rule.Match), cmp.Compare(first(a), first(b)))
}

func mergeHost(name string, class *Class, owners []*Fragment, chain string) *merger {
	if len(owners) == 0 && name != Any {
		return nil
	}
	m := &merger{class: class, host: VirtualHost{Host: name, Settings: &class.Settings.Route, From: refs(owners)}, chain: chain, winner: map[matchKey]*Fragment{}}
	for _, f := range owners {
		m.plans = append(m.plans, class.planOf(f))
	}
	m.server()
	candidates := m.candidates()
	m.host.Routes = make([]Route, 0, len(candidates)+2) // a redirect and the fallback
	redirect := m.redirects(candidates)
	m.roots(candidates)
	for _, c := range candidates {
		if redirect == byPath && m.leaves(c) {
			m.toHTTPS("redirect "+c.rule.Name, c.rule.Match)
		}
		m.add(Route{Name: c.rule.Name, Match: c.rule.Match, Planned: m.withSession(m.planned(c.plan, c.rule.Action), c.rule)})
	}
	if redirect == byPath && m.wantsHTTPS(m.plans[0]) && !m.lentRedirect() {
		m.toHTTPS("redirect", Match{Path: "/"})
	}
	last := m.fallback()
	m.add(Route{Name: last.Owner + " default", Match: Match{Path: "/"}, Planned: last})
	return m
}

// refs are the objects of fragments.
func refs(of []*Fragment) (list []object.Ref) {
	for _, f := range of {
		list = append(list, f.Origin.Object)
	}
	return list
}

// candidates are the rules of all owners in the order in which they must be tried.
// The oldest fragment wins a path; the others are told so.
func (m *merger) candidates() []candidate {
	list := make([]candidate, 0, m.size())
	for _, p := range m.plans {
		for _, r := range p.fragment.Host(m.host.Host).Rules {
			if c, ok := m.patterned(candidate{rule: r, plan: p}); ok && !m.taken(p.fragment, c.rule) {
				list = append(list, c)
			}
		}
		for _, g := range p.guards() {
			c, _ := m.patterned(g)
			list = append(list, c)
		}
	}
	list = m.slashes(list)
	slices.SortStableFunc(list, m.order().compare)
	return list
}

// size is how many candidates there may be.
func (m *merger) size() (n int) {
	for _, p := range m.plans {
		n += len(p.fragment.Host(m.host.Host).Rules) + len(p.fragment.Guards)
	}
	return n
}

// order is that of the class, unless an owner asks for another one.
func (m *merger) order() Order {
	order := m.class.Order
	if m.regex {
		order = max(order, ByText)
	}
	for _, p := range m.plans {
		order = max(order, p.fragment.Order)
	}
	return order
}

// taken reports whether another rule has the path of r already, and tells its owner.
func (m *merger) taken(f *Fragment, r Rule) bool {
	key := r.Match.key()
	winner, ok := m.winner[key]
	switch {
	case !ok:
		m.winner[key] = f
	case winner == f:
		m.found = append(m.found, finding.PathTwice.At(f.At(r.Field), r.Path, m.host.Host))
	default:
		m.found = append(m.found, finding.PathTaken.At(f.At(r.Field), r.Path, winner.Origin.Object, m.host.Host))
	}
	return ok
}

// planned is an action in use: what is wrong with it is told.
func (m *merger) planned(p plan, a Action) Planned {
	planned, found := p.of(a)
	m.found = append(m.found, found...)
	return planned
}

// fallback is what the host does with a path that no rule matches: that of its
// oldest owner that says so, else that of the class.
func (m *merger) fallback() Planned {
	for _, p := range m.plans {
		if p.fragment.Fallback != nil {
			return m.planned(p, *p.fragment.Fallback)
		}
	}
	switch {
	case m.host.Host == Any || len(m.plans) == 0:
		return m.class.CatchAll
	case m.class.Settings.Compatible():
		return m.lent()
	}
	return m.class.CatchAll
}

func (m *merger) add(r Route) {
	m.host.Routes = append(m.host.Routes, r)
}

// redirecting is how a host sends http to https.
type redirecting int

const (
	never  redirecting = iota
	wholly             // one route, before all others
	byPath             // one before each path whose owner wants it
)

// redirects decides how the host redirects, and adds the route if it does so wholly. A
// host that has a chain then needs it; only who is forced to redirects without one.
func (m *merger) redirects(candidates []candidate) redirecting {
	if !slices.ContainsFunc(m.plans, m.wantsHTTPS) {
		return never
	}
	m.host.Chain = m.chain
	for _, p := range m.plans {
		if !m.wantsHTTPS(p) {
			return byPath
		}
	}
	if m.class.Settings.Compatible() && (m.lentRedirect() || slices.ContainsFunc(candidates, func(c candidate) bool { return !c.guard && !m.leaves(c) })) {
		return byPath
	}
	m.toHTTPS("redirect", Match{Path: "/"})
	return wholly
}

// wantsHTTPS reports whether the requests of a plan by plain http are sent to https.
func (m *merger) wantsHTTPS(p plan) bool {
	return p.settings.SSLRedirect && m.chain != "" || p.settings.ForceSSLRedirect
}

func (m *merger) toHTTPS(name string, match Match) {
	if m.https == nil {
		m.https = ToHTTPS(m.class.Settings.ExternalHTTPSPort, m.portless())
	}
	r := Route{Name: name, Match: match, Plain: true, Planned: Planned{Action: Action{Redirect: m.https}}}
	if r.Challenges = m.class.Settings.Compatible(); r.Challenges && !m.keepSlash {
		m.unslashed(r)
	}
	m.add(r)
}

// passDeeper puts other routes before those of a wildcard, for names of more labels
// than one: Envoy's wildcard matches them, that of an Ingress does not.
func (m *merger) passDeeper(other *merger) {
	for i := range other.host.Routes {
		r := &other.host.Routes[i]
		r.Name, r.Deeper = "deeper "+r.Name, m.host.Host
	}
	m.host.Routes = append(other.host.Routes, m.host.Routes...)
}

// Section is the TLS section that decides which certificate a host has.
type Section struct {
	TLS
	At object.Origin
}

// Certificate is the TLS section whose Secret has the certificate of a host: the first
// section of the oldest owner that has one. Each other section that names another Secret
// gets a finding. False means that the host has no TLS.
//
// owners must be only fragments that have a rule for the host, oldest first. A fragment
// with a TLS section for the host and no rule must not count: it could make hosts of
// other people redirect to https, and be served with a certificate of its own.
func Certificate(host string, owners []*Fragment) (use Section, found []finding.Finding, ok bool) {
	if host == Any {
		return Section{}, nil, false
	}
	for _, f := range owners {
		for _, t := range f.Host(host).TLS {
			at := f.At(t.Field)
			switch {
			case !ok:
				use, ok = Section{t, at}, true
			case t.Secret != use.Secret:
				found = append(found, finding.CertificateTaken.At(at, t.Secret.KeyOrNone(), use.At.Object, host, use.Secret.KeyOrNone()))
			}
		}
	}
	return use, found, ok
}
