package route

import (
	"net/http"
	"slices"

	"legation.dev/object"
)

// Other is a name that a host has beside its own, unless a rule of any object is for it.
type Other struct {
	Name string
	// Redirect: the name sends to the host. Else it is an alias, served as the host is.
	Redirect bool
	Field    string // that says so
}

// Owners says whose a name is: by the rules for it, as Tenure does with what claims gives.
// Where none counts, the name is of the host that has it beside its own, as one of
// calling says, and served as if the rules of that host were for the name. Which host that
// is is returned, else empty. Of several that of the oldest claim wins; of those of one
// namespace a redirect does, then the first by name.
//
// The owner of the host needs the same right to the name as by a rule for it: a name that
// is kept for others, or is below a wildcard of others, it does not get.
func (c *Class) Owners(name string, claims func(host string) Claims, calling []*Fragment) (own Tenure, of string) {
	own = c.TenureOf(name, claims)
	if rules := claims(name); rules.count(own) {
		return own, ""
	}
	given, of := c.given("", name, claims, calling)
	if of == "" {
		return own, ""
	}
	given.Found = own.Found // who is refused is told all the same
	return given, of
}

// Given is the tenure that a namespace has of a name by what its hosts have beside their
// own, as if no other namespace had the name; nobody is served if none of its hosts has it.
// What else Owners says of calling holds here, too.
func (c *Class) Given(namespace, name string, claims func(host string) Claims, calling []*Fragment) Tenure {
	if namespace == "" {
		return Tenure{}
	}
	own, _ := c.given(namespace, name, claims, calling)
	return own
}

// given is the tenure of a name that hosts of a namespace, or with an empty one of anybody,
// have beside their own, and the host that has it; empty if none has.
func (c *Class) given(namespace, name string, claims func(host string) Claims, calling []*Fragment) (own Tenure, of string) {
	var hosts []string
	for _, f := range calling {
		for _, h := range f.Hosts {
			hosts = append(hosts, h.Name)
		}
	}
	slices.Sort(hosts)
	redirects := false
	for _, host := range slices.Compact(hosts) {
		called, redirect := c.called(host, name, claims)
		if len(called.Served) == 0 || namespace != "" && called.Owner != namespace {
			continue
		}
		older := called.Claim.Older(own.Claim) < 0
		if called.Owner == own.Owner {
			older = redirect && !redirects
		}
		if of == "" || older {
			own, of, redirects = called, host, redirect
		}
	}
	if of != "" && !redirects && len(hosts) > 1 {
		own.Certified = c.certified(name, own, hosts, claims)
	}
	return own, of
}

// certified are objects of the first of these hosts with TLS that the owner of an alias gives
// it, too; none if the one that serves the alias has TLS itself. ingress-nginx serves an
// alias with any certificate of its hosts, and sends plain http there.
func (c *Class) certified(alias string, own Tenure, hosts []string, claims func(host string) Claims) []*Fragment {
	if c.Secure(alias, own) {
		return nil
	}
	for _, host := range hosts {
		other, redirect := c.called(host, alias, claims)
		if _, _, ok := c.Certificate(alias, other); ok && !redirect && other.Owner == own.Owner {
			return other.Served
		}
	}
	return nil
}

// count reports whether any of the claims to a name does: those that the owner of a wildcard
// above it, or of the class, leaves out do not.
func (c *Claims) count(t Tenure) bool {
	of := func(by object.Ref) bool { return t.Owner != "" && by.Namespace == t.Owner }
	return slices.ContainsFunc(c.Fragments, func(f *Fragment) bool { return of(f.Origin.Object) }) ||
		slices.ContainsFunc(c.Kept, func(k Claim) bool { return of(k.By) })
}

// TenureOf says whose a name is by the rules for it; claims are those to any host.
func (c *Class) TenureOf(name string, claims func(host string) Claims) Tenure {
	return c.Tenure(claims(name), claimsAbove(name, claims))
}

// claimsAbove are those to the wildcard that a name falls under.
func claimsAbove(name string, claims func(host string) Claims) Claims {
	if wildcard, ok := Wildcard(name); ok {
		return claims(wildcard)
	}
	return Claims{}
}

// called is the tenure of a host as if it were about another name that the owner of the
// host gives it; nobody is served if it does not, or has no right to the name.
func (c *Class) called(host, name string, claims func(host string) Claims) (t Tenure, redirect bool) {
	main := c.TenureOf(host, claims)
	has, redirect := main.calls(host, name)
	if !has {
		return Tenure{}, false
	}
	var all, owned []*Fragment
	for _, f := range main.Served {
		if f.Host(host) == nil {
			continue
		}
		one := f.as(host, name, redirect)
		if all = append(all, one); main.Owns(f) {
			owned = append(owned, one)
		}
	}
	t = c.Tenure(Claims{Host: name, Fragments: owned}, claimsAbove(name, claims))
	if t.Owner != main.Owner || len(t.Served) == 0 {
		return Tenure{}, false
	}
	t.Served, t.Found = all, nil
	return t, redirect
}

// calls reports whether the owner of a host gives it another name. Of aliases, those of its
// oldest object that has any are in force; a redirect comes before an alias, and is said by
// whoever has a rule that no older object has.
func (t *Tenure) calls(host, name string) (has, redirect bool) {
	aliases, aliased := false, false
	for i, f := range t.Served {
		h := f.Host(host)
		if h == nil || !t.Owns(f) {
			continue
		}
		redirect = redirect || slices.ContainsFunc(h.Others, func(o Other) bool { return o.Redirect && o.Name == name }) && addsRules(f, host, t.Served[:i])
		if !aliases {
			aliases = slices.ContainsFunc(h.Others, func(o Other) bool { return !o.Redirect })
			aliased = slices.ContainsFunc(h.Others, func(o Other) bool { return !o.Redirect && o.Name == name })
		}
	}
	return redirect || aliased, redirect
}

// as is f with what it says of a host for another name: the same, or to be sent to the
// host. A wildcard takes names of any number of labels then.
func (f *Fragment) as(host, name string, redirect bool) *Fragment {
	one, of := *f, *f.Host(host)
	of.Name, of.Deep, of.Others = name, true, nil
	if redirect {
		to := &Action{Redirect: &Redirect{Status: http.StatusPermanentRedirect, Host: host}}
		of = Host{Name: name, TLS: of.TLS}
		one.Policy, one.Guards, one.Measures, one.Fallback, one.Lends = nil, nil, nil, to, to
	}
	one.Hosts = []Host{of}
	return &one
}
