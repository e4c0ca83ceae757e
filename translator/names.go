package translator

import (
	"slices"

	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// ownership is whose a name is, and of which host if it is one beside a host's own.
type ownership struct {
	route.Tenure
	of string
}

// owned are names with whose they are, in a class: a pass asks for some of them several times.
type owned struct {
	in    *class
	names map[string]*ownership
}

// owners are those of a name, as the class has it now.
func (p *pass) owners(name string) (t route.Tenure, of string) {
	if p.owned.in != p.next.class {
		p.owned = owned{p.next.class, map[string]*ownership{}}
	}
	o, ok := p.owned.names[name]
	if !ok {
		o = &ownership{}
		o.Tenure, o.of = p.next.class.owners(p.v, name)
		o.Served, o.Certified, o.Found = slices.Clip(o.Served), slices.Clip(o.Certified), slices.Clip(o.Found) // others append to them
		p.owned.names[name] = o
	}
	return o.Tenure, o.of
}

// given is what a namespace has of a name that is another's: see route.Class.Given.
func (p *pass) given(namespace, name string) route.Tenure {
	if !p.v.HasNames() {
		return route.Tenure{}
	}
	c := p.next.class
	return c.Given(namespace, name, func(host string) route.Claims { return c.claims(p.v, host) }, c.members(slices.Collect(p.v.Calling(name))))
}

// nameTaken tells whoever gives a name to a host that it is another one's: of is the host
// that has it, or is empty if rules are for it.
func (p *pass) nameTaken(name, of string) (found []finding.Finding) {
	if !p.v.HasNames() {
		return nil
	}
	for _, f := range p.next.class.members(slices.Collect(p.v.Calling(name))) {
		for _, h := range f.Hosts {
			for _, o := range h.Others {
				if o.Name == name && h.Name != of {
					found = append(found, finding.NameTaken.At(f.At(o.Field), name, h.Name))
				}
			}
		}
	}
	return found
}

// others calls mark with each name that a host has beside its own.
func (p *pass) others(host string, mark func(string)) {
	if !p.v.HasNames() {
		return
	}
	for f := range p.v.OfHost(host) {
		for _, o := range f.Host(host).Others {
			mark(o.Name)
		}
	}
}

// called reports whether a name is given to a host, or was before the change.
func (p *pass) called(name string) bool {
	for range p.v.Calling(name) {
		return true
	}
	for range p.old.view.Calling(name) {
		return true
	}
	return false
}
