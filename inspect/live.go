package inspect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/translator"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
)

// Live adds to what was decided by Result what all replicas know: how many Envoys run it,
// what is held of it, and how long its Services take to answer. It says which replicas were
// asked. It costs what there is of the answers, of holds and of traffic, and no look at all
// objects.
func (s *Served) Live(ctx context.Context, list []Why) (replicas []*adminv1.Replica, err error) {
	if len(list) == 0 || s.Admin == nil {
		return nil, nil
	}
	held, err := s.Admin.Holds(ctx, &adminv1.HoldsRequest{})
	if err != nil {
		return nil, err
	}
	traffic, result := map[string]*adminv1.TrafficResponse{}, s.Result()
	for i := range list {
		s.running(ctx, result, &list[i])
		list[i].hold(held.GetHolds())
		for k := range list[i].Answers {
			a := &list[i].Answers[k]
			if a.Cluster == "" {
				continue
			}
			service := observed.ServiceOf(a.Cluster)
			if traffic[service] == nil {
				traffic[service], err = s.Admin.Traffic(ctx, &adminv1.TrafficRequest{Service: service})
				if err != nil && status.Code(err) != codes.NotFound { // of a Service that does not exist there is none
					return nil, err
				}
			}
			a.Takes = takesOf(list[i].Fleet, traffic[service])
		}
	}
	return held.GetReplicas(), nil
}

// running counts the Envoys that run the virtual host.
func (s *Served) running(ctx context.Context, result translator.Result, w *Why) {
	fleet, ok := result.Fleet(w.Fleet)
	if !ok || s.Peers == nil {
		return
	}
	if r, ok := fleet.Snapshot.Get(snapshot.Ref{Type: snapshot.VirtualHost, Name: "ingress/" + w.Host}); ok {
		running, envoys, _ := s.Peers.Runs(ctx, w.Fleet, r) // who does not answer is told by Holds
		w.Running = fmt.Sprintf("%d of %d", running, envoys)
	}
}

// hold takes what is held of its objects.
func (w *Why) hold(held []*adminv1.Hold) {
	for _, h := range held {
		if (h.GetFleet() == "" || h.GetFleet() == w.Fleet) && slices.Contains(w.Objects, h.GetObject()) {
			until := "until that is mended"
			if h.GetUntil() != nil {
				until = "until " + h.GetUntil().AsTime().Format(time.RFC3339)
			}
			w.Held = append(w.Held, fmt.Sprintf("%s of %s, %s: %s", h.GetKind(), h.GetObject(), until, h.GetReason()))
		}
	}
}
