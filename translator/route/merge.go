package route

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Input is all that Merge may read.
type Input struct {
	Class *Class
	// Own is whose the host is, with the fragments that are served; Wildcard the same of
	// the wildcard it falls under, and Any of Any, which names below a wildcard fall
	// through to. All by Class.
	Own, Wildcard, Any Tenure
	// Given is Class.Given of the wildcard, if another than Own has that.
	Given Tenure
	// Canaries are those on the Services that Own, Any and the class lead to, in the
	// order of their fragments. Others do no harm.
	Canaries []Canary
	// Secret is what a Secret says; nil if there is none of that name.
	Secret func(object.Ref) *Credential
	// ConfigMap is what a ConfigMap has, or why nobody knows.
	ConfigMap func(object.Ref) (map[string]string, error)
	// Lacks reports whether there is no Service of that name. Only those are asked for that
	// are Optional where they are named.
	Lacks func(object.Ref) bool
}

// VirtualHost is what becomes of the requests to one host.
type VirtualHost struct {
	Host string
	// Class are the settings of the class.
	Class *policy.Values
	// Routes are in the order in which they are tried.
	Routes []Route
	// Chain is the host whose filter chain serves this one over TLS, if it redirects to
	// https: that chain must be live first. It is empty if the host does not redirect.
	Chain string
	// Clients is how it checks client certificates; nil if it asks for none.
	Clients *Checked
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
	// Preflight, if not nil, is what browsers are told by an answer to a preflight.
	Preflight *Preflight
	// Page: the route takes only what Envoy itself asks in place of a target.
	Page bool
	Planned
}

// Merge builds the virtual host of a name; nil if no fragment has a rule for it,
// except for Any, which always exists, and for a name that is kept for its owner. The
// order of the fragments decides conflicts, and nothing else does.
func Merge(host string, in Input) (*VirtualHost, []finding.Finding) {
	m := mergeHost(host, &in, in.Own, chainOf(host, in))
	if m == nil && in.keeps() {
		m = newMerger(host, &in, in.Own, "")
		m.last(m.fallback())
	}
	if m == nil {
		return nil, in.Own.Found
	}
	if strings.HasPrefix(host, "*.") {
		m.deeper(in)
	}
	m.canaries(in.Canaries)
	m.clients(in.Own, in.Secret)
	m.pages()
	m.host.Backends = backends(m.host.Routes, Through(host, in.Own))
	return &m.host, slices.Concat(in.Own.Found, m.found)
}

// keeps reports whether the host has a virtual host of its own although no rule is served
// for it: its owner is gone, and others would take its requests before the time of that.
func (in *Input) keeps() bool {
	if !in.Own.Claim.Lapsed || in.Own.Owner == in.Wildcard.Owner {
		return false
	}
	return in.Wildcard.Owner != "" || in.Any.Owner != "" && in.Any.Owner != in.Own.Owner
}

