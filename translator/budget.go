package translator

import (
	"cmp"
	"maps"
	"slices"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

const (
	// nearly is how many percent of a budget may be used before the owner is told.
	nearly = 80
	// far is of how many percent of a budget a namespace has no queue any more. So who makes
	// it come and go has changed much each time.
	far = nearly / 2
)

// budgets are what namespaces use, and who is let in where that is much. All of it follows
// from the objects and settings that there are, so every replica refuses the same. It is a
// value.
type budgets struct {
	used   pmap.Map[route.Usage] // by namespace: of all its objects of the class
	queues pmap.Map[queue]       // by namespace, of those that use more than nearly, or did
}

// turn is what an object says after what it said; nil is nothing, to the class.
type turn struct{ old, now *route.Fragment }

// budget decides which objects fit the budgets of their namespaces, and marks those that
// do now and did not before, or the other way round. That costs what the change is, and
// what it changes for others, however many objects a namespace has.
func (p *pass) budget() {
	turns := map[string][]turn{}
	if p.all {
		p.recharge(turns)
	} else {
		for c := range pmap.Diff(p.old.view.Fragments(), p.v.Fragments()) {
			namespace := cmp.Or(c.Old, c.New).Origin.Object.Namespace
			t := turn{p.charge(c.Old, p.old.class, -1), p.charge(c.New, p.next.class, +1)}
			turns[namespace] = append(turns[namespace], t)
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(turns)) {
		p.admit(namespace, turns[namespace])
	}
	again := false
	for c := range pmap.Diff(p.old.class.Over, p.next.class.Over) {
		if f, ok := p.v.Fragments().Get(c.Key); ok {
			p.markFragment(f)
			again = again || catches(f)
		}
	}
	if again { // who has the catch-all is a fact of the class
		p.next.class = readClass(p.v, p.of, p.next.Frozen, p.next.class.Over)
		p.all = p.all || p.next.class.sum != p.old.class.sum
		p.markHost(route.Any)
	}
}

// charge adds what an object costs, n times, to what its namespace uses; nil if it is not of
// the class.
func (p *pass) charge(f *route.Fragment, c *class, n int) *route.Fragment {
	if f == nil || !c.has(f) {
		return nil
	}
	namespace := f.Origin.Object.Namespace
	used, _ := p.next.budgets.used.Get(namespace)
	used = used.Plus(f.Cost(c.Settings.Compatible()), n)
	if p.next.budgets.used = p.next.budgets.used.Set(namespace, used); used == (route.Usage{}) {
		p.next.budgets.used = p.next.budgets.used.Delete(namespace)
	}
	return f
}

// recharge begins anew: with what all namespaces use, and without answers.
func (p *pass) recharge(turns map[string][]turn) {
	p.next.budgets = budgets{}
	p.over(pmap.Map[pmap.Unit]{})
	for _, prefix := range []string{overUnit, nearUnit} {
		for unit := range p.old.found.Prefix(prefix) {
			p.next.found = p.next.found.Delete(unit)
		}
	}
	sums, lent := map[string]route.Usage{}, p.next.class.Settings.Compatible()
	for _, f := range p.v.Fragments().All() {
		if p.next.class.has(f) {
			namespace := f.Origin.Object.Namespace
			sums[namespace], turns[namespace] = sums[namespace].Plus(f.Cost(lent), 1), nil
		}
	}
	for namespace := range turns {
		p.next.budgets.used = p.next.budgets.used.Set(namespace, sums[namespace])
	}
}

// The units of what is told of budgets: each object that does not fit, by its Key, and each
// namespace that is near.
const (
	overUnit = "over budget "
	nearUnit = "near budget "
)

// admit lets the objects of a namespace in, see queue, given which of them changed. It has a
// queue only if it uses so much that somebody may have to be told.
func (p *pass) admit(namespace string, turns []turn) {
	c, b := p.next.class, &p.next.budgets
	used, _ := b.used.Get(namespace)
	budget := c.Settings.NamespaceBudget
	q, queued := b.queues.Get(namespace)
	if !queued {
		if _, near := used.Over(route.Limits(budget, nearly)); !near {
			return
		}
		turns = p.arrivals(namespace)
	}
	a := admission{queue: q, limits: route.Limits(budget, 100), lent: c.Settings.Compatible(), holders: p.v.OfHost, touched: map[string]string{}}
	a.take(turns)
	p.stats.Weighed += a.weighed
	p.answer(&a)
	p.near(namespace, a.queue)
	if _, much := used.Over(route.Limits(budget, far)); much {
		b.queues = b.queues.Replace(namespace, a.queue)
	} else {
		b.queues = b.queues.Delete(namespace)
	}
}

// arrivals are the objects of a namespace, the oldest first.
func (p *pass) arrivals(namespace string) (list []turn) {
	for _, f := range p.v.Fragments().Prefix(string(object.KindIngress) + " " + namespace + "/") {
		if p.next.class.has(f) {
			list = append(list, turn{now: f})
		}
	}
	slices.SortStableFunc(list, func(a, b turn) int { return route.Older(a.now, b.now) })
	return list
}

// answer notes who is let in, and tells who is not.
func (p *pass) answer(a *admission) {
	over := p.next.class.Over
	for _, key := range slices.Sorted(maps.Keys(a.touched)) {
		s, ok := a.seats.Get(a.touched[key])
		refused := ok && s.over != fits
		over = with(over, key, refused)
		var found []finding.Finding
		if refused && !s.of.Gone {
			found = append(found, finding.OverBudget.At(s.of.At("spec"), "", s.cost[s.over], route.BudgetName(s.over), a.limits[s.over]))
		}
		p.found(overUnit+key, found)
	}
	p.over(over)
}

// over gives the class the objects that are over budgets.
func (p *pass) over(objects pmap.Map[pmap.Unit]) {
	if c := *p.next.class; !c.Over.Same(objects) {
		c.Over = objects
		p.next.class = &c
	}
}

// near tells a namespace that uses nearly all of a budget.
func (p *pass) near(namespace string, q queue) {
	budget := p.next.class.Settings.NamespaceBudget
	limits := route.Limits(budget, nearly)
	f, used := q.near(limits)
	var found []finding.Finding
	if f != nil && !f.Gone {
		of, _ := used.Over(limits)
		found = append(found, finding.NearBudget.At(f.At("spec"), "", used[of], route.Limits(budget, 100)[of], route.BudgetName(of)))
	}
	p.found(nearUnit+namespace, found)
}
