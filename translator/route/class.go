package route

import (
	"encoding/json"
	"fmt"
	"net/http"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Class is what all hosts of a fleet depend on: the settings of an IngressClass
// and its catch-all. When it changes, every host is computed anew; but not for Over,
// whose objects are marked one by one, nor for a renewal, which concerns no host.
type Class struct {
	Name      string
	Default   bool          // whether an object without a class is of this one
	Settings  policy.Values // over the defaults
	Order     Order         // of the rules of a host
	Listeners []Listener    // of its fleet
	CatchAll  Planned       // for requests that nothing else takes
	Catches   *Fragment     // that CatchAll is of; nil if it is of no object
	// Rest takes the place of CatchAll at hosts of other namespaces, if that is of an
	// object; nil if it is nobody's.
	Rest *Planned
	// Over are the fragments, by Key, that do not fit the budgets of their namespaces:
	// nothing is served of them, but they keep their claims. Who changes it marks them.
	Over pmap.Map[pmap.Unit]
}

// Sum identifies the class.
func (c *Class) Sum() pmap.Sum {
	parts := []string{c.Name, fmt.Sprint(c.Default, c.Order), c.Settings.String(), c.CatchAll.text()}
	if c.Rest != nil {
		parts = append(parts, c.Rest.text())
	}
	return pmap.SumOf(parts...)
}

// unmatched is for paths of a host that no rule of it matches. Nobody gets the requests to
// hosts of other namespaces by a catch-all of his own.
func (c *Class) unmatched(host, owner string) Planned {
	if c.Rest == nil || host == Any || c.CatchAll.From.Namespace == owner && !c.Settings.Compatible() {
		return c.CatchAll
	}
	return *c.Rest
}

// Has reports whether an object that names its class so is of this class.
func (c *Class) Has(n ClassName) bool {
	name, named := n.Of(c.Settings.Compatible())
	if !named {
		return c.Default
	}
	return name == c.Name
}

// Planned is an action with its effective settings, and what sets them.
type Planned struct {
	Action
	// Settings are those of the class with what the object says instead.
	Settings *policy.Route
	// Owner is the object that the action is from, as in the name of its route:
	// "shop/checkout". The owner of a host is something else: a namespace (Tenure).
	Owner string
	From  object.Ref
	// Measures are those of the object and of the host; nil for none.
	Measures *Measures
}

func (p Planned) text() string {
	text := fmt.Sprint(p.Status, " ", p.Owner)
	text += asJSON(p.Redirect) + asJSON(p.Rewrite) + asJSON(p.Measures) + asJSON(p.Text)
	for _, t := range p.Targets {
		text += fmt.Sprintf(" %s %d %s", t.Backend.Cluster(), t.Weight, t.Policy)
		if t.Headers != nil {
			text += fmt.Sprintf(" %+v", *t.Headers)
		}
	}
	for _, c := range p.Calls {
		text += fmt.Sprint(" ", c.Why, " ", c.Backend.Cluster(), c.Host)
	}
	if p.Pages != nil {
		text += fmt.Sprintf(" %s %v %v %v %+v", p.Pages.Backend.Cluster(), p.Pages.Codes, p.Pages.OwnOnly, p.Pages.CodesAlone, p.Pages.Headers)
	}
	if p.Settings != nil { // with what the objects say that they name
		text += " " + p.Settings.String() + " " + p.Settings.Auth.Users() + " " + p.Settings.Auth.Set()
	}
	return text
}

// asJSON is all of a value, whatever its pointers point to; it is equal for equal values. It cannot
// fail: values here hold no channel, function or cycle.
func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("route: writing %T: %v", value, err))
	}
	return " " + string(text)
}

// NotFound answers 404.
func NotFound() Planned {
	return Planned{Action: Action{Status: http.StatusNotFound}, Owner: "legation/not-found"}
}

// plan is what a class makes of the actions of a fragment: its settings are looked
// up once for all of them.
type plan struct {
	class    *Class
	fragment *Fragment
	settings *policy.Route
	open     *policy.Route // settings of what is answered before anybody is looked at; nil: settings
	local    *policy.Route // settings without the service of the class; nil if that is not asked
	closed   bool
	byOthers bool // closed by a guard of another object, and else open
	owns     bool // the object is one of the owner of the host
	measures *Measures
	missing  []object.Ref // Services of pages that there are not
}

// planOf brings class and fragment together. Whatever restricts access and is not
// honoured closes the paths, unless the class opens them.
func (c *Class) planOf(f *Fragment) plan {
	settings := &c.Settings.Route
	if len(f.Policy) > 0 {
		own := c.Settings.With(f.Policy).Route
		settings = &own
	}
	p := plan{class: c, fragment: f, settings: settings, closed: c.closes(f), owns: true, measures: f.Measures}
	if everywhere := c.Settings.Everywhere(settings.Auth); settings.Everyone && everywhere != settings.Auth {
		p.local = settings
		own := *settings
		own.Auth, p.settings = everywhere, &own
	}
	p.open = c.openOf(p.settings)
	return p
}

// openOf are settings without what keeps a client out; nil if they have nothing of it. In
// a compatible class addresses and rates are part of that, which ingress-nginx asks after a
// redirect, too.
func (c *Class) openOf(s *policy.Route) *policy.Route {
	open := *s
	open.Auth = policy.Auth{}
	if c.Settings.Compatible() {
		open.Addresses, open.Rate = policy.Addresses{}, policy.Rate{}
	}
	if !s.Auth.Active() && len(open.Allowed)+len(open.Denied) == len(s.Allowed)+len(s.Denied) && open.Rate == s.Rate {
		return nil
	}
	return &open
}

// Plan is what the class makes of an action of a fragment for what no host takes, and what is
// wrong with that. Of in the objects are used that a fragment can name.
func (c *Class) Plan(f *Fragment, a Action, in *Input) (Planned, []finding.Finding) {
	p := c.planOf(f)
	found := append(p.admit(Any, in), p.lost(in)...)
	if p.closed && c.Settings.Compatible() { // as silent has it
		p = p.with(func(s *policy.Route) { s.Cors = c.Settings.Cors })
		p.measures = nil
	}
	planned, wrong := p.of(a)
	if c.Settings.Compatible() {
		planned = planned.withoutSession()
	}
	return planned, append(found, wrong...)
}

// of is the action as it is served. What cannot be served as its owner wants is
// answered 503, never served otherwise.
func (p plan) of(a Action) (_ Planned, found []finding.Finding) {
	if p.closed {
		a = Action{Status: http.StatusServiceUnavailable} // the guard is told
	}
	if a.Wrong != nil {
		found = append(found, *a.Wrong)
	}
	a.Pages = p.pagesOf(a)
	a.Targets = sides(a.Targets, func() policy.Values {
		own := p.class.Settings.With(p.fragment.Policy)
		own.Auth = p.settings.Auth // with its users, and the service of the class
		return own
	})
	ref := p.fragment.Origin.Object
	settings, measures := p.settings, p.measures
	if p.closed || a.Redirect != nil { // which come before authentication, as in nginx
		if p.open != nil {
			settings = p.open
		}
		measures = p.class.unguarded(measures)
	}
	return Planned{Action: a, Settings: settings, Owner: ref.Key(), From: ref, Measures: measures}, found
}

// unguarded are measures without the addresses that a compatible class asks later.
func (c *Class) unguarded(m *Measures) *Measures {
	if m == nil || len(m.Addresses) == 0 || !c.Settings.Compatible() {
		return m
	}
	open := *m
	open.Addresses = nil
	return &open
}
