package translator

import (
	"maps"
	"strings"

	"legation.dev/translator/route"
)

// canaries are those on the Services that fragments, or the class for all hosts, lead
// to.
func (p *pass) canaries(of []*route.Fragment) []route.Canary {
	c := &p.next.class
	if !p.v.HasCanaries() {
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
		for f := range p.v.CanariesOn(main) {
			found[f] = true
		}
	}
	return c.Canaries(c.leading(maps.Keys(found)))
}

// markMain marks the hosts that lead to the main Service of a canary.
func (p *pass) markMain(c route.Canary) {
	for key := range p.old.named.Prefix(c.Main.Key() + "/") {
		_, host, _ := strings.Cut(key, separator)
		p.markHost(host)
	}
}
