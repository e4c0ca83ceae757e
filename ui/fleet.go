package ui

import (
	"fmt"
	"net/http"
	"time"

	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/snapshot"
)

// fleet is who is connected, and how far each is.
func (p *Pages) fleet(r *http.Request) (*sheet, error) {
	answer, err := p.Admin.Envoys(r.Context(), &adminv1.EnvoysRequest{Fleet: r.URL.Query().Get("fleet")})
	if err != nil {
		return nil, err
	}
	s, now := &sheet{}, time.Now()
	s.summary(answer)
	p.replicas(s, answer, now)
	p.wrong(s)
	s.rejections(answer)
	s.envoys(answer, now)
	s.gone(answer, now)
	return s, nil
}

// summary is the state of all in a sentence.
func (s *sheet) summary(answer *adminv1.EnvoysResponse) {
	current, rejected := 0, 0
	for _, e := range answer.GetEnvoys() {
		if e.GetBehind() == 0 && !e.GetWaiting() {
			current++
		}
		rejected += len(e.GetRejected())
	}
	n := len(answer.GetEnvoys())
	s.Lead, s.Tone = fmt.Sprintf("%d of %s the newest version.", current, count(n, "Envoy runs", "Envoys run")), "good"
	switch {
	case n == 0:
		s.Lead, s.Tone = "No Envoy is connected.", "warn"
	case rejected > 0:
		s.Lead, s.Tone = s.Lead+fmt.Sprintf(" %s rejected; what was good before stays.", count(rejected, "resource is", "resources are")), "bad"
	case current < n:
		s.Tone = "warn"
	}
}

// wrong says how many Problems there are, on the first page too.
func (p *Pages) wrong(s *sheet) {
	codes := p.Problems.Overview().Codes
	if len(codes) == 0 {
		return
	}
	of := s.section("Problems", "Severity", "Code", "Count")
	const shown = 5
	for i, c := range codes {
		if i == shown {
			of.More, of.Next = "And "+count(len(codes)-shown, "other kind", "other kinds")+".", "/problems"
			break
		}
		s.add(severity(c.Severity), text(string(c.Code)).to("/problems", "code", string(c.Code)), number(c.Count))
	}
}

// replicas are what each replica serves.
func (p *Pages) replicas(s *sheet, answer *adminv1.EnvoysResponse, now time.Time) {
	s.section("Fleets", "Fleet", "Replica", "Version", "Published", "Resources", "Envoys at it", "State")
	for _, r := range answer.GetReplicas() {
		if r.GetError() != "" {
			s.add(text(""), text(r.GetAddress()), text(""), text(""), text(""), text(""), textf("did not answer: %s", r.GetError()).toned("bad"))
			continue
		}
		for _, f := range r.GetFleets() {
			v := f.GetVersion()
			envoys := textf("%d of %d current", f.GetCurrent(), f.GetEnvoys())
			if f.GetCurrent() < f.GetEnvoys() {
				envoys = envoys.toned("warn")
			}
			s.add(text(f.GetName()).to("/", "fleet", f.GetName()), text(r.GetInstance()), textf("%d", v.GetNumber()),
				ago(v.GetTime().AsTime(), now), number(v.GetResources()), envoys, p.stateOf(f))
		}
	}
}

// stateOf is what is out of the ordinary with a fleet.
func (p *Pages) stateOf(f *adminv1.Fleet) cell {
	if f.GetVersion().GetStored() != nil {
		return text("stored: the source was not read yet").toned("warn")
	}
	if pause, paused := p.Result().View().Paused(f.GetName()); paused {
		return textf("paused by %s: %s", pause.By, pause.Reason).toned("warn")
	}
	if of, ok := p.Result().Fleet(f.GetName()); ok && of.Frozen {
		return text("frozen: its class or settings are gone").toned("bad")
	}
	if n := len(p.Result().View().Approvable(f.GetName())); n > 0 {
		return text(count(n, "change waits", "changes wait") + " for an approval").to("/holds").toned("warn")
	}
	return text("follows its objects").toned("good")
}

// rejections are what Envoys do not take.
func (s *sheet) rejections(answer *adminv1.EnvoysResponse) {
	any := false
	for _, e := range answer.GetEnvoys() {
		for _, r := range e.GetRejected() {
			if !any {
				s.section("Rejected", "Envoy", "Resource", "From", "Envoy says")
				any = true
			}
			if !s.add(text(e.GetId()), code(snapshot.TypeName(r.GetTypeUrl())+" "+r.GetName()), texts(r.GetFrom()), text(r.GetMessage()).toned("bad")) {
				return
			}
		}
	}
}

// envoys are those that are connected.
func (s *sheet) envoys(answer *adminv1.EnvoysResponse, now time.Time) {
	if len(answer.GetEnvoys()) == 0 {
		return
	}
	of := s.section("Envoys", "Fleet", "Envoy", "Zone", "Envoy version", "Replica", "Connected", "Behind", "Lag")
	for i, e := range answer.GetEnvoys() {
		behind := text("current").toned("good")
		switch {
		case e.GetWaiting():
			behind = text("is served nothing").toned("bad")
		case e.GetBehind() > 0:
			behind = textf("%d resources", e.GetBehind()).toned("warn")
		}
		version := e.GetVersion()
		if e.GetBootstrap() < bootstrap.Version {
			version += ", old bootstrap"
		}
		if !s.add(text(e.GetFleet()), text(e.GetId()), text(e.GetZone()), text(version), text(e.GetInstance()), ago(e.GetSince().AsTime(), now), behind, lag(e)) {
			of.More = fmt.Sprintf("%d of %d Envoys; `legation fleet` lists all.", i, len(answer.GetEnvoys()))
			return
		}
	}
}

func lag(e *adminv1.Envoy) cell {
	if e.GetLag() == nil {
		return text("")
	}
	return text(e.GetLag().AsDuration().Round(time.Millisecond).String())
}

// gone are those that left and did not come back.
func (s *sheet) gone(answer *adminv1.EnvoysResponse, now time.Time) {
	if len(answer.GetGone()) == 0 {
		return
	}
	s.section("Gone within the last hour", "Fleet", "Envoy", "Replica", "Was there for", "Left")
	for _, g := range answer.GetGone() {
		if !s.add(text(g.GetFleet()), text(g.GetId()), text(g.GetInstance()), text(g.GetLeft().AsTime().Sub(g.GetSince().AsTime()).Round(time.Second).String()),
			ago(g.GetLeft().AsTime(), now)) {
			return
		}
	}
}
