// Package controller drives translation: it takes changes from a source, has the
// pure translator make snapshots of them, lays over those what is kept from the past,
// and hands them on.
//
// Everything that depends on the past is called from here: View.Hold (what is held of
// objects), hold.Next (a Secret, a Service or endpoints that are missing), and pace (changes
// of a namespace that makes too many). docs/architecture.md has the list of what is held.
//
// Start reading at Loop.Run.
package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/hold"
	"legation.dev/xds/snapshot"
)

// Source is where Changes come from: a folder, or an API server.
type Source interface {
	// Take waits for changes and returns all that have come, coalesced by
	// object, never none. The first call waits for the first full reading. When
	// ctx ends it returns ctx's error and loses no change.
	Take(ctx context.Context) ([]input.Change, error)
	// FollowedSince is since when it has followed all that says where a request
	// goes: zero for ever, and now while it does not.
	FollowedSince(now time.Time) time.Time
}

// Loop turns the changes of a Source into snapshots. Source and Publish must be
// set.
type Loop struct {
	Source Source
	// Publish gets the snapshot of each fleet after each batch, changed or not,
	// and why, for people. It must not block.
	Publish func(fleet string, s snapshot.Snapshot, cause snapshot.Cause)
	// Report gets every result, if set: the first one also if nothing was read. It must not
	// block.
	Report func(translator.Result)
	// Held gets what is held after each batch, if set. It must not block.
	Held func(Holds)
	// Used hears with which objects fleets are served (input.View.Uses) when those may be others,
	// if set: a Source that reads by name follows them. It must not block.
	Used func([]object.Ref)
	// Observe hears what each batch cost, if set. It must not block.
	Observe func(Pass)
	// StandIn is the certificate for hosts whose Secret never was there.
	StandIn *input.Secret
	// Last is what an earlier process read, or another replica, with the time of
	// View.WithStored; the zero View if nothing is known of it. The first reading counts as a
	// change of it: a class that is gone since is frozen, and settings that are wrong since
	// are kept. Run takes it.
	Last input.View
	// ColdStart is how long the first reading may take before Last is published in its
	// place, marked with its age, until the source was read; 0: it is not.
	ColdStart time.Duration
	// Orders are carried out between two batches; nil: there are none.
	Orders *Orders
	// Now reads the clock; nil means time.Now.
	Now func() time.Time
}

// Pass is what one batch of changes, or the end of a hold, cost.
type Pass struct {
	Translation time.Duration
	Publication time.Duration // holds included
	Stats       translator.Stats
	Waiting     int    // changes that wait, of namespaces that make too many
	Merged      uint64 // changes since the start that a newer one of the same object replaced while they waited
}

// kept is what is kept of one fleet.
type kept struct {
	hold.Held
	wake time.Time
}

// Run is the only writer: view, result and holds live on its stack, so no lock
// guards them. It returns when ctx ends or the source fails.
func (l *Loop) Run(ctx context.Context) error {
	var (
		view   = l.Last.WithStandIn(l.StandIn)
		result translator.Result
		holds  = map[string]kept{} // by fleet
		pace   pace
		next   = l.coldStart() // when something changes although no object does
	)
	l.Last = input.View{} // nobody needs it beside view and holds
	if begin := l.now(); !view.Stored().IsZero() {
		view = view.Guard(input.View{}, held.Clock{Now: begin, Fresh: begin}) // counts its hosts
	}
	for first := true; ; first = false {
		batch, err := l.take(ctx, next, first)
		if err != nil {
			return fmt.Errorf("reading cluster state: %w", err)
		}
		clock, came := l.clock(), len(batch)
		begin := clock.Now
		if !first {
			batch = pace.of(result).admit(view, batch, begin)
		}
		if came > 0 && len(batch) == 0 && (next.IsZero() || begin.Before(next)) { // all of it waits
			next = earliest(begin, next, pace.wake(begin))
			continue
		}
		last := view
		told, orders := l.Orders.obey(view.WithTime(begin).WithPress(pace.press(begin)), clock, l.Orders.take())
		result = follow(result, told, after(told, batch), clock)
		l.Orders.lapse(result.View().Lapsed(), begin)
		translated := l.now()
		view = l.publish(result, holds, cause(batch, first, orders.causes))
		l.tell(Pass{translated.Sub(begin), l.now().Sub(translated), result.Stats, pace.waiting, pace.merged}, holdsOf(view, holds, clock), first || !view.SameUses(last))
		orders.answer()
		if l.Report != nil && (first || len(batch) > 0 || len(orders.orders) > 0 || !view.SameGuard(last) || !view.SamePress(last) || !last.Kept().Same(view.Kept())) {
			l.Report(result)
		}
		next = wake(begin, holds, view.HeldUntil(clock), result.Next(), pace.wake(begin))
	}
}

// tell says what a pass cost and what it left, and with which objects fleets are served if those
// may be others.
func (l *Loop) tell(p Pass, h Holds, othersUsed bool) {
	if l.Used != nil && othersUsed {
		l.Used(h.View().Uses())
	}
	if l.Held != nil {
		l.Held(h)
	}
	if l.Observe != nil {
		l.Observe(p)
	}
}

