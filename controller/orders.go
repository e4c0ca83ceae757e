package controller

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"legation.dev/held"
	"legation.dev/translator/input"
)

// Kinds of orders that somebody gives, or time does.
const (
	ApproveKind         = "approve"          // a removal of hosts
	ApproveSettingsKind = "approve-settings" // settings that are held
	LapseKind           = "lapse"            // a removal of hosts whose deletion-hold is over
	PauseKind           = "pause"
	ResumeKind          = "resume"
)

// Kinds are all of them.
func Kinds() []string {
	return []string{ApproveKind, ApproveSettingsKind, LapseKind, PauseKind, ResumeKind}
}

// Given is an order that somebody who may has given, or that time has.
type Given struct {
	ID    string // the same at every replica; empty: it is given a new one
	Kind  string
	Fleet string
	// Digest is that of what is approved, as it was shown, so that nobody approves what he
	// has not seen; empty means whatever is held.
	Digest     string
	By, Reason string
	At         time.Time // zero: now
}

// String says who has given it and why.
func (g Given) String() string {
	what := map[string]string{ApproveKind: "approved the removal of hosts", ApproveSettingsKind: "approved the settings", LapseKind: "let hosts go that are removed",
		PauseKind: "paused the fleet", ResumeKind: "resumed the fleet"}[g.Kind]
	return fmt.Sprintf("%s %s: %s", g.By, what, g.Reason)
}

// Order is what is asked of a running Loop. It is made by the functions of this file, and
// carried out by Orders.Do.
type Order struct {
	cause string // if nobody has given it
	given *Given // nil: nobody has
	apply func(input.View, held.Clock) (input.View, error)
	done  chan error
}

// Approve ends what is held of a fleet and waits for that: hosts go, settings are in force. Its
// digest says which hold is meant.
func Approve(g Given) Order {
	o := Order{given: &g}
	o.apply = func(v input.View, _ held.Clock) (input.View, error) {
		list := v.Approvable(g.Fleet)
		if len(list) == 0 {
			return v, fmt.Errorf("nothing of fleet %q is held that waits for an approval", g.Fleet)
		}
		if g.Digest != "" {
			list = slices.DeleteFunc(list, func(e held.Entry) bool { return e.Digest != g.Digest })
		}
		switch len(list) {
		case 0:
			return v, errors.New("what is held is not what was shown any more: look again")
		case 1:
			g.Digest, g.Kind = list[0].Digest, cmp.Or(g.Kind, approvals[list[0].Kind])
			return v.Approve(list[0]), nil
		}
		return v, errors.New("more than one thing is held: say which by its digest")
	}
	return o
}

// approvals are the kinds of orders by what they approve.
var approvals = map[held.Kind]string{held.Deletion: ApproveKind, held.Class: ApproveSettingsKind}

// Pause keeps routes, clusters and listeners of a fleet as they are.
func Pause(g Given) Order {
	g.Kind = PauseKind
	return Order{given: &g, apply: func(v input.View, clock held.Clock) (input.View, error) {
		return v.Pause(g.Fleet, input.Pause{By: g.By, Reason: g.Reason, Since: g.At}, clock)
	}}
}

// Resume ends a pause of a fleet.
func Resume(g Given) Order {
	g.Kind = ResumeKind
	return Order{given: &g, apply: func(v input.View, clock held.Clock) (input.View, error) {
		return v.Resume(g.Fleet, clock)
	}}
}

// Orders are those that a Loop has not carried out yet, and the last that it has. The zero
// Orders is ready to use, and its methods may be called from any goroutine.
type Orders struct {
	mu      sync.Mutex // guards what follows
	pending []Order
	wake    func() // ends the wait of the Loop; nil if it does not wait
	past    []Given
}

const (
	// toldMost is how many orders are told to replicas that may not have heard of them. No
	// clock has a say in it: one that is set would have orders carried out once more.
	toldMost = 100
	// rememberedMost is more, since another replica tells an order for a while that is not told
	// here any more.
	rememberedMost = 2 * toldMost
)

// Past are the last orders that were carried out, in that order.
func (o *Orders) Past() []Given {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.past[max(0, len(o.past)-toldMost):])
}

// Knows reports whether an order was carried out.
func (o *Orders) Knows(g Given) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.knows(g)
}

func (o *Orders) knows(g Given) bool {
	return slices.ContainsFunc(o.past, func(p Given) bool { return p.ID == g.ID })
}

// Remember takes an order as carried out, as by the replica that this one has begun with.
func (o *Orders) Remember(g Given) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g.ID == "" {
		g.ID = rand.Text()
	}
	if o.knows(g) {
		return
	}
	o.past = append(o.past, g)
	o.past = o.past[max(0, len(o.past)-rememberedMost):]
}

// lapse tells replicas of removals that have lapsed here, as of what somebody has approved: nobody
// takes them over from one that still holds them.
func (o *Orders) lapse(list []held.Entry, now time.Time) {
	if o == nil {
		return
	}
	for _, e := range list {
		o.Remember(Given{Kind: LapseKind, Fleet: e.Fleet, Digest: e.Digest, By: "deletion-hold", Reason: "nobody has approved or undone it in time", At: now})
	}
}

// Do has an order carried out and returns when what follows from it is published. An
// error says why it was not. If ctx ends first, it may be carried out all the same.
func (o *Orders) Do(ctx context.Context, order Order) error {
	order.done = make(chan error, 1)
	o.mu.Lock()
	o.pending = append(o.pending, order)
	if o.wake != nil {
		o.wake()
	}
	o.mu.Unlock()
	select {
	case err := <-order.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waiting calls wake when there is an order; nil for never.
func (o *Orders) waiting(wake func()) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake = wake; wake != nil && len(o.pending) > 0 {
		wake()
	}
}

// take returns the orders that have come.
func (o *Orders) take() []Order {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.pending
	o.pending = nil
	return list
}

// obeyed are orders that were carried out, or could not be.
type obeyed struct {
	orders []Order
	errs   []error  // of each
	causes []string // of those that were
}

// obey is v after orders.
func (o *Orders) obey(v input.View, clock held.Clock, orders []Order) (input.View, obeyed) {
	done := obeyed{orders: orders, errs: make([]error, len(orders))}
	for i, order := range orders {
		if v, done.errs[i] = order.apply(v, clock); done.errs[i] != nil {
			continue
		}
		if order.given == nil {
			done.causes = append(done.causes, order.cause)
			continue
		}
		g := *order.given
		if g.At.IsZero() {
			g.At = clock.Now
		}
		o.Remember(g)
		done.causes = append(done.causes, g.String())
	}
	return v, done
}

// answer tells those who wait, when what follows is published.
func (d obeyed) answer() {
	for i, order := range d.orders {
		order.done <- d.errs[i]
	}
}
