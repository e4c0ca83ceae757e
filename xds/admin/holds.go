package admin

import (
	"cmp"
	"context"
	"slices"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
)

// Holds lists what all replicas hold, and how many connections would be closed by what waits.
func (s *Service) Holds(ctx context.Context, r *adminv1.HoldsRequest) (*adminv1.HoldsResponse, error) {
	out := &adminv1.HoldsResponse{Replicas: []*adminv1.Replica{{Instance: s.Instance}}}
	if s.Held != nil {
		out.Holds = slices.DeleteFunc(s.Held(), func(h *adminv1.Hold) bool { return r.GetFleet() != "" && h.GetFleet() != r.GetFleet() })
	}
	for _, h := range out.GetHolds() {
		h.Instances = []string{s.Instance}
	}
	if r.GetLocal() {
		return out, nil
	}
	for _, a := range others(ctx, s.Peers, func(ctx context.Context, c adminv1.AdminClient) (*adminv1.HoldsResponse, error) {
		return c.Holds(ctx, &adminv1.HoldsRequest{Fleet: r.GetFleet(), Local: true})
	}) {
		var isNew bool
		if out.Replicas, isNew = join(out.Replicas, a.address, a.value.GetReplicas(), a.err); isNew {
			out.Holds = addHolds(out.GetHolds(), a.value.GetHolds())
		}
	}
	slices.SortStableFunc(out.Holds, compareHolds)
	count := s.counting(ctx)
	for _, h := range out.GetHolds() {
		count(h.GetFleet(), h.GetCloses())
	}
	return out, s.unless(len(out.GetHolds()) > 0, r.GetFleet(), object.Ref{})
}

func compareHolds(a, b *adminv1.Hold) int {
	return cmp.Or(cmp.Compare(a.GetKind(), b.GetKind()), cmp.Compare(a.GetFleet(), b.GetFleet()), cmp.Compare(a.GetObject(), b.GetObject()), cmp.Compare(a.GetDigest(), b.GetDigest()))
}

// addHolds joins what two replicas hold. What both hold ends when the later one lets go.
func addHolds(a, b []*adminv1.Hold) []*adminv1.Hold {
	for _, h := range b {
		i := slices.IndexFunc(a, func(o *adminv1.Hold) bool { return compareHolds(o, h) == 0 })
		if i < 0 {
			a = append(a, h)
			continue
		}
		a[i].Instances = append(a[i].Instances, h.GetInstances()...)
		if h.GetSince().AsTime().Before(a[i].GetSince().AsTime()) {
			a[i].Since = h.GetSince()
		}
		if h.GetUntil() == nil || a[i].GetUntil() != nil && a[i].GetUntil().AsTime().Before(h.GetUntil().AsTime()) {
			a[i].Until = h.GetUntil()
		}
	}
	return a
}
