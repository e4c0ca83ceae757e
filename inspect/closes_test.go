package inspect

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/xds/admin/adminv1"
)

// TestCloses: it says how many connections there are, of how many of the Envoys that is known, and
// how old that is; and never a number that nobody has said.
func TestCloses(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	of := func(told, envoys uint32, ago time.Duration, chains uint32) *adminv1.Closes {
		return &adminv1.Closes{Told: told, Envoys: envoys, Oldest: timestamppb.New(now.Add(-ago)),
			Listeners: []*adminv1.ClosedListener{{Listener: "http", Connections: 24}, {Listener: "https", Connections: 1180, Chains: chains}}}
	}
	for want, c := range map[string]*adminv1.Closes{
		"": nil,
		"closes no connection now: no Envoy is connected":                                                                   of(0, 0, 0, 0),
		"closes connections, nobody knows how many: none of 4 Envoys has said":                                              of(0, 4, 0, 0),
		"closes 1204 connections on 3 of 3 Envoys (listener http: 24, https: 1180; up to 20s ago)":                          of(3, 3, 20*time.Second, 0),
		"closes 1204 connections on 3 of 4 Envoys (listener http: 24, https: 1180; up to 0s ago; the others have not said)": of(3, 4, -time.Second, 0),
		"closes at most 1204 connections on 1 of 1 Envoys (listener http: 24, https: 1180; up to 1m35s ago, which is old)":  of(1, 1, 95*time.Second, 7),
	} {
		if got := Closes(c, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Closes(&adminv1.Closes{Envoys: 4, Told: 4}, now); got != "" {
		t.Errorf("of settings that close nothing: %q", got)
	}
}
