package admin

import (
	"net"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/held"
	"legation.dev/test/envoy"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/observed"
)

// TestCountIn: an Envoy counts by what it has said last, whichever replica heard it; one that is
// connected and has said nothing is counted as that, and one that is gone not at all.
func TestCountIn(t *testing.T) {
	at := func(s int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(s, 0)) }
	said := func(envoy string, list ...*adminv1.ListenerClients) *adminv1.Clients {
		return &adminv1.Clients{Fleet: "edge", Envoy: envoy, Listeners: list}
	}
	of := func(listener string, n uint64, s int64) *adminv1.ListenerClients {
		return &adminv1.ListenerClients{Listener: listener, Connections: n, At: at(s)}
	}
	answer := &adminv1.EnvoysResponse{
		Envoys: []*adminv1.Envoy{{Fleet: "edge", Id: "a"}, {Fleet: "edge", Id: "b"}, {Fleet: "edge", Id: "c"}, {Fleet: "edge", Id: "a"}}, // a at another replica, too, for a moment
		Clients: newestClients([]*adminv1.Clients{
			said("a", of("http", 1, 10), of("https", 100, 10)), said("b", of("health", 2, 30)), said("gone", of("https", 7, 50)), // one replica
			said("a", of("https", 90, 40)), // another
		}),
	}
	got := ClosesOf(held.Closes{{Name: "http"}, {Name: "https", Chains: 3}})
	countIn(got, answer)
	want := &adminv1.Closes{Envoys: 3, Told: 2, Oldest: at(30), Listeners: []*adminv1.ClosedListener{{Listener: "http", Connections: 1}, {Listener: "https", Chains: 3, Connections: 90}}}
	if prototext.Format(got) != prototext.Format(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestHoldsCount: whoever is asked says how many connections would be closed, as all replicas know:
// an Envoy is connected to one of them, and tells one after the other.
func TestHoldsCount(t *testing.T) {
	port := strconv.Itoa(envoy.FreePort(t)) // of both addresses: replicas listen on one port
	a, b := inspect(t, "a", net.JoinHostPort("127.0.0.1", port)), inspect(t, "b", net.JoinHostPort("127.0.0.2", port))
	now := time.Now()
	for _, i := range []*inspected{a, b} {
		i.Observed = observed.New(observed.Config{Known: func(string) func(string) bool { return func(string) bool { return true } }})
		i.Held = func() []*adminv1.Hold {
			return []*adminv1.Hold{{Kind: string(held.Class), Fleet: "edge", Digest: "1", Approvable: true, Closes: ClosesOf(held.Closes{{Name: "http"}, {Name: "https"}})}}
		}
		i.know(t, "127.0.0.1", "127.0.0.2")
	}
	told := func(by *inspected, envoy, listener string, n uint64) {
		now = now.Add(time.Second)
		by.Observed.Add(observed.Report{Fleet: "edge", Envoy: envoy, Points: []observed.Point{{Listener: listener, Stat: observed.Connections, Value: n}}}, now)
	}
	a.connect("e1", "", start)
	b.connect("e2", "", start)
	b.connect("silent", "", start)
	told(a, "e1", "https", 1000)
	told(b, "e1", "https", 500)
	told(b, "e1", "http", 20)
	told(a, "e2", "http", 4)
	told(a, "gone", "http", 9)
	for _, i := range []*inspected{a, b} {
		answer, err := i.client(t).Holds(t.Context(), &adminv1.HoldsRequest{})
		if err != nil || len(answer.GetHolds()) != 1 {
			t.Fatalf("%v, %v", answer, err)
		}
		c := answer.GetHolds()[0].GetCloses()
		if c.GetListeners()[0].GetConnections() != 24 || c.GetListeners()[1].GetConnections() != 500 || c.GetEnvoys() != 3 || c.GetTold() != 2 {
			t.Errorf("%s says %v", i.Instance, c)
		}
	}
}
