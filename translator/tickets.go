package translator

import (
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// TicketPeriod is how long one key encrypts session tickets. Whoever gets hold of a key
// can read the connections of TLS 1.2 that its tickets resume, so it is short; a ticket is
// good for two periods.
const TicketPeriod = 12 * time.Hour

// PeriodAt is the number of the period that a moment is in; End is when it ends.
func PeriodAt(now time.Time) (period int64, end time.Time) {
	period = now.Unix() / int64(TicketPeriod/time.Second)
	return period, time.Unix((period+1)*int64(TicketPeriod/time.Second), 0)
}

// tickets computes the keys of session tickets if what they are made of has changed.
func (p *pass) tickets() {
	of := p.next.class.Settings.SessionTicketSecret
	before, _ := p.old.view.Secret(of.Key())
	s, _ := p.v.Secret(of.Key())
	then, _ := PeriodAt(p.old.view.Time())
	now, _ := PeriodAt(p.v.Time())
	why := p.v.WhyUnread(of)
	if !p.all && before == s && then == now && why == p.old.view.WhyUnread(of) && p.old.view.StandIn() == p.v.StandIn() {
		return
	}
	r, found := p.ticketKeys(of, s, now)
	p.found("tickets", found)
	p.put(snapshot.Secret, r.Name, r)
}

// ticketKeys are the keys of the Secret that the class names; without one, those of this
// process, a placeholder.
func (p *pass) ticketKeys(of object.Ref, s *input.Secret, period int64) (*snapshot.Resource, []finding.Finding) {
	at := p.next.class.config.In("data.session-ticket-secret")
	switch {
	case of == (object.Ref{}):
		return standInTickets(own(p.v)), nil
	case s == nil && p.v.WhyUnread(of) != "":
		return standInTickets(own(p.v)), []finding.Finding{finding.BadTicketSecret.At(at, of.Key(), errUnread(p.v, of))}
	case s == nil:
		return standInTickets(own(p.v)), []finding.Finding{finding.NoTicketSecret.At(at, of.Key())}
	}
	c := s.Credential()
	if err := c.SeedErr; err != nil {
		return standInTickets(own(p.v)), []finding.Finding{finding.BadTicketSecret.At(at, of.Key(), err)}
	}
	r, err := render.TicketKeys(c.Seed, p.next.Name, period, []object.Ref{at.Object, of})
	if err != nil {
		p.must(nil, err)
	}
	return r, nil
}

// standInTickets are made of the key of the certificate of this process.
func standInTickets(own *route.KeyPair) *snapshot.Resource {
	if own == nil {
		return render.StandInTicketKeys(nil) // of a process that serves no Envoy
	}
	return render.StandInTicketKeys(own.Key)
}
