package route

import (
	"reflect"

	"legation.dev/object"
)

// CanWait reports whether f may take the place of before, which is nil if it is new, later
// than it could: what it changes is which rules there are beside those of before, where they
// lead, and how connections to Services live. Whatever else an object says may keep
// somebody out, and a rule that goes is access that ends: neither can wait.
func (f *Fragment) CanWait(before *Fragment) bool {
	switch {
	case f.Solves():
		return false // an issuer looks soon
	case before == nil:
		return reflect.DeepEqual(f.terms(false), (&Fragment{}).terms(false))
	case !before.Age.Equal(f.Age) || !reflect.DeepEqual(f.terms(true), before.terms(true)):
		return false
	}
	for i := range before.Hosts {
		host := before.Hosts[i].Name
		if f.Host(host) == nil || addsRules(before, host, []*Fragment{f}) {
			return false
		}
	}
	return true
}

// terms are what an object says beside its rules.
type terms struct {
	class     string
	settings  string
	measures  *Measures
	guards    []Guard
	withheld  bool
	canaries  []Canary
	order     Order
	all, rest bool // it has a catch-all, and a fallback
	hosts     map[string]hostTerms
}

// hostTerms are what it says of one host.
type hostTerms struct {
	secrets []object.Ref
	lent    int
	server  Server
	refused []matchKey
	others  []Other
	root    bool
}

// terms are those of f; without whole, of which class it is, and which certificates
// its hosts have, are no part of them, and neither is a host of which it says nothing.
func (f *Fragment) terms(whole bool) terms {
	t := terms{settings: f.Policy.Binding().String(), measures: f.Measures, guards: f.Guards, withheld: f.Withheld,
		canaries: f.Canaries, order: f.Order, hosts: map[string]hostTerms{}}
	if whole {
		t.class, t.all, t.rest = f.Class.Key(), f.CatchAll != nil, f.Fallback != nil
	}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		one := hostTerms{server: h.Server, others: h.Others, root: h.Root != nil}
		for j := range h.Refused {
			one.refused = append(one.refused, h.Refused[j].Match.key())
		}
		if whole {
			one.lent = len(h.Lent)
			for _, s := range h.TLS {
				one.secrets = append(one.secrets, s.Secret)
			}
		}
		if whole || !reflect.DeepEqual(one, hostTerms{}) {
			t.hosts[h.Name] = one
		}
	}
	return t
}
