package translator

import (
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// owners are the members with a rule for a host, oldest first. Where there is none, they
// are those of the host that has the name beside its own, as if their rules were for the
// name: which host is that, else empty. Of several a redirect wins, then the first by name.
func (p *pass) owners(name string) (list []*route.Fragment, of string) {
	c := &p.next.class
	if list = c.members(p.v.OfHost(name)); len(list) > 0 || !p.v.HasNames() {
		return list, ""
	}
	hosts := keys{}
	for f := range p.v.Calling(name) {
		for _, h := range f.Hosts {
			hosts.add(h.Name)
		}
	}
	for host := range hosts.sorted() {
		called, redirect := route.Called(c.members(p.v.OfHost(host)), host, name)
		if called != nil && (of == "" || redirect) {
			list, of = called, host
		}
		if redirect {
			break
		}
	}
	return list, of
}

// nameTaken tells whoever gives a name to a host that it is another one's: of is the host
// that has it, or is empty if rules are for it.
func (p *pass) nameTaken(name, of string) (found []finding.Finding) {
	if !p.v.HasNames() {
		return nil
	}
	for _, f := range p.next.class.members(p.v.Calling(name)) {
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
