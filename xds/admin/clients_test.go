package admin

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/held"
	"legation.dev/xds/admin/adminv1"
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
