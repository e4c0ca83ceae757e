package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/observed"
)

// Traffic adds up what all replicas were told: each Envoy reports to one after the other.
func (s *Service) Traffic(ctx context.Context, r *adminv1.TrafficRequest) (*adminv1.TrafficResponse, error) {
	if r.GetTotal() && r.GetByEnvoy() {
		return nil, status.Error(codes.InvalidArgument, "a total is kept by Service only, not by Envoy")
	}
	out := s.localTraffic(r, time.Now())
	if r.GetLocal() {
		return out, nil
	}
	for _, a := range others(ctx, s.Peers, func(ctx context.Context, c adminv1.AdminClient) (*adminv1.TrafficResponse, error) {
		return c.Traffic(ctx, &adminv1.TrafficRequest{Fleet: r.GetFleet(), Service: r.GetService(), ByEnvoy: r.GetByEnvoy(), Total: r.GetTotal(), Local: true})
	}) {
		var isNew bool
		if out.Replicas, isNew = join(out.Replicas, a.address, a.value.GetReplicas(), a.err); isNew {
			out.Traffic = addTraffic(out.Traffic, a.value.GetTraffic())
			if out.From == nil {
				out.From, out.To = a.value.GetFrom(), a.value.GetTo()
			}
		}
	}
	slices.SortFunc(out.Traffic, compareTraffic)
	return out, s.unless(len(out.GetTraffic()) > 0, r.GetFleet(), serviceOf(r.GetService()))
}

// serviceOf is the Service of NAMESPACE/NAME; the zero one if that is not said.
func serviceOf(text string) object.Ref {
	namespace, name, ok := strings.Cut(text, "/")
	if !ok {
		return object.Ref{}
	}
	return object.Ref{Kind: object.KindService, Namespace: namespace, Name: name}
}

func (s *Service) localTraffic(r *adminv1.TrafficRequest, now time.Time) *adminv1.TrafficResponse {
	out := &adminv1.TrafficResponse{Replicas: []*adminv1.Replica{{Instance: s.Instance}}}
	if s.Observed == nil {
		return out
	}
	var list []observed.Traffic
	asked := observed.Asked{Fleet: r.GetFleet(), Service: r.GetService(), ByEnvoy: r.GetByEnvoy()}
	if r.GetTotal() {
		list = s.Observed.Total(asked)
	} else if w, ok := s.Observed.Last(now, asked); ok {
		out.From, out.To = timestamppb.New(w.From), timestamppb.New(w.To)
		list = append(w.Services, w.Pairs...) // either
	}
	for _, t := range list {
		out.Traffic = append(out.Traffic, trafficOf(t))
	}
	return out
}

func trafficOf(t observed.Traffic) *adminv1.Traffic {
	return &adminv1.Traffic{Fleet: t.Fleet, Service: t.Service, Envoy: t.Envoy, Envoys: uint32(t.Envoys),
		Requests: t.Requests, Errors: t.Errors, ConnectFailures: t.ConnectFailures,
		RemoteCloses: t.RemoteCloses, RemoteClosesInUse: t.RemoteClosesInUse, Ejections: t.Ejections, FailedChecks: t.FailedChecks, Timeouts: t.Timeouts, Overflows: t.Overflows,
		Lengths: &adminv1.Lengths{Count: t.Lengths.Count, SumMs: t.Lengths.Sum, BoundsMs: observed.LengthBounds[:], Buckets: bucketsOf(t, &t.Buckets)},
		Times:   timesOf(t)}
}

// timesOf is nothing by Envoy, for which it is not kept.
func timesOf(t observed.Traffic) *adminv1.Lengths {
	buckets := bucketsOf(t, &t.Times)
	if buckets == nil {
		return nil
	}
	out := &adminv1.Lengths{BoundsMs: observed.TimeBounds[:], Buckets: buckets}
	for _, n := range buckets {
		out.Count += n
	}
	return out
}

// bucketsOf is nothing by Envoy, for which it is not kept.
func bucketsOf(t observed.Traffic, of *observed.Buckets) []uint64 {
	if t.Envoy != "" {
		return nil
	}
	return slices.Clone(of[:])
}

// addTraffic adds what another replica was told.
func addTraffic(list, more []*adminv1.Traffic) []*adminv1.Traffic {
	at := map[observed.Key]*adminv1.Traffic{}
	for _, t := range list {
		at[keyOf(t)] = t
	}
	for _, t := range more {
		if sum := at[keyOf(t)]; sum != nil {
			sumUp(sum, t)
		} else {
			list = append(list, t)
		}
	}
	return list
}

func keyOf(t *adminv1.Traffic) observed.Key {
	return observed.Key{Fleet: t.GetFleet(), Service: t.GetService(), Envoy: t.GetEnvoy()}
}

// sumUp adds to a sum. The same Envoy may have told both replicas of a part.
func sumUp(sum, t *adminv1.Traffic) {
	sum.Envoys = max(sum.Envoys, t.GetEnvoys())
	sum.Requests += t.GetRequests()
	sum.Errors += t.GetErrors()
	sum.ConnectFailures += t.GetConnectFailures()
	sum.RemoteCloses += t.GetRemoteCloses()
	sum.RemoteClosesInUse += t.GetRemoteClosesInUse()
	sum.Ejections = max(sum.Ejections, t.GetEjections())
	sum.FailedChecks += t.GetFailedChecks()
	sum.Timeouts += t.GetTimeouts()
	sum.Overflows += t.GetOverflows()
	sum.Lengths = addLengths(sum.GetLengths(), t.GetLengths())
	sum.Times = addLengths(sum.GetTimes(), t.GetTimes())
}

// addLengths adds to a sum, which may be none.
func addLengths(sum, more *adminv1.Lengths) *adminv1.Lengths {
	if sum == nil || more == nil {
		return cmp.Or(sum, more)
	}
	sum.Count += more.GetCount()
	sum.SumMs += more.GetSumMs()
	if to, from := sum.GetBuckets(), more.GetBuckets(); len(to) == len(from) {
		for i := range to {
			to[i] += from[i]
		}
	}
	return sum
}

func compareTraffic(a, b *adminv1.Traffic) int {
	return cmp.Or(cmp.Compare(a.GetFleet(), b.GetFleet()), cmp.Compare(a.GetService(), b.GetService()), cmp.Compare(a.GetEnvoy(), b.GetEnvoy()))
}
