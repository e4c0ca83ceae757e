package ui

import (
	"strings"
	"testing"
	"time"

	"legation.dev/held"
	"legation.dev/translator/worlds"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
)

// TestHoldsCloses: of settings that are held the page says how many connections of clients they would
// close, as the Envoys that are connected have said.
func TestHoldsCloses(t *testing.T) {
	s := newStage(t)
	service := s.Admin.(*admin.Service)
	service.Held = func() []*adminv1.Hold {
		return []*adminv1.Hold{{Kind: string(held.Class), Fleet: worlds.Class, Object: "ConfigMap a/b", Reason: "a port", Approvable: true, Closes: admin.ClosesOf(held.Closes{{Name: "https"}})}}
	}
	service.Observed = observed.New(observed.Config{Known: func(string) func(string) bool { return func(string) bool { return true } }})
	says := func(want string) {
		t.Helper()
		if _, body := s.get("/holds"); !strings.Contains(body, "approved, it closes "+want) {
			t.Errorf("it does not say %q: %s", want, body)
		}
	}
	says("no connection now: no Envoy is connected")
	last := s.Fleets.Join(fleet.Node{ID: "a", Fleet: worlds.Class}, time.Now())
	s.Fleets.Join(fleet.Node{ID: "b", Fleet: worlds.Class}, time.Now())
	s.Fleets.Join(fleet.Node{ID: "c", Fleet: worlds.Other}, time.Now())
	says("connections, nobody knows how many: none of 2 Envoys has said")
	for _, envoy := range []string{"a", "b", "c"} {
		service.Observed.Add(observed.Report{Fleet: worlds.Class, Envoy: envoy, Points: []observed.Point{
			{Listener: "https", Stat: observed.Connections, Value: 590}, {Listener: "http", Stat: observed.Connections, Value: 7}}}, time.Now())
	}
	says("1180 connections on 2 of 2 Envoys (listener https: 1180; up to ")
	last.Leave(time.Now())
	says("590 connections on 1 of 1 Envoys (listener https: 590; up to ")
}
