package translator

import (
	"time"

	"legation.dev/pmap"
)

// until is a moment at which a resource becomes another one.
type until time.Time

// Sum identifies the moment.
func (u until) Sum() pmap.Sum { return pmap.SumOf(time.Time(u).Format(time.RFC3339Nano)) }

// before reports whether a time is before the moment.
func (u until) before(t time.Time) bool { return t.Before(time.Time(u)) }

// measure notes until when all is counted of a cluster, if its Service says so, also of one
// where that is over: another replica's clock may be behind.
func (p *pass) measure(cluster string, said time.Time) {
	if said.IsZero() {
		p.next.measured = p.next.measured.Delete(cluster)
		return
	}
	p.next.measured = p.next.measured.Set(cluster, until(said))
}

// unmeasured marks the clusters of which all is counted no more, although no object changed.
func (p *pass) unmeasured() {
	before, now := p.old.view.Time(), p.v.Time()
	for cluster, u := range p.next.measured.All() {
		if u.before(before) != u.before(now) {
			p.clusters.add(cluster)
		}
	}
}
