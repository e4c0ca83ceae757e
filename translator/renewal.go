package translator

import (
	"time"

	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/render"
)

const (
	// leastRenewal is how long a renewal lasts at least after the last connection had its
	// turn. What rests longer than downstream-idle-timeout is closed by that; but a
	// connection from before goes by the timeout from before, whose default this is.
	leastRenewal = time.Hour
	// renewalMargin is for Envoys that learn of a renewal late, and clocks that differ.
	renewalMargin = time.Minute
)

// renewal is from when until when clients of the class are told to leave old
// connections; zero times if they are not.
func (c *class) renewal() (from, until time.Time) {
	from = c.Settings.RenewConnections
	if from.IsZero() {
		return from, from
	}
	return from, from.Add(c.Settings.RenewWithin + max(c.Settings.DownstreamIdle, leastRenewal) + renewalMargin)
}

// renewing is the renewal that is under way at a time; zero if none is.
func (c *class) renewing(at time.Time) policy.Renewal {
	from, until := c.renewal()
	if at.Before(from) || !at.Before(until) {
		return policy.Renewal{}
	}
	return c.Settings.Renewal
}

// routeConfigurations computes them if the class is another one, or another renewal of
// connections is under way, or none is any more.
func (p *pass) routeConfigurations() {
	c := p.next.class
	now := c.renewing(p.v.Time())
	p.renewalFound()
	if !p.all && now == p.old.class.renewing(p.old.view.Time()) {
		return
	}
	for _, routes := range c.routes {
		p.must(render.RouteConfiguration(routes, &c.Settings, now))
	}
}

// renewalFound tells of a renewal until it is over.
func (p *pass) renewalFound() {
	var found []finding.Finding
	c := p.next.class
	if _, until := c.renewal(); p.v.Time().Before(until) {
		written := c.Settings.RenewConnections.Format(time.RFC3339)
		found = append(found, finding.RenewsConnections.At(c.config.In("data.renew-connections"), written, until.Format(time.RFC3339)))
	}
	p.found("renewal", found)
}

// Next is when Translate makes something else of the same objects: when the keys of
// session tickets change, a renewal of connections begins or ends, or all is counted of a
// Service no more. It is zero for the
// zero Result.
func (r Result) Next() time.Time {
	if r.fleets.Len() == 0 {
		return time.Time{}
	}
	now := r.view.Time()
	_, first := PeriodAt(now)
	for f := range r.Fleets() {
		from, over := f.class.renewal()
		edges := []time.Time{from, over}
		for _, u := range f.measured.All() {
			edges = append(edges, time.Time(u))
		}
		for _, edge := range edges {
			if edge.After(now) && edge.Before(first) {
				first = edge
			}
		}
	}
	return first
}
