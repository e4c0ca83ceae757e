package main

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/controller"
	"legation.dev/held"
	"legation.dev/translator/input"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
)

const (
	// askEvery is how often the other replicas are asked how they stand.
	askEvery = 2 * time.Second
	// askWhileLeaving is the same while hosts leave and it is not known yet whether that is
	// held: several times in the window of 5 s.
	askWhileLeaving = 500 * time.Millisecond
)

// stood is how another replica stood when it was asked last.
type stood struct {
	read, held, own string // digests, and that of what is held here
	// taken says that what it holds was taken over, or could not be: it is not asked for it
	// again until something changes.
	taken bool
}

// exchange asks the other replicas how they stand, until ctx ends: what one holds, all hold.
func (r *thisReplica) exchange(ctx context.Context, others asker) {
	next := time.NewTimer(askEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-r.waits:
		}
		for _, s := range others.Standings(ctx, r.instance) {
			r.tellSilent(ctx, s)
			if s.Err == nil && r.newest.Load() != nil {
				r.follow(ctx, others, s)
			}
		}
		every := askEvery
		if h := r.newest.Load(); h != nil && h.View().Waits() {
			every = askWhileLeaving
		}
		next.Reset(every)
	}
}

// tellSilent says once of a replica that it does not say what it holds, and why, and once that it
// does again.
func (r *thisReplica) tellSilent(ctx context.Context, s admin.Standing) {
	why := ""
	switch {
	case ctx.Err() != nil:
		return
	case status.Code(s.Err) == codes.Unimplemented:
		why = "its version of Legation tells nobody what it holds: what one of you holds the other may let go"
	case s.Err != nil:
		why = status.Convert(s.Err).Message()
	}
	last, was := r.silent[s.Address]
	switch {
	case why == "" && was:
		delete(r.silent, s.Address)
		r.log.Info("another replica says again what it holds", "address", s.Address, "replica", s.GetInstance())
	case why != "" && last != why:
		r.silent[s.Address] = why
		r.log.Warn("another replica does not say what it holds", "address", s.Address, "err", why)
	}
}

// follow does what is to be done about how another replica stands.
func (r *thisReplica) follow(ctx context.Context, others asker, s admin.Standing) {
	r.obey(ctx, s)
	r.holdToo(ctx, s)
	here := r.here()
	now := stood{read: s.GetRead(), held: s.GetHeld(), own: here.GetHeld()}
	last := r.known[s.GetInstance()]
	now.taken = last.taken && last.held == now.held && last.own == now.own && last.read == now.read
	if now.taken || s.GetStored() != nil || here.GetStored() != nil || now.read != here.GetRead() || now.held == now.own || last != now {
		r.known[s.GetInstance()] = now // what was so twice is no matter of a moment
		return
	}
	r.adopt(ctx, others, s)
	now.taken = true
	r.known[s.GetInstance()] = now
}

// obey carries out what somebody has ordered there and was not carried out here.
func (r *thisReplica) obey(ctx context.Context, s admin.Standing) {
	for _, g := range ordersOf(s.StandingResponse, time.Now()) {
		if r.orders.Knows(g) {
			continue
		}
		order, ok := r.late(g)
		if !ok {
			continue
		}
		if err := r.orders.Do(ctx, order); err != nil && ctx.Err() == nil {
			r.log.Debug("an order that another replica has carried out has nothing to do here", "replica", s.GetInstance(), "order", g.Kind, "fleet", g.Fleet, "err", err)
			if g.Kind == controller.PauseKind || g.Kind == controller.ResumeKind {
				r.orders.Remember(g) // it is so already
			}
		}
	}
}

// late is an order that this replica has not heard of. What was approved ends only if it is
// the same here: nobody has seen anything else.
func (r *thisReplica) late(g controller.Given) (controller.Order, bool) {
	switch g.Kind {
	case controller.ApproveKind, controller.ApproveSettingsKind, controller.LapseKind:
		isHeld := slices.ContainsFunc(r.newest.Load().View().Approvable(g.Fleet), func(e held.Entry) bool { return e.Digest == g.Digest })
		return controller.Approve(g), isHeld && recent(g)
	case controller.PauseKind:
		return controller.Pause(g), true
	case controller.ResumeKind:
		return controller.Resume(g), true
	}
	return controller.Order{}, false
}

// approvedFor is how long an approval is carried out by replicas that have not heard of it. The
// same hosts may be removed once more, by a mistake, when it is long ago.
const approvedFor = time.Hour

// recent reports whether an approval may still be carried out.
func recent(g controller.Given) bool { return time.Since(g.At) < approvedFor }

// holdToo holds the removal of hosts that another replica holds.
func (r *thisReplica) holdToo(ctx context.Context, s admin.Standing) {
	for _, d := range removalsOf(s.StandingResponse, time.Now()) {
		if _, ok := r.newest.Load().View().HoldDeletion(d.fleet, d.since); !ok {
			continue
		}
		if err := r.orders.Do(ctx, controller.Hold(d.fleet, d.since, s.GetInstance())); err == nil {
			r.log.Info("another replica holds the removal of hosts, and so does this one", "replica", s.GetInstance(), "fleet", d.fleet)
		}
	}
}

// ended is what somebody has ended here of late: it is not taken over from a replica that has not
// heard of it.
func (r *thisReplica) ended() input.Ended {
	e := input.Ended{Removals: map[string]bool{}, Settings: map[string]bool{}, Pauses: map[string]bool{}}
	for _, g := range r.orders.Past() {
		switch g.Kind {
		case controller.ApproveKind, controller.LapseKind:
			e.Removals[g.Fleet] = recent(g)
		case controller.ApproveSettingsKind:
			e.Settings[g.Digest] = recent(g)
		case controller.ResumeKind:
			e.Pauses[g.Fleet] = true
		case controller.PauseKind:
			delete(e.Pauses, g.Fleet)
		}
	}
	return e
}

// adopt takes over what another replica holds.
func (r *thisReplica) adopt(ctx context.Context, others asker, s admin.Standing) {
	p, err := takeOver(ctx, others, s.Address, r.source)
	if err == nil {
		err = r.orders.Do(ctx, controller.Adopt(controller.Other{Replica: s.GetInstance(), Read: p.read, View: p.view,
			First: older(s.StandingResponse, &adminv1.StandingResponse{Instance: r.instance, Started: r.here().GetStarted()}) < 0, Ended: r.ended()}))
	}
	if err != nil && ctx.Err() == nil {
		r.log.Warn("what another replica holds cannot be taken over", "replica", s.GetInstance(), "address", s.Address, "err", err)
		return
	}
	r.log.Info("what another replica holds was taken over", "replica", s.GetInstance())
}
