package translator

import (
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/service"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// class is a route.Class with where it was read. Once it is read it never changes.
type class struct {
	route.Class
	config    object.Origin    // the ConfigMap of its settings; zero if there is none
	overrides policy.Overrides // what that says
	found     []finding.Finding
	routes    []string     // names of route configurations
	any       route.Tenure // of route.Any
	sum       pmap.Sum     // of Class without its Renewal, Deletion and Closing, which concern no host
}

// readClass reads the facts of a class that v has; over are the objects that are over budgets.
func readClass(v input.View, of *input.IngressClass, frozen bool, over pmap.Map[pmap.Unit]) *class {
	c := &class{Class: route.Class{Name: of.Name, Default: v.DefaultClass() == of.Name, Over: over}}
	c.readSettings(v, of)
	if frozen {
		c.found = append(c.found, finding.ClassFrozen.At(input.Origin(of), ""))
	}
	c.found = append(c.found, rivals(v, of)...)
	if c.Settings.EscapedSlashes == policy.Keep {
		c.found = append(c.found, finding.SlashesKept.At(c.config.In("data.escaped-slashes"), string(policy.Keep)))
	}
	c.Listeners = route.Listeners(&c.Settings)
	c.routes = route.RoutesOf(c.Listeners)
	c.readCatchAll(v)
	lasting := c.Class
	lasting.Settings.Renewal, lasting.Settings.Deletion, lasting.Settings.Closing = policy.Renewal{}, policy.Deletion{}, policy.Closing{}
	c.sum = lasting.Sum()
	return c
}

// readSettings reads the ConfigMap that the class names; without one the defaults are used.
func (c *class) readSettings(v input.View, of *input.IngressClass) {
	c.Settings = policy.DefaultsOf(of.Claimed)
	p := of.Parameters
	if p == (object.Ref{}) {
		return
	}
	if p.Kind != object.KindConfigMap {
		c.found = append(c.found, finding.SettingsKind.At(input.Origin(of).In("spec.parameters.kind"), string(p.Kind)))
		return
	}
	config, ok := v.ConfigMap(p.Key())
	if !ok { // then there is no such fleet, see unsettled
		return
	}
	f := config.Fragment()
	c.config, c.overrides, c.Settings = f.Origin, f.Policy, c.Settings.With(f.Policy)
	for _, m := range f.Mistakes {
		c.Settings.Close(strings.TrimPrefix(m.Field, "data."))
	}
	c.found = append(c.found, f.Findings...)
	c.found = append(c.found, service.BeyondShare(f, &c.Settings)...)
}

// readCatchAll finds what the class does with a request that nothing matches: the
// catch-all of the oldest object that has one and is served, else that of the settings,
// else 404. In a compatible class an object's is for unknown hosts only.
func (c *class) readCatchAll(v input.View) {
	c.any = c.tenure(v, route.Any)
	rest := c.settingsCatchAll()
	c.CatchAll = rest
	in := inputOf(v)
	var first *route.Fragment
	for _, f := range c.any.Served {
		switch {
		case f.CatchAll == nil:
		case first == nil:
			first = f
			planned, wrong := c.Plan(f, *f.CatchAll, &in)
			c.CatchAll, c.Catches, c.Rest, c.found = planned, f, &rest, append(c.found, wrong...)
		default:
			c.found = append(c.found, finding.DefaultTaken.At(f.Names(route.Any), "", first.Origin.Object, route.Precedence(first, f)))
		}
	}
}

// tenure says whose a name is, by the objects and the past that v has.
func (c *class) tenure(v input.View, name string) route.Tenure {
	return c.TenureOf(name, func(host string) route.Claims { return c.claims(v, host) })
}

// owners says whose a name is, and of which host if it is one beside a host's own: see
// route.Class.Owners.
func (c *class) owners(v input.View, name string) (t route.Tenure, of string) {
	if !v.HasNames() {
		return c.tenure(v, name), ""
	}
	return c.Owners(name, func(host string) route.Claims { return c.claims(v, host) }, c.members(slices.Collect(v.Calling(name))))
}

func (c *class) claims(v input.View, name string) route.Claims {
	return route.Claims{Host: name, Fragments: c.members(v.Claimants(name)), Kept: slices.Collect(v.KeptOf(name, &c.Class))}
}

func (c *class) settingsCatchAll() route.Planned {
	p := c.Settings.DefaultBackend
	if p == (policy.ServicePort{}) {
		return route.NotFound()
	}
	b, ok := route.NewBackend(p.Namespace, p.Service, p.Port, nil, "")
	if !ok {
		c.found = append(c.found, finding.BadDefaultBackend.At(c.config.In("data.default-backend"), p.String()))
		return route.NotFound()
	}
	return route.Planned{Action: route.Action{Targets: []route.Target{{Backend: b}}},
		Settings: &c.Settings.Route, Owner: "legation/default-backend", From: c.config.Object}
}

// rivals tells a class that is marked as the default one that it is not alone.
func rivals(v input.View, of *input.IngressClass) []finding.Finding {
	list := v.Defaults()
	if !of.IsDefault() || len(list) < 2 {
		return nil
	}
	at := input.Origin(of).In(input.DefaultMark)
	if list[0].Name == of.Name {
		return []finding.Finding{finding.DefaultTwice.At(at, "true", list[1].Name, of.Name)}
	}
	return []finding.Finding{finding.DefaultTwice.At(at, "true", list[0].Name, list[0].Name)}
}

// contradicted tells of an object that names two classes, one of which is this.
func (c *class) contradicted(f *route.Fragment) []finding.Finding {
	if f.Class.Beside == nil || !f.Class.Names(c.Name) {
		return nil
	}
	by, code := "annotation", finding.ClassOverridden
	if c.Settings.Compatible() {
		by = "field"
	}
	if c.has(f) {
		code = finding.TwoClasses
	}
	return []finding.Finding{code.At(f.At(f.Class.Field), f.Class.Name, *f.Class.Beside, c.Name, by)}
}

// has reports whether a fragment is of this class.
func (c *class) has(f *route.Fragment) bool { return c.Has(f.Class) }

// members are those of list that are of this class and routed, sorted by
// route.Older: the order in which conflicts are decided. The list is used up.
func (c *class) members(list []*route.Fragment) []*route.Fragment {
	return slices.DeleteFunc(c.sorted(list), func(f *route.Fragment) bool { return f.Withheld })
}

// sorted are those of list that are of this class, in the same order.
func (c *class) sorted(list []*route.Fragment) []*route.Fragment {
	of := slices.DeleteFunc(list, func(f *route.Fragment) bool { return !c.has(f) })
	slices.SortStableFunc(of, route.Older)
	return of
}

// defaultCertificate is the section of the settings that names the default
// certificate; false if the node's own is used.
func (c *class) defaultCertificate() (route.Section, bool) {
	secret := c.Settings.DefaultTLSSecret
	return route.Section{At: c.config.In("data.default-tls-secret"), TLS: route.TLS{Secret: secret}}, secret != (object.Ref{})
}

// guarded tells of each restriction that is not honoured what the class does about it.
func (c *class) guarded(f *route.Fragment) (list []finding.Finding) {
	closed, foreign := finding.PathsClosed, finding.ForeignGuard
	if c.Settings.ServeUnprotected {
		closed = finding.Unprotected
	}
	if c.Settings.ForeignGuards == policy.CloseForeign {
		foreign = finding.ForeignClosed
	}
	for _, g := range f.Guards {
		if g.Foreign != "" {
			list = append(list, foreign.At(f.At(g.Field), g.Value, g.Foreign, g.Restricts))
			continue
		}
		list = append(list, closed.At(f.At(g.Field), g.Value, g.Restricts))
	}
	return list
}