// backends are those of routes, and the one that gets connections as they are.
func backends(routes []Route, through *Backend) (list []Backend) {
	if through != nil {
		list = append(list, *through)
	}
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

// mostDeeper is how many routes of rules without a host are copied to each wildcard: there
// may be many wildcards, and many such rules, and the product of both is nobody's wish.
const mostDeeper = 32

// deeper decides who takes names of more labels below a wildcard than one: those
// owners that claim them, else the one that takes what no host takes.
func (m *merger) deeper(in Input) {
	claim := in.Own
	claim.Served = slices.DeleteFunc(slices.Clone(in.Own.Served), func(f *Fragment) bool { return !f.Host(m.host.Host).Deep })
	switch len(claim.Served) {
	case 0:
		other := mergeHost(Any, &in, in.Any, "")
		if len(other.host.Routes) > mostDeeper {
			other.host.Routes = other.host.Routes[len(other.host.Routes)-1:] // of what no rule matches
			for _, f := range in.Any.Served[:1] {
				m.found = append(m.found, finding.RulesNotDeep.At(f.Names(Any), "", mostDeeper))
			}
		}
		other.closedByTLS(in.Any)
		m.passDeeper(other)
		m.host.From = append(m.host.From, other.host.From...)
	case len(in.Own.Served): // they are served like the others
	default:
		m.passDeeper(mergeHost(m.host.Host, &in, claim, m.chain))
	}
}

// chainOf is the host whose filter chain serves this host over TLS: the host itself or,
// in a compatible class, the wildcard that it falls under, if it has the same owner. It
// is empty if neither has a certificate. Elsewhere only an Ingress that names the
// wildcard in a TLS section of its own wants it for its hosts, and lowering knows that. Where
// another owner has the wildcard by a rule, and this one by a name beside a host, the chain
// of the host has that certificate.
func chainOf(host string, in Input) string {
	if _, _, ok := in.Class.Certificate(host, in.Own); ok {
		return host
	}
	wildcard, ok := Wildcard(host)
	if !ok || !in.Class.Settings.Compatible() {
		return ""
	}
	of, chain := in.Wildcard, wildcard
	if of.Owner != in.Own.Owner {
		of, chain = in.Given, host // see Handshakes
	}
	if _, _, ok := in.Class.Certificate(wildcard, of); !ok {
		return ""
	}
	return chain
}

// merger is one host in the making.
type merger struct {
	class  *Class
	host   VirtualHost
	chain  string
	owner  string // namespace
	plans  []plan // of the fragments that are served, in their order
	winner map[matchKey]*Fragment
	found  []finding.Finding
	regex  bool               // all paths are patterns
	exact  map[exactPath]bool // of rules; made when it is first needed
	https  *Redirect          // of this host; made when it is first needed
	sends  bool               // the owner alone would send all of plain http to https
	first  []Route            // before all others
	ahead  []Route            // of places, before all rules
	// ofRules is where the routes begin that are asked again for a path that has become another
	// one: before them stands what is said of the host as a whole.
	ofRules int
	apart   *Measures          // of places
	whole   *Measures          // of the host, for all that it has; nil for none
	beside  map[exactPath]bool // of prefixes that leave their path to rules of type Exact
}

// candidate is a rule with who says so.
type candidate struct {
	rule  Rule
	plan  plan
	guard bool
	apart bool   // it is a place of the host: it is not sent to https
	place *Match // in the order, if that is not the place of its match
}

// ranks is the match that gives c its place in the order.
func (c candidate) ranks() Match {
	if c.place != nil {
		return *c.place
	}
	return c.rule.Match
}

// compare orders candidates; what is equal is tried in the order of the owners. A
// guard comes before what it has equal rank with.
func (o Order) compare(a, b candidate) int {
	first := func(c candidate) int {
		if c.guard || c.apart {
			return 0
		}
		return 1
	}
	return cmp.Or(o.precedence(a.ranks(), b.ranks()), cmp.Compare(first(a), first(b)))
}

// newMerger plans all that is served of a name.
func newMerger(name string, in *Input, of Tenure, chain string) *merger {
	class := in.Class
	m := &merger{class: class, host: VirtualHost{Host: name, Class: &class.Settings}, owner: of.Owner, chain: chain, winner: map[matchKey]*Fragment{}}
	for _, f := range of.Served {
		if f.Host(name) == nil { // it has a catch-all
			continue
		}
		p := class.planOf(f)
		m.found = append(append(m.found, p.admit(name, in)...), p.lost(in)...)
		if !of.Owns(f) {
			p = m.guest(p)
		}
		m.plans = append(m.plans, p)
		m.host.From = append(m.host.From, f.Origin.Object)
	}
	return m
}

// owning yields the plans of the owner.
func (m *merger) owning(yield func(plan) bool) {
	for _, p := range m.plans {
		if p.owns && !yield(p) {
			return
		}
	}
}

func mergeHost(name string, in *Input, of Tenure, chain string) *merger {
	m := newMerger(name, in, of, chain)
	if len(m.plans) == 0 && name != Any {
		return nil
	}
	m.widen()
	m.nameless(of)
	m.everywhere()
	m.silent()
	m.server()
	candidates := m.candidates()
	m.host.Routes = make([]Route, 0, len(candidates)+2) // a redirect and the fallback
	m.beforeRules(candidates)
	last := m.fallback()
	preflighted, alike := m.preflightsAlike(candidates, last)
	if alike {
		m.preflight("preflight", preflighted, candidates[0].plan)
	}
	redirect := m.redirects(candidates, &last)
	for _, c := range candidates {
		if m.preflights(c) && !alike {
			m.preflight("preflight "+c.rule.Name, c.rule.Match, c.plan)
		}
		m.before(c)
		if redirect == byPath && (m.leaves(c) || c.guard && c.plan.owns && m.sends) {
			m.toHTTPS("redirect "+c.rule.Name, c.rule.Match, m.keepsSlash(c.plan))
		}
		m.addRewritten(Route{Name: c.rule.Name, Match: c.rule.Match, Planned: m.withSession(m.planned(c.plan.challenged(c.rule), c.rule.Action), c.rule)})
	}
	m.beforeLast(last, alike, redirect)
	m.last(last)
	m.moves()
	return m
}

// beforeRules adds what comes before all rules, whatever their paths.
func (m *merger) beforeRules(candidates []candidate) {
	m.solvers(candidates)
	for _, r := range m.first {
		m.add(r)
	}
	m.roots()
	m.ofRules = len(m.host.Routes)
	for _, r := range m.ahead {
		m.add(r)
	}
}

// last adds the route of what no rule matches.
func (m *merger) last(last Planned) {
	m.addRewritten(Route{Name: last.Owner + " default", Match: Match{Path: "/"}, Planned: last})
}

// beforeLast adds what is tried before that: preflights unless all of the host's have one route,
// conditions, and the redirect to https.
func (m *merger) beforeLast(last Planned, alike bool, redirect redirecting) {
	if last.preflights() && !alike {
		m.preflight("preflight "+last.Owner+" default", Match{Path: "/"}, plan{settings: last.Settings, measures: last.Measures})
	}
	m.conditionsOfLast(last)
	if p, redirects := m.redirectsRest(); redirect == byPath && redirects {
		m.toHTTPS("redirect", Match{Path: "/"}, m.keepsSlash(p))
	}
}

func (m *merger) conditionsOfLast(last Planned) {
	if !m.class.Settings.Compatible() || m.class.Rest != nil && last.From == m.class.CatchAll.From {
		m.beforeRest(last)
		return
	}
	if m.unowned() {
		return
	}
	for p := range m.owning { // the oldest object of the owner lends what it asks for
		m.before(candidate{plan: p, rule: Rule{Name: last.Owner + " default", Match: Match{Path: "/"}}})
		return
	}
}

// candidates are the rules of all owners in the order in which they must be tried.
// The oldest fragment wins a path; the others are told so.
func (m *merger) candidates() []candidate {
	list := make([]candidate, 0, m.size())
	for _, p := range m.plans {
		for _, r := range p.fragment.Host(m.host.Host).Rules {
			c, ok := m.patterned(candidate{rule: r, plan: p})
			switch {
			case m.hidden(p.fragment, r):
			case !ok:
				if c, ok := m.shut(p, r); ok {
					list = append(list, c)
				}
			case !m.taken(p.fragment, c.rule) && !m.caught(p.fragment, r):
				list = append(list, c)
			}
		}
		for _, r := range p.fragment.Host(m.host.Host).Refused {
			if c, ok := m.shut(p, r); ok {
				list = append(list, c)
			}
		}
		for _, g := range p.guards() {
			c, _ := m.patterned(g)
			list = append(list, c)
		}
	}
	list = append(m.slashes(list), m.places()...)
	slices.SortStableFunc(list, m.order().compare)
	m.covered(list)
	return list
}

// covered tells the owner of a prefix that gets no request: the same one with a slash at
// its end matches all that it does, and goes first. One that does the same misses nothing.
func (m *merger) covered(list []candidate) {
	slashed := map[matchKey]candidate{}
	for _, c := range list {
		match := c.rule.Match
		if c.guard || match.Kind != Prefix {
			continue
		}
		if first, ok := slashed[match.key()]; ok && !(first.plan.fragment == c.plan.fragment && reflect.DeepEqual(first.rule.Action, c.rule.Action)) {
			m.found = append(m.found, finding.PathCovered.At(c.plan.fragment.At(c.rule.Field), c.rule.Path, first.plan.fragment.Origin.Object, first.rule.Path, m.host.Host))
		}
		if bare, ok := strings.CutSuffix(match.Path, "/"); ok && bare != "" {
			match.Path = bare
			slashed[match.key()] = c
		}
	}
}

// size is how many candidates there may be.
func (m *merger) size() (n int) {
	for _, p := range m.plans {
		n += len(p.fragment.Host(m.host.Host).Rules) + len(p.fragment.Guards)
	}
	return n
}

// order is that of the class, unless an object of the owner asks for another one.
func (m *merger) order() Order {
	order := m.class.Order
	if m.regex {
		order = max(order, ByText)
	}
	for p := range m.owning {
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
		m.found = append(m.found, finding.PathTaken.At(f.At(r.Field), r.Path, winner.Origin.Object, m.host.Host, Precedence(winner, f)))
	}
	return ok
}

// caught reports whether a catch-all has the path of r, and tells its owner.
func (m *merger) caught(f *Fragment, r Rule) bool {
	is := m.ofRest(f, r)
	if is {
		m.found = append(m.found, finding.PathTaken.At(f.At(r.Field), r.Path, m.class.CatchAll.From, m.host.Host, "has no rules, and so comes first"))
	}
	return is
}

// ofRest reports whether a catch-all has the path of r. A compatible class gives "/" of unknown
// hosts to an object without rules before it looks at rules without a host, however old these
// are; here it takes none of another namespace.
func (m *merger) ofRest(f *Fragment, r Rule) bool {
	return m.unowned() && m.class.Rest != nil && m.class.CatchAll.From.Namespace == f.Origin.Object.Namespace && r.Path == "/" && r.Match.Kind != Exact
}

// unowned reports whether what no rule matches has nothing of the objects with rules: at unknown
// hosts, in a compatible class. It is not sent to https by what they say, nor by what a
// catch-all says, as in ingress-nginx.
func (m *merger) unowned() bool { return m.host.Host == Any && m.class.Settings.Compatible() }

// planned is an action in use: what is wrong with it is told.
func (m *merger) planned(p plan, a Action) Planned {
	planned, found := p.of(a)
	m.found = append(m.found, found...)
	return planned
}

// fallback is what the host does with a path that no rule matches: that of the oldest
// object of its owner that says so, else that of the class. In a compatible class it is what
// the very oldest lends.
func (m *merger) fallback() Planned {
	compatible := m.class.Settings.Compatible()
	var first *plan
	for p := range m.owning {
		switch {
		case compatible && first == nil:
			first = &p
		case p.fragment.Fallback == nil:
		case compatible:
			m.found = append(m.found, finding.DefaultUnused.At(p.fragment.At("spec.defaultBackend"), "", first.fragment.Origin.Object, m.host.Host))
		default:
			return m.planned(p, *p.fragment.Fallback)
		}
	}
	if first != nil && m.host.Host != Any {
		return m.lent(*first)
	}
	rest := m.class.unmatched(m.host.Host, m.owner)
	rest.Measures = rest.Measures.with(m.whole)
	if rest.Settings == nil && m.unowned() { // no address is asked where there is nothing
		rest.Settings = m.class.openOf(&m.class.Settings.Route)
	}
	return rest
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
func (m *merger) redirects(candidates []candidate, last *Planned) redirecting {
	if !slices.ContainsFunc(m.plans, m.wantsHTTPS) {
		return never
	}
	m.host.Chain = m.chain
	if m.sendsAll(m.plans, candidates, last) {
		m.toHTTPS("redirect", Match{Path: "/"}, m.keepsSlash(m.plans[0]))
		return wholly
	}
	if owns := func(p plan) bool { return p.owns }; !all(m.plans, owns) {
		m.sends = m.sendsAll(slices.Collect(m.owning), kept(candidates, func(c candidate) bool { return c.plan.owns }), last)
	}
	return byPath
}

func all[T any](list []T, is func(T) bool) bool {
	return !slices.ContainsFunc(list, func(one T) bool { return !is(one) })
}

func kept[T any](list []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(one T) bool { return !is(one) })
}

// sendsAll reports whether plans would send all of plain http to https, if they were all that the
// host has.
func (m *merger) sendsAll(plans []plan, candidates []candidate, last *Planned) bool {
	for _, p := range plans {
		if !m.wantsHTTPS(p) || m.keepsSlash(p) != m.keepsSlash(plans[0]) {
			return false
		}
	}
	_, preflighted := m.preflightsAlike(candidates, *last)
	if last.answers() || !preflighted && last.preflights() || m.class.Settings.Compatible() && (m.unowned() || m.lentRedirect()) {
		return false
	}
	return len(plans) > 0 && !slices.ContainsFunc(candidates, func(c candidate) bool {
		return c.answers() || !preflighted && m.preflights(c) || m.class.Settings.Compatible() && !c.guard && !m.leaves(c)
	})
}

// redirectsRest reports whether plain http is redirected where no rule matches: as the
// oldest object of the owner says, whose plan it returns.
func (m *merger) redirectsRest() (plan, bool) {
	for p := range m.owning {
		return p, m.wantsHTTPS(p) && !m.lentRedirect() && !m.unowned()
	}
	return plan{}, false
}

// keepsSlash reports whether the redirect of a plan to https keeps a slash at the end of a
// path.
func (m *merger) keepsSlash(p plan) bool {
	return !m.class.Settings.Compatible() || p.fragment.Host(m.host.Host).Server.KeepSlash
}

// wantsHTTPS reports whether the requests of a plan by plain http are sent to https. In a
// compatible class what is closed says so at once.
func (m *merger) wantsHTTPS(p plan) bool {
	if p.closed && m.class.Settings.Compatible() {
		return false
	}
	return p.settings.SSLRedirect && m.chain != "" || p.settings.ForceSSLRedirect
}

func (m *merger) toHTTPS(name string, match Match, keepSlash bool) {
	if m.https == nil {
		m.https = ToHTTPS(m.class.Settings.ExternalHTTPSPort, m.portless())
	}
	r := Route{Name: name, Match: match, Plain: true, Planned: Planned{Action: Action{Redirect: m.https}}}
	if m.class.Settings.Compatible() { // it comes before the addresses and rates of the class, too
		r.Settings = m.class.openOf(&m.class.Settings.Route)
	}
	if r.Challenges = m.class.Settings.Compatible(); !keepSlash {
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
	// Lent, if there are any, are sections in place of TLS that name other hosts: the first
	// whose certificate covers this one counts, else the default certificate.
	Lent []TLS
}

// Certificate is the TLS section whose Secret has the certificate of a host: the first
// section of the oldest object of the owner that has one. Each other section of the owner
// that names another Secret gets a finding. False means that the host has no TLS.
//
// Only fragments that have a rule for the host count. One with a TLS section for the host
// and no rule could make hosts of other people redirect to https, and be served with a
// certificate of its own.
//
// In a compatible class a host has TLS, too, if its object has a section for another one.
func (c *Class) Certificate(host string, of Tenure) (use Section, found []finding.Finding, ok bool) {
	if host == Any {
		return Section{}, nil, false
	}
	if use, found, ok = c.section(host, of, of.Served); !ok {
		use, found, ok = c.section(host, of, of.Certified)
	}
	return use, found, ok
}

// section is Certificate by some of the fragments only.
func (c *Class) section(host string, of Tenure, by []*Fragment) (use Section, found []finding.Finding, ok bool) {
	var first *Fragment
	for _, f := range by {
		if !of.Owns(f) {
			continue
		}
		h := f.Host(host)
		if !ok && !h.Ends(false) && h.Ends(c.Settings.Compatible()) {
			use, first, ok = Section{TLS: h.Lent[0], At: f.At(h.Lent[0].Field), Lent: h.Lent}, f, true
		}
		for _, t := range h.TLS {
			at := f.At(t.Field)
			switch {
			case !ok:
				use, first, ok = Section{TLS: t, At: at}, f, true
			case t.Secret != use.Secret:
				found = append(found, finding.CertificateTaken.At(at, t.Secret.KeyOrNone(), use.At.Object, host, Precedence(first, f), use.Secret.KeyOrNone()))
			}
		}
	}
	return use, found, ok
}
