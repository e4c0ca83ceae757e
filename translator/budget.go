package translator

import (
	"slices"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// nearly is how many percent of a budget may be used before the owner is told.
const nearly = 80

// budgets are what namespaces use, and whose objects are over it. All of it follows from
// the objects and settings that there are, so every replica refuses the same. It is a
// value.
type budgets struct {
	used pmap.Map[route.Usage] // by namespace: of all its objects of the class
	near pmap.Map[pmap.Unit]   // namespaces that use more than nearly
}

// budget decides which objects fit the budgets of their namespaces, and marks those that
// do now and did not before, or the other way round. As long as a namespace is far from
// its budgets this costs no more than the change; else what the namespace has.
func (p *pass) budget() {
	touched := keys{}
	for c := range pmap.Diff(p.old.view.Fragments(), p.v.Fragments()) {
		p.charge(c.Old, &p.old.class, -1, touched)
		p.charge(c.New, &p.next.class, +1, touched)
	}
	if p.all {
		p.recharge(touched)
	}
	for namespace := range touched.sorted() {
		p.admit(namespace)
	}
	again := false
	for c := range pmap.Diff(p.old.class.Over, p.next.class.Over) {
		for key, f := range p.v.Fragments().Prefix(c.Key) {
			if key == c.Key || f.Gone && f.Origin.Object.String() == c.Key {
				p.markFragment(f)
				again = again || catches(f)
			}
		}
	}
	if again { // who has the catch-all is a fact of the class
		p.next.class = readClass(p.v, p.of, p.next.Frozen, p.next.class.Over)
		p.all = p.all || p.next.class.sum != p.old.class.sum
		p.markHost(route.Any)
	}
}

// charge adds what an object costs, n times, to what its namespace uses.
func (p *pass) charge(f *route.Fragment, c *class, n int, touched keys) {
	if f == nil || !c.has(f) || p.all {
		return
	}
	namespace, lent := f.Origin.Object.Namespace, c.Settings.Compatible()
	used, _ := p.next.budgets.used.Get(namespace)
	p.next.budgets.used = p.next.budgets.used.Set(namespace, used.Plus(f.Cost(lent), n))
	touched.add(namespace)
}

// recharge adds up what all namespaces use.
func (p *pass) recharge(touched keys) {
	for namespace := range p.old.budgets.used.All() {
		touched.add(namespace)
	}
	p.next.budgets.used = pmap.Map[route.Usage]{}
	sums, lent := map[string]route.Usage{}, p.next.class.Settings.Compatible()
	for _, f := range p.v.Fragments().All() {
		if p.next.class.has(f) {
			namespace := f.Origin.Object.Namespace
			sums[namespace] = sums[namespace].Plus(f.Cost(lent), 1)
			touched.add(namespace)
		}
	}
	for namespace := range touched {
		if used, ok := sums[namespace]; ok {
			p.next.budgets.used = p.next.budgets.used.Set(namespace, used)
		}
	}
}

// admit lets the objects of a namespace in, the oldest first, as long as they fit. One
// that does not fit is refused whole, and a younger one that does is not.
func (p *pass) admit(namespace string) {
	c, unit := &p.next.class, "budget "+namespace
	used, _ := p.next.budgets.used.Get(namespace)
	near, _, _ := used.Over(c.Settings.NamespaceBudget, nearly)
	if near == "" && !p.next.budgets.near.Has(namespace) {
		return
	}
	p.next.budgets.near = with(p.next.budgets.near, namespace, near != "")
	var list []*route.Fragment
	for _, f := range p.v.Fragments().Prefix(string(object.KindIngress) + " " + namespace + "/") {
		if c.has(f) {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, route.Older)
	over, found := c.Over, []finding.Finding(nil)
	for key := range c.Over.Prefix(string(object.KindIngress) + " " + namespace + "/") {
		over = over.Delete(key)
	}
	var sum account
	told := false
	for _, f := range list {
		next := sum.with(f, c.Settings.Compatible())
		if what, used, most := next.Over(c.Settings.NamespaceBudget, 100); what != "" {
			over = over.Set(f.Origin.Object.String(), pmap.Unit{})
			found = append(found, finding.OverBudget.At(f.At("spec"), "", what, most, used))
			continue
		}
		sum.take(f, next, c.Settings.Compatible())
		if what, used, most := next.Over(c.Settings.NamespaceBudget, nearly); what != "" && !told {
			told = true
			found = append(found, finding.NearBudget.At(f.At("spec"), "", used, most, what))
		}
	}
	c.Over = over
	p.found(unit, found)
}

// account is what objects that were let in use. A host that several have counts once.
type account struct {
	route.Usage
	hosts, tls map[string]bool
}

// with is the usage with one object more.
func (a *account) with(f *route.Fragment, lent bool) route.Usage {
	next := a.Plus(f.Cost(lent), 1)
	if f.Cost(lent) == (route.Usage{}) {
		return next
	}
	for _, h := range f.Hosts {
		if a.hosts[h.Name] {
			next.Hosts--
		}
		if a.tls[h.Name] && h.Ends(lent) {
			next.TLSHosts--
		}
	}
	return next
}

func (a *account) take(f *route.Fragment, next route.Usage, lent bool) {
	if a.Usage = next; a.hosts == nil {
		a.hosts, a.tls = map[string]bool{}, map[string]bool{}
	}
	if f.Cost(lent) == (route.Usage{}) {
		return
	}
	for _, h := range f.Hosts {
		a.hosts[h.Name] = true
		a.tls[h.Name] = a.tls[h.Name] || h.Ends(lent)
	}
}
