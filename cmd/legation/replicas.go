package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/controller"
	"legation.dev/held"
	"legation.dev/pmap"
	"legation.dev/state"
	"legation.dev/translator/input"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/identity"
)

// past is what a process begins with: what another replica serves or an earlier process has
// left. The zero past is that of a first process.
type past struct {
	read   string // the digest of what the other replica has read; empty: there is none
	view   input.View
	orders []controller.Given // that are carried out there
}

// asker asks the other replicas: admin.Peers does.
type asker interface {
	Standings(ctx context.Context, self string) []admin.Standing
	Last(ctx context.Context, address string) (admin.Past, error)
}

// begin asks the other replicas what they serve, and else takes what was stored: so a replica
// that starts holds what the others hold, from equal objects. Without certificates of the wire
// nobody is asked: who could be asked would not know who asks.
func (f *serveFlags) begin(ctx context.Context, folder *identity.Folder, s *stored, log *slog.Logger) (past, error) {
	if f.peers == "" || folder == nil {
		return past{view: s.view()}, nil
	}
	peers, err := admin.NewPeers(nil, f.peers, dialCredentials(folder))
	if err != nil {
		return past{}, err
	}
	defer peers.Close()
	p, ok := askPast(ctx, peers, f.source.identity(), log)
	if !ok {
		return past{view: s.view()}, nil
	}
	for _, o := range s.view().Secrets().All() { // which are not handed on
		p.view = p.view.With(input.Change{Ref: o.Ref(), Object: o})
	}
	return p, nil
}

// askPast is what the first of the other replicas serves that can say so.
func askPast(ctx context.Context, others asker, source string, log *slog.Logger) (past, bool) {
	for _, s := range ranked(others.Standings(ctx, "")) {
		p, err := takeOver(ctx, others, s.Address, source)
		if err == nil {
			p.orders = ordersOf(s.StandingResponse, time.Now())
			log.Info("what another replica serves was read", "replica", s.GetInstance(), "address", s.Address, "age", time.Since(p.view.Stored()).Round(time.Second))
			return p, true
		}
		log.Warn("what another replica serves cannot be used", "replica", s.GetInstance(), "address", s.Address, "err", err)
	}
	return past{}, false
}

// ranked are the replicas that have answered: first those that have read their source, then
// by what they have stored, the newest first, and by age, the oldest first.
func ranked(list []admin.Standing) []admin.Standing {
	list = slices.DeleteFunc(list, func(s admin.Standing) bool { return s.Err != nil })
	slices.SortStableFunc(list, func(a, b admin.Standing) int {
		return cmp.Or(compareBool(a.GetStored() != nil, b.GetStored() != nil), b.GetStored().AsTime().Compare(a.GetStored().AsTime()), older(a.StandingResponse, b.StandingResponse))
	})
	return list
}

// compareBool sorts what is before what is not.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// older sorts replicas by when they were started.
func older(a, b *adminv1.StandingResponse) int {
	return cmp.Or(a.GetStarted().AsTime().Compare(b.GetStarted().AsTime()), cmp.Compare(a.GetInstance(), b.GetInstance()))
}

// takeOver asks one replica.
func takeOver(ctx context.Context, others asker, address, source string) (past, error) {
	said, err := others.Last(ctx, address)
	if err != nil {
		return past{}, err
	}
	return readPast(said, source, time.Now())
}

// readPast is what another replica has said. An error quotes nothing of it.
func readPast(said admin.Past, source string, now time.Time) (p past, err error) {
	p.read = said.Read
	p.view, err = state.Unpack(said.Packed, source, now)
	return p, err
}

// thisReplica is what this replica tells the others of itself.
type thisReplica struct {
	instance, source string
	started          time.Time
	orders           *controller.Orders
	log              *slog.Logger
	newest           atomic.Pointer[holdsHere]
	waits            chan struct{} // holds a value when hosts begin to leave
	// known and silent belong to the goroutine of exchange.
	known  map[string]stood  // by instance
	silent map[string]string // by address: why it does not say what it holds
}

