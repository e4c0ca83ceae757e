package admin

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/held"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/observed"
)

// localClients are those that Envoys have told this replica of.
func (s *Service) localClients(fleet string, now time.Time) []*adminv1.Clients {
	if s.Observed == nil {
		return nil
	}
	return clientsOf(s.Observed.Open(now, fleet))
}

// clientsOf are messages of what is in order.
func clientsOf(list []observed.Open) (out []*adminv1.Clients) {
	for _, o := range list {
		last := len(out) - 1
		if last < 0 || out[last].GetFleet() != o.Fleet || out[last].GetEnvoy() != o.Envoy {
			out, last = append(out, &adminv1.Clients{Fleet: o.Fleet, Envoy: o.Envoy}), last+1
		}
		out[last].Listeners = append(out[last].Listeners, &adminv1.ListenerClients{Listener: o.Listener, Connections: o.Connections, At: timestamppb.New(o.At)})
	}
	return out
}

// newestClients joins what several replicas were told: each Envoy reports to one after the other.
func newestClients(list []*adminv1.Clients) []*adminv1.Clients {
	var all []observed.Open
	for _, c := range list {
		for _, l := range c.GetListeners() {
			all = append(all, observed.Open{Fleet: c.GetFleet(), Envoy: c.GetEnvoy(), Listener: l.GetListener(), Connections: l.GetConnections(), At: l.GetAt().AsTime()})
		}
	}
	return clientsOf(observed.Newest(all))
}

// ClosesOf is the message of which connections something closes, before they are counted.
func ClosesOf(c held.Closes) *adminv1.Closes {
	out := &adminv1.Closes{}
	for _, l := range c {
		out.Listeners = append(out.Listeners, &adminv1.ClosedListener{Listener: l.Name, Chains: uint32(l.Chains)})
	}
	return out
}

// counting says how many connections of a fleet there are that something closes, as all replicas
// know: they are asked once for each fleet, and for none where nothing closes any.
func (s *Service) counting(ctx context.Context) func(fleet string, closes *adminv1.Closes) {
	answers := map[string]*adminv1.EnvoysResponse{}
	return func(fleet string, closes *adminv1.Closes) {
		if closes == nil {
			return
		}
		if answers[fleet] == nil {
			answers[fleet], _ = s.Envoys(ctx, &adminv1.EnvoysRequest{Fleet: fleet}) // which does not fail
		}
		countIn(closes, answers[fleet])
	}
}

// countIn counts those of one fleet. An Envoy that is gone counts no more, whatever it said.
func countIn(c *adminv1.Closes, of *adminv1.EnvoysResponse) {
	connected := map[string]bool{}
	for _, e := range of.GetEnvoys() {
		connected[e.GetId()] = true
	}
	c.Envoys = uint32(len(connected))
	for _, envoy := range of.GetClients() {
		if !connected[envoy.GetEnvoy()] {
			continue
		}
		c.Told++
		var last time.Time
		for _, l := range envoy.GetListeners() {
			if at := l.GetAt().AsTime(); at.After(last) {
				last = at
			}
			if i := slices.IndexFunc(c.GetListeners(), func(closed *adminv1.ClosedListener) bool { return closed.GetListener() == l.GetListener() }); i >= 0 {
				c.Listeners[i].Connections += l.GetConnections()
			}
		}
		if c.GetOldest() == nil || last.Before(c.GetOldest().AsTime()) {
			c.Oldest = timestamppb.New(last)
		}
	}
}
