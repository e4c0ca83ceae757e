package translator

import (
	"cmp"
	"slices"
	"strconv"

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
	used    pmap.Map[route.Usage] // by namespace: of all its objects of the class
	near    pmap.Map[pmap.Unit]   // namespaces that use more than nearly
	let     pmap.Map[admitted]    // by namespace, of those that use more than nearly
	refused pmap.Map[refusal]     // by object
}

// admitted are those objects of a namespace that were let in.
type admitted struct {
	route.Usage                 // of all of them
	last        *route.Fragment // the youngest
	mixed       bool            // others were refused for something else than their hosts
}

// byHosts is the budget that a namespace with too many hosts is over.
const byHosts = "namespace-hosts"

// refusal is which budget an object is over, which is so large, and would be used so much.
type refusal struct {
	what       string
	most, used int
}

// Sum identifies it.
func (r refusal) Sum() pmap.Sum {
	return pmap.SumOf(r.what, strconv.Itoa(r.most), strconv.Itoa(r.used))
}

// budget decides which objects fit the budgets of their namespaces, and marks those that
// do now and did not before, or the other way round. As long as a namespace is far from
// its budgets this costs no more than the change; else what the namespace has.
func (p *pass) budget() {
	touched := keys{}
	for c := range pmap.Diff(p.old.view.Fragments(), p.v.Fragments()) {
		alike := p.alike(c.Old, c.New)
		changed := touched
		if alike {
			changed = keys{}
		}
		p.charge(c.Old, &p.old.class, -1, changed)
		p.charge(c.New, &p.next.class, +1, changed)
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

// alike reports whether a change of an object leaves all as it is in which other objects of
// its namespace are let in and what they are told, and notes what it uses then: most changes
// do, also in a namespace with thousands of objects that are refused.
func (p *pass) alike(old, now *route.Fragment) bool {
	c, of := &p.next.class, cmp.Or(now, old)
	let, known := p.next.budgets.let.Get(of.Origin.Object.Namespace)
	if !known || p.all || of.Gone { // what is Gone is of an object that may be there, too
		return false
	}
	if old == nil || now == nil || !c.has(old) || !c.has(now) || !old.SameHosts(now) {
		return p.goes(old) && p.comes(now, let)
	}
	key, lent := now.Origin.Object.String(), c.Settings.Compatible()
	if r, refused := p.next.budgets.refused.Get(key); refused {
		if r.what == byHosts {
			p.refuse(now, r)
		}
		return r.what == byHosts
	}
	let.Usage = let.Plus(old.Cost(lent), -1).Plus(now.Cost(lent), 1)
	rest := c.Settings.NamespaceBudget
	rest.NamespaceHosts, rest.NamespaceTLSHosts = 0, 0 // it has those that it had
	if near, _, _ := let.Over(rest, nearly); near != "" || let.mixed {
		return false
	}
	p.next.budgets.let = p.next.budgets.let.Set(now.Origin.Object.Namespace, let)
	if told, ok := p.next.found.Get("budget " + key); ok { // where it stands may be elsewhere
		one := told.All()[0]
		one.File = now.At("spec").Place()
		p.found("budget "+key, []finding.Finding{one})
	}
	return true
}

// goes reports whether nobody else is let in when an object goes, and takes it out.
func (p *pass) goes(f *route.Fragment) bool {
	if f == nil || !p.next.class.has(f) || f.Cost(p.next.class.Settings.Compatible()) == (route.Usage{}) {
		return true
	}
	key := f.Origin.Object.String()
	if !p.next.budgets.refused.Has(key) {
		return false
	}
	p.next.budgets.refused, p.next.class.Over = p.next.budgets.refused.Delete(key), p.next.class.Over.Delete(key)
	p.found("budget "+key, nil)
	return true
}

// comes reports whether an object costs nothing, or is younger than all that were let in and
// refused for its hosts, which no other object of the namespace has.
func (p *pass) comes(f *route.Fragment, let admitted) bool {
	lent := p.next.class.Settings.Compatible()
	if f == nil || !p.next.class.has(f) || f.Cost(lent) == (route.Usage{}) {
		return true
	}
	what, used, most := let.Plus(f.Cost(lent), 1).Over(p.next.class.Settings.NamespaceBudget, 100)
	if what != byHosts || let.last == nil || route.Older(let.last, f) >= 0 {
		return false
	}
	for i := range f.Hosts {
		for other := range p.v.OfHost(f.Hosts[i].Name) {
			if other != f && other.Origin.Object.Namespace == f.Origin.Object.Namespace {
				return false
			}
		}
	}
	p.refuse(f, refusal{what, most, used})
	return true
}

// refuse leaves an object out.
func (p *pass) refuse(f *route.Fragment, r refusal) {
	key := f.Origin.Object.String()
	p.next.class.Over = p.next.class.Over.Set(key, pmap.Unit{})
	p.next.budgets.refused = p.next.budgets.refused.Set(key, r)
	p.found("budget "+key, []finding.Finding{finding.OverBudget.At(f.At("spec"), "", r.what, r.most, r.used)})
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
	c, prefix := &p.next.class, string(object.KindIngress)+" "+namespace+"/"
	used, _ := p.next.budgets.used.Get(namespace)
	near, _, _ := used.Over(c.Settings.NamespaceBudget, nearly)
	if near == "" && !p.next.budgets.near.Has(namespace) {
		return
	}
	p.next.budgets.near = with(p.next.budgets.near, namespace, near != "")
	var list []*route.Fragment
	for _, f := range p.v.Fragments().Prefix(prefix) {
		if c.has(f) {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, route.Older)
	p.forget(prefix)
	var sum account
	var last *route.Fragment
	mixed, told := false, false
	for _, f := range list {
		next, key := sum.with(f, c.Settings.Compatible()), f.Origin.Object.String()
		if what, used, most := next.Over(c.Settings.NamespaceBudget, 100); what != "" {
			mixed = mixed || what != byHosts
			p.refuse(f, refusal{what, most, used})
			continue
		}
		sum.take(f, next, c.Settings.Compatible())
		last = f
		if what, used, most := next.Over(c.Settings.NamespaceBudget, nearly); what != "" && !told {
			told = true
			p.found("budget "+key, []finding.Finding{finding.NearBudget.At(f.At("spec"), "", used, most, what)})
		}
	}
	p.next.budgets.let = p.next.budgets.let.Delete(namespace)
	if near != "" {
		p.next.budgets.let = p.next.budgets.let.Set(namespace, admitted{sum.Usage, last, mixed})
	}
}

// forget takes back what was decided about the objects of a namespace, by the beginning of
// how they print.
func (p *pass) forget(prefix string) {
	for key := range p.next.class.Over.Prefix(prefix) {
		p.next.class.Over = p.next.class.Over.Delete(key)
		p.next.budgets.refused = p.next.budgets.refused.Delete(key)
	}
	for unit := range p.next.found.Prefix("budget " + prefix) {
		p.next.found = p.next.found.Delete(unit)
	}
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
