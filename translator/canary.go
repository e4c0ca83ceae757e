package translator

import (
	"maps"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// canaries are the canaries of a fleet, with the Services that they are on. It is a
// value: with leaves it unchanged.
type canaries struct {
	byObject pmap.Map[*route.Fragment] // resolved, by object
	byMain   pmap.Map[pmap.Unit]       // main Service (namespace/name) + separator + object
}

// with is c with a fragment that is resolved in place of what its object had.
func (c canaries) with(of object.Ref, f *route.Fragment) canaries {
	unit := of.String()
	if old, had := c.byObject.Get(unit); had {
		for _, one := range old.Canaries {
			c.byMain = c.byMain.Delete(one.Main.Key() + separator + unit)
		}
		c.byObject = c.byObject.Delete(unit)
	}
	if f == nil {
		return c
	}
	for _, one := range f.Canaries {
		c.byMain = c.byMain.Set(one.Main.Key()+separator+unit, pmap.Unit{})
	}
	c.byObject = c.byObject.Set(unit, f)
	return c
}

// on yields the fragments with a canary on a Service ("namespace/name").
func (c canaries) on(main string) func(func(*route.Fragment) bool) {
	return func(yield func(*route.Fragment) bool) {
		for key := range c.byMain.Prefix(main + separator) {
			_, unit, _ := strings.Cut(key, separator)
			if f, ok := c.byObject.Get(unit); ok && !yield(f) {
				return
			}
		}
	}
}

// resolveCanaries finds the main Services of the canaries that the changes concern: those
// of objects that changed, and those on hosts whose rules may have. A host that leads to
// a Service that has or had one of them is computed anew.
func (p *pass) resolveCanaries() {
	if !p.v.HasCanaries() && p.old.canaries.byObject.Len() == 0 {
		return
	}
	concerned := maps.Clone(p.objects)
	for host := range p.hosts {
		for f := range p.v.CanariesOf(host) {
			concerned[f.Origin.Object] = struct{}{}
		}
	}
	for _, of := range slices.SortedFunc(maps.Keys(concerned), object.Ref.Compare) {
		p.resolve(of)
	}
}

// resolve finds the main Services of the canaries of one object.
func (p *pass) resolve(of object.Ref) {
	unit := of.String()
	before, had := p.old.canaries.byObject.Get(unit)
	f, ok := p.v.Fragments().Get(unit)
	if ok = ok && p.next.class.has(f) && len(f.Canaries) > 0; !ok && !had {
		return
	}
	var now *route.Fragment
	var found []finding.Finding
	if ok {
		now = f.Resolved(func(host string) route.Tenure { return p.next.class.tenure(p.v, host) })
		if len(now.Canaries) == 0 {
			found = append(found, finding.CanaryAlone.At(f.Canaries[0].Origin, f.Canaries[0].Match.Path, f.Canaries[0].Host))
		}
	}
	p.found("canary "+unit, found)
	p.next.canaries = p.next.canaries.with(of, now)
	if had && now != nil && before.Sum() == now.Sum() {
		return
	}
	for _, one := range []*route.Fragment{before, now} {
		if one != nil {
			for _, c := range one.Canaries {
				p.markMain(c)
			}
		}
	}
}

// canaries are those on the Services that fragments, or the class for all hosts, lead
// to.
func (p *pass) canaries(of []*route.Fragment) []route.Canary {
	c := p.next.class
	if p.next.canaries.byMain.Len() == 0 {
		return nil
	}
	mains := keys{}
	for _, f := range of {
		for _, r := range f.References {
			if r.Backend != nil {
				mains.add(r.To.Key())
			}
		}
	}
	for _, t := range c.CatchAll.Targets {
		mains.add(t.Backend.Key())
	}
	found := map[*route.Fragment]bool{}
	for main := range mains {
		for f := range p.next.canaries.on(main) {
			found[f] = true
		}
	}
	return c.Canaries(slices.SortedStableFunc(maps.Keys(found), route.Older))
}

// markMain marks the hosts that lead to the main Service of a canary.
func (p *pass) markMain(c route.Canary) {
	for key := range p.old.named.Prefix(c.Main.Key() + "/") {
		_, host, _ := strings.Cut(key, separator)
		p.markHost(host)
	}
}
