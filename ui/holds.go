package ui

import (
	"fmt"
	"net/http"
	"time"

	"legation.dev/inspect"
	"legation.dev/xds/admin/adminv1"
)

// holds are what is served although the objects say otherwise.
func (p *Pages) holds(r *http.Request) (*sheet, error) {
	answer, err := p.Admin.Holds(r.Context(), &adminv1.HoldsRequest{})
	if err != nil {
		return nil, err
	}
	s, now := &sheet{}, time.Now()
	list := answer.GetHolds()
	s.Lead, s.Tone = count(len(list), "hold", "holds")+": what was served before stays, although the objects say otherwise.", "warn"
	if len(list) == 0 {
		s.Lead, s.Tone = "Nothing is held: what is served is what the objects say.", "good"
	}
	for _, one := range answer.GetReplicas() {
		if one.GetError() != "" {
			s.Lead, s.Tone = s.Lead+clean(" Replica "+one.GetAddress()+" did not answer: "+one.GetError()), "bad"
		}
	}
	if len(list) == 0 {
		return s, nil
	}
	of := s.section("", "Kind", "Fleet", "Object", "Why", "Since", "Until", "Hosts")
	for i, h := range list {
		if !s.add(text(h.GetKind()), text(h.GetFleet()), text(h.GetObject()), whyHeld(h, now), ago(h.GetSince().AsTime(), now), endOf(h, now), hostsOf(h)) {
			of.More = fmt.Sprintf("%d of %d; `legation holds` lists all.", i, len(list))
			break
		}
	}
	return s, nil
}

// endOf is until when something is held, or until what.
func endOf(h *adminv1.Hold, now time.Time) cell {
	switch {
	case h.GetUntil() != nil:
		return until(h.GetUntil().AsTime(), now)
	case h.GetApprovable():
		return textf("legation approve %s, or it is taken back", h.GetFleet())
	}
	return text("what it waits for is there")
}

// whyHeld is why something is held, and how many connections an approval would close.
func whyHeld(h *adminv1.Hold, now time.Time) cell {
	c := text(h.GetReason())
	if closes := inspect.Closes(h.GetCloses(), now); closes != "" {
		c.Small = clean("approved, it " + closes)
	}
	return c
}

func hostsOf(h *adminv1.Hold) cell {
	const shown = 5
	if n := len(h.GetHosts()); n > shown {
		return texts(append(h.GetHosts()[:shown:shown], fmt.Sprintf("and %d more", n-shown)))
	}
	return texts(h.GetHosts())
}

// drains are what ends: endpoints, connections that a change closed, and Envoys that left.
func (p *Pages) drains(r *http.Request) (*sheet, error) {
	answer, err := p.Admin.Envoys(r.Context(), &adminv1.EnvoysRequest{})
	if err != nil {
		return nil, err
	}
	s, now := &sheet{}, time.Now()
	const half = MostRows / 2
	list, more := p.leaving.List(half)
	s.Lead = "What ends without harm: endpoints that terminate, connections that a change has closed, and Envoys that left."
	if len(list) > 0 {
		of := s.section("Endpoints that terminate", "Service", "Address", "Zone", "State")
		for _, one := range list {
			s.add(text(one.Service), code(one.Address), text(one.Zone), leavingState(one))
		}
		if more {
			of.More = "And others."
		}
	}
	p.drained(s, now)
	s.gone(answer, now)
	if len(s.Sections) == 0 {
		s.Lead, s.Tone = "Nothing drains now, and no version that is kept has closed a connection.", "good"
	}
	return s, nil
}

func leavingState(one inspect.Leaving) cell {
	if one.Serves {
		return text("answers still, and gets no new requests while others are there")
	}
	return text("answers no longer").toned("dim")
}

// drained lists the versions that closed connections of clients.
func (p *Pages) drained(s *sheet, now time.Time) {
	begun := false
	for _, name := range p.Store.Fleets() {
		for _, step := range p.times.Of(name, MostRows) {
			if step.Drains == 0 {
				continue
			}
			if !begun {
				s.section("Versions that ended connections of clients", "Version", "Published", "At", "Cause", "Resources", "Connections")
				begun = true
			}
			row := p.step(name, step, now)
			row[0].Text = name + " " + row[0].Text
			if !s.add(row...) {
				return
			}
		}
	}
}