// holdsHere is what a pass left, and the digest of what was read, made when somebody asks, and once.
type holdsHere struct {
	controller.Holds
	read func() pmap.Sum
}

func newThisReplica(source string, orders *controller.Orders, log *slog.Logger) *thisReplica {
	return &thisReplica{instance: instance(), source: source, started: time.Now(), orders: orders, log: log, waits: make(chan struct{}, 1), known: map[string]stood{}, silent: map[string]string{}}
}

// take takes over what a pass left.
func (r *thisReplica) take(now controller.Holds) {
	r.newest.Store(&holdsHere{now, sync.OnceValue(now.View().ReadDigest)})
	if now.View().Waits() {
		select {
		case r.waits <- struct{}{}:
		default:
		}
	}
}

// service is what the others ask.
func (r *thisReplica) service() *admin.Replicas {
	return &admin.Replicas{Here: r.here, Past: r.past}
}

// here is how this replica stands; nil before the first pass.
func (r *thisReplica) here() *adminv1.StandingResponse {
	h := r.newest.Load()
	if h == nil {
		return nil
	}
	now := time.Now()
	told := func(t time.Time) *timestamppb.Timestamp { return timestamppb.New(input.SameAge(t, now, now)) }
	out := &adminv1.StandingResponse{Instance: r.instance, Started: timestamppb.New(r.started), Read: h.read().String(), Held: h.View().HoldDigest().String(), Now: timestamppb.New(now)}
	if at := h.View().Stored(); !at.IsZero() {
		out.Stored = timestamppb.New(at)
	}
	for _, d := range h.View().Deletions() {
		out.Holds = append(out.Holds, &adminv1.Hold{Kind: string(held.Deletion), Fleet: d.Class, Since: told(d.Since)})
	}
	for _, g := range r.orders.Past() {
		out.Orders = append(out.Orders, &adminv1.PastOrder{Id: g.ID, Kind: g.Kind, Fleet: g.Fleet, By: g.By, Reason: g.Reason, Digest: g.Digest, At: told(g.At)})
	}
	return out
}

// toldMost bounds how many holds and orders of another replica are looked at: more than one tells.
const toldMost = 1000

// ordersOf are those that another replica has carried out, by the clock here.
func ordersOf(s *adminv1.StandingResponse, now time.Time) (list []controller.Given) {
	for _, o := range s.GetOrders()[:min(len(s.GetOrders()), toldMost)] {
		if !slices.Contains(controller.Kinds(), o.GetKind()) {
			continue
		}
		list = append(list, controller.Given{ID: o.GetId(), Kind: o.GetKind(), Fleet: o.GetFleet(), By: o.GetBy(), Reason: o.GetReason(), Digest: o.GetDigest(), At: input.SameAge(o.GetAt().AsTime(), s.GetNow().AsTime(), now)})
	}
	return list
}

// removal is one of hosts of a fleet that another replica holds.
type removal struct {
	fleet string
	since time.Time
}

// removalsOf are those, by the clock here.
func removalsOf(s *adminv1.StandingResponse, now time.Time) (list []removal) {
	for _, h := range s.GetHolds()[:min(len(s.GetHolds()), toldMost)] {
		if h.GetKind() == string(held.Deletion) {
			list = append(list, removal{h.GetFleet(), input.SameAge(h.GetSince().AsTime(), s.GetNow().AsTime(), now)})
		}
	}
	return list
}

// past is what this replica hands on.
func (r *thisReplica) past() (out admin.Past, err error) {
	h := r.newest.Load()
	read := h.View().Stored()
	if read.IsZero() {
		read = time.Now()
	}
	out.Read = h.read().String()
	if out.Packed, err = state.Pack(r.source, h.View(), read, time.Now()); err != nil {
		return admin.Past{}, fmt.Errorf("packing what is served: %w", err)
	}
	return out, nil
}
