package route

import (
	"regexp"
	"slices"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
)

// Canary is a relation of two Services: some of the requests that would go to Main go
// to To, whatever host and rule leads to Main. A header decides first, then a cookie,
// then the weight; which of them are empty plays no part.
type Canary struct {
	// Host and Match are those of the rule, of another object, that leads to Main.
	Host  string
	Match Match
	// Main is found by Resolved: an object alone does not know it.
	Main Backend
	// To has the settings of what it stands in for, not those of its own object.
	To Backend
	// Header has Value, or matches Pattern (RE2, over the whole value), in what goes to
	// To. If both are empty, its value "always" does, and "never" stays with Main.
	Header, Value, Pattern string
	// Cookie has the value "always" or "never", in the same way.
	Cookie string
	// Weight of Total other requests go to To; none if Total is 0.
	Weight, Total uint32
	// Origin is where the object says so.
	Origin object.Origin
}

// What decides by itself, as the value of a header or a cookie.
const (
	sayAlways = "always"
	sayNever  = "never"
)

// Resolved is f with those of its canaries that have a main Service, which the
// tenure of the host says: it is that of the oldest rule with the same match, if an object of
// the same namespace has it, and it leads to one Service, and to another one than the canary.
func (f *Fragment) Resolved(tenure func(host string) Tenure) *Fragment {
	one := *f
	one.Canaries = nil
	sums := []string{string(f.sum[:])}
	for _, c := range f.Canaries {
		rule, ok := ruleOf(c.Host, c.Match, f.Origin.Object.Namespace, tenure(c.Host))
		if main := rule.service(); ok && main != nil {
			c.Main = *main
			if !c.on(c.To) {
				one.Canaries, sums = append(one.Canaries, c), append(sums, c.Main.Cluster())
			}
		}
	}
	return one.Sealed(pmap.SumOf(sums...))
}

// service is the one Service that a rule names; nil for none and for several.
func (r Rule) service() *Backend {
	if len(r.Action.Targets) == 1 {
		return &r.Action.Targets[0].Backend
	}
	return r.Names
}

// ruleOf is the rule of a host with this match that wins; false if it is of another namespace.
func ruleOf(host string, m Match, namespace string, t Tenure) (Rule, bool) {
	for _, f := range t.Served {
		h := f.Host(host)
		if h == nil { // it has a catch-all only
			continue
		}
		for _, r := range h.Rules {
			if r.Match.key() == m.key() {
				return r, f.Origin.Object.Namespace == namespace
			}
		}
	}
	return Rule{}, false
}

// Canaries are those of fragments in their order, but for those that the class has
// guards close: a canary that should be guarded gets no requests.
func (c *Class) Canaries(of []*Fragment) (list []Canary) {
	for _, f := range of {
		if !c.closes(f) {
			list = append(list, f.Canaries...)
		}
	}
	return list
}

// canaries gives each route that leads to the main Service of a canary its part. One
// that splits already, or answers itself, has none. Of several canaries of one Service
// the first counts; the others are told.
func (m *merger) canaries(list []Canary) {
	if len(list) == 0 {
		return
	}
	routes := make([]Route, 0, len(m.host.Routes))
	told := map[*Canary]bool{}
	for _, r := range m.host.Routes {
		var first *Canary
		for i := range list {
			switch c := &list[i]; {
			case len(r.Targets) != 1 || !c.on(r.Targets[0].Backend):
			case first == nil:
				first = c
			case !told[c]:
				told[c] = true
				m.found = append(m.found, finding.CanaryTaken.At(c.Origin, "", first.Origin.Object, c.Main.Key()))
			}
		}
		if first == nil {
			routes = append(routes, r)
			continue
		}
		if ref := first.Origin.Object; !slices.Contains(m.host.From, ref) {
			m.host.From = append(m.host.From, ref)
		}
		routes = append(routes, first.split(r)...)
	}
	m.host.Routes = routes
}

// on reports whether c is on the port of the Service that b is; settings of b play no
// part.
func (c *Canary) on(b Backend) bool {
	return c.Main.Service == b.Service && c.Main.Namespace == b.Namespace && c.Main.Port == b.Port
}

// split is a route to Main, after those by which a header or a cookie decides.
func (c *Canary) split(r Route) (list []Route) {
	to := Target{Backend: c.To.like(r.Targets[0].Backend)}
	list, to.Settings = c.sessions(r, to.Backend)
	toMain, toCanary := r.Targets, []Target{to}
	decides := func(by, name, pattern string, to []Target) {
		one := r
		one.Name, one.Targets = by+" "+r.Name, to
		one.Match.Headers = slices.Concat(r.Match.Headers, []ValueMatch{{Name: name, Value: pattern, Regex: true}})
		list = append(list, one)
	}
	switch {
	case c.Header == "":
	case c.Pattern != "":
		decides("canary by header", c.Header, c.Pattern, toCanary)
	case c.Value != "":
		decides("canary by header", c.Header, regexp.QuoteMeta(c.Value), toCanary)
	default:
		decides("canary by header", c.Header, sayAlways, toCanary)
		decides("main by header", c.Header, sayNever, toMain)
	}
	if c.Cookie != "" {
		decides("canary by cookie", "cookie", cookie(c.Cookie, sayAlways), toCanary)
		decides("main by cookie", "cookie", cookie(c.Cookie, sayNever), toMain)
	}
	if weight := min(c.Weight, c.Total); weight > 0 {
		main := r.Targets[0]
		main.Weight = c.Total - weight
		to.Weight = weight
		r.Targets = []Target{main, to}
	}
	return append(list, r)
}

// cookie is the pattern of a header with cookies, one of which has this value.
func cookie(name, value string) string {
	return `(?:.*;)?\s*` + regexp.QuoteMeta(name) + "=" + value + `\s*(?:;.*)?`
}