// after is a View after changes. The first batch is all that there is.
func after(v input.View, batch []input.Change) input.View {
	if batch != nil && !v.Stored().IsZero() {
		return v.Continue(batch)
	}
	return v.With(batch...)
}

// follow is what is served of read, with what is held of told, the View before it. Settings that
// have changed are held in a first translation, which tells what the new ones would do.
func follow(last translator.Result, told, read input.View, clock held.Clock) translator.Result {
	view := read.Hold(told, clock, nil)
	if len(view.Unweighed()) > 0 {
		var closes map[string]held.Closes
		closes, last = weigh(last, view)
		view = read.Hold(told, clock, closes)
	}
	return translator.Translate(last, view)
}

// coldStart is when Last is published unless the source is read before; zero for never.
func (l *Loop) coldStart() time.Time {
	if l.ColdStart <= 0 || l.Last.Stored().IsZero() {
		return time.Time{}
	}
	return l.now().Add(l.ColdStart)
}

// take waits for changes, or until wake, if there is one, or an order comes, when it
// returns none. Orders wait for the first reading: before it there is nothing to change.
func (l *Loop) take(ctx context.Context, wake time.Time, first bool) ([]input.Change, error) {
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	if !wake.IsZero() {
		late := time.AfterFunc(wake.Sub(l.now()), cancel)
		defer late.Stop()
	}
	if !first {
		l.Orders.waiting(cancel)
		defer l.Orders.waiting(nil)
	}
	batch, err := l.Source.Take(wait)
	if err != nil && errors.Is(err, wait.Err()) && ctx.Err() == nil {
		return nil, nil
	}
	return batch, err
}

// publish hands on every fleet: one whose resources are as before may still have
// newer spare endpoints. It returns the View of the result with the certificates that stay.
func (l *Loop) publish(r translator.Result, holds map[string]kept, cause snapshot.Cause) input.View {
	clock, certificates := l.clock(), r.View().Certificates()
	for f := range r.Fleets() {
		told, _ := certificates.Get(f.Name)
		next, wake := hold.Next(holds[f.Name].Held, f.Snapshot, told, clock)
		holds[f.Name] = kept{next, wake}
		if certificates = certificates.Delete(f.Name); next.Certificates.Len() > 0 {
			certificates = certificates.Set(f.Name, next.Certificates)
		}
		l.Publish(f.Name, next.Snapshot.WithStored(r.View().Stored()), cause)
	}
	for name := range holds {
		if _, ok := r.Fleet(name); !ok {
			delete(holds, name)
		}
	}
	for name := range certificates.All() {
		if _, ok := r.Fleet(name); !ok {
			certificates = certificates.Delete(name)
		}
	}
	return r.View().WithCertificates(certificates)
}

// wake is when something changes although no object does: one of several moments, which
// are zero for never, or the end of a hold.
func wake(now time.Time, holds map[string]kept, moments ...time.Time) time.Time {
	for _, h := range holds {
		moments = append(moments, h.wake)
	}
	return earliest(now, moments...)
}

// earliest is the first of several moments, which are zero for never, as they are seen from
// now: some go by the wall clock, and others by the machine's, if the wall clock was set.
func earliest(now time.Time, moments ...time.Time) (first time.Time) {
	for _, t := range moments {
		if !t.IsZero() && (first.IsZero() || t.Sub(now) < first.Sub(now)) {
			first = t
		}
	}
	return first
}

// clock is what holds see of the time.
func (l *Loop) clock() held.Clock {
	now := l.now()
	return held.Clock{Now: now, Fresh: l.Source.FollowedSince(now)}
}

func (l *Loop) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// namedInCause is how many objects a cause names before it counts the rest.
const namedInCause = 3

// cause says which objects changed: "Ingress shop/checkout, Service shop/api and 4 more",
// or who ordered what.
func cause(batch []input.Change, first bool, orders []string) snapshot.Cause {
	switch {
	case len(orders) > 0:
		return snapshot.Cause{Text: strings.Join(orders, ", "), Edits: editsOf(batch)}
	case len(batch) > 0:
		return snapshot.Cause{Text: namesOf(batch), Edits: editsOf(batch)}
	case first && batch == nil:
		return snapshot.Cause{Text: "what an earlier process stored: the source was not read in time"}
	default:
		return snapshot.Cause{Text: "time passed"}
	}
}

// editsOf are the first changes, with who made them.
func editsOf(batch []input.Change) []snapshot.Edit {
	batch = batch[:min(len(batch), snapshot.MostEdits)]
	list := make([]snapshot.Edit, len(batch))
	for i, c := range batch {
		list[i] = snapshot.Edit{Object: c.Ref, Deleted: c.Deleted, Manager: c.By.Manager, Time: c.By.Time}
	}
	return list
}

func namesOf(batch []input.Change) string {
	var names []string
	for _, c := range batch[:min(len(batch), namedInCause)] {
		names = append(names, c.Ref.String())
	}
	text := strings.Join(names, ", ")
	if more := len(batch) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
