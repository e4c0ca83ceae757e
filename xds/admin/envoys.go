package admin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// Envoys lists the Envoys of all replicas.
func (s *Service) Envoys(ctx context.Context, r *adminv1.EnvoysRequest) (*adminv1.EnvoysResponse, error) {
	out := s.localEnvoys(r.GetFleet())
	if r.GetLocal() {
		return out, nil
	}
	for _, a := range others(ctx, s.Peers, func(ctx context.Context, c adminv1.AdminClient) (*adminv1.EnvoysResponse, error) {
		return c.Envoys(ctx, &adminv1.EnvoysRequest{Fleet: r.GetFleet(), Local: true})
	}) {
		var isNew bool
		if out.Replicas, isNew = join(out.Replicas, a.address, a.value.GetReplicas(), a.err); isNew {
			out.Envoys = append(out.Envoys, a.value.GetEnvoys()...)
			out.Gone = append(out.Gone, a.value.GetGone()...)
			out.Clients = append(out.Clients, a.value.GetClients()...)
		}
	}
	out.Gone, out.Clients = gone(out), newestClients(out.GetClients())
	slices.SortFunc(out.Envoys, func(a, b *adminv1.Envoy) int {
		return cmp.Or(cmp.Compare(a.GetFleet(), b.GetFleet()), cmp.Compare(a.GetId(), b.GetId()),
			a.GetSince().AsTime().Compare(b.GetSince().AsTime()), cmp.Compare(a.GetPeer(), b.GetPeer()))
	})
	return out, nil
}

// gone are the Envoys that left a replica and are at no other, each once, by when it left.
func gone(of *adminv1.EnvoysResponse) []*adminv1.GoneEnvoy {
	known := map[[2]string]bool{}
	for _, e := range of.GetEnvoys() {
		known[[2]string{e.GetFleet(), e.GetId()}] = true
	}
	slices.SortStableFunc(of.GetGone(), func(a, b *adminv1.GoneEnvoy) int { return b.GetLeft().AsTime().Compare(a.GetLeft().AsTime()) })
	return slices.DeleteFunc(of.GetGone(), func(g *adminv1.GoneEnvoy) bool {
		key := [2]string{g.GetFleet(), g.GetId()}
		was := known[key]
		known[key] = true
		return was
	})
}

// join adds a replica, as it spoke of itself, to those that have answered; false
// if it did not answer or is there already.
func join(known []*adminv1.Replica, address string, said []*adminv1.Replica, err error) ([]*adminv1.Replica, bool) {
	if err != nil || len(said) != 1 {
		r := &adminv1.Replica{Address: address, Error: "it did not say who it is"}
		if err != nil {
			r.Error = err.Error()
		}
		return append(known, r), false
	}
	it := said[0]
	if slices.ContainsFunc(known, func(r *adminv1.Replica) bool { return r.GetInstance() == it.GetInstance() }) {
		return known, false
	}
	it.Address = address
	return append(known, it), true
}

func (s *Service) localEnvoys(fleetName string) *adminv1.EnvoysResponse {
	out, now := &adminv1.EnvoysResponse{}, time.Now()
	histories := map[string][]store.Version{}
	lags := s.lags.begin()
	defer s.lags.end(lags)
	for _, e := range s.Fleets.Envoys() {
		if fleetName != "" && e.Fleet != fleetName {
			continue
		}
		history, ok := histories[e.Fleet]
		if !ok {
			history = s.Store.History(e.Fleet)
			histories[e.Fleet] = history
		}
		one := envoyOf(e, history, lags, now)
		one.Instance = s.Instance
		out.Envoys = append(out.Envoys, one)
	}
	for _, g := range s.Fleets.Gone(now) {
		if fleetName == "" || g.Fleet == fleetName {
			out.Gone = append(out.Gone, &adminv1.GoneEnvoy{Fleet: g.Fleet, Id: g.ID, Instance: s.Instance, Since: timestamppb.New(g.Since), Left: timestamppb.New(g.Left)})
		}
	}
	out.Replicas, out.Clients = []*adminv1.Replica{s.self(out.Envoys)}, s.localClients(fleetName, now)
	return out
}

// self is this replica, which serves these Envoys.
func (s *Service) self(envoys []*adminv1.Envoy) *adminv1.Replica {
	r := &adminv1.Replica{Instance: s.Instance}
	if s.Unwell != nil {
		r.Unwell = s.Unwell()
	}
	for _, name := range s.Store.Fleets() {
		view, _ := s.Store.Watch(name)
		f := &adminv1.Fleet{Name: name, Version: versionOf(view.Version)}
		for _, e := range envoys {
			if e.GetFleet() != name {
				continue
			}
			f.Envoys++
			if e.GetBehind() == 0 && !e.GetWaiting() {
				f.Current++
			}
		}
		r.Fleets = append(r.Fleets, f)
	}
	return r
}

func envoyOf(e fleet.Envoy, history []store.Version, lags *looks, now time.Time) *adminv1.Envoy {
	out := &adminv1.Envoy{Fleet: e.Fleet, Id: e.ID, Zone: e.Zone, Version: e.Version, Bootstrap: e.Bootstrap, NoIpv6: e.NoIPv6, Peer: e.Peer,
		Since: timestamppb.New(e.Since), Waiting: e.Waiting}
	if e.Waiting || len(history) == 0 {
		return out
	}
	late := lags.of(&e, history)
	out.Behind = uint32(late.behind)
	if late.behind > 0 {
		since := late.since
		if since.Before(e.Since) {
			since = e.Since // before that it was not there
		}
		out.Lag = durationpb.New(now.Sub(since))
	}
	for t := range snapshot.Types() {
		for _, r := range e.Status.Types[t].Rejected {
			out.Rejected = append(out.Rejected, &adminv1.Rejection{TypeUrl: t.URL(), Name: r.Name, Version: r.Version, Message: r.Message, From: object.Texts(r.From)})
		}
	}
	return out
}

func versionOf(v store.Version) *adminv1.Version {
	out := &adminv1.Version{Number: v.Number, Time: timestamppb.New(v.Time), Cause: v.Cause,
		Digest: v.Snapshot.Digest().String(), Resources: uint32(v.Snapshot.Len()), Edits: editsOf(v.Edits)}
	if at := v.Snapshot.Stored(); !at.IsZero() {
		out.Stored = timestamppb.New(at)
	}
	return out
}
