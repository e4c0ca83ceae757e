package status

import (
	"maps"
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// The bounds of Events for one object. problemsShown is what a person reads in
// `kubectl describe`; the log has all. The budget is that of client-go's own
// recorder (EventSourceObjectSpamFilter): a burst of 25, then one each 5 minutes.
const (
	problemsShown = 10
	eventsAtOnce  = 25
	eventsAgain   = 5 * time.Minute
)

// handover is how long a Problem that is gone is remembered by who does not lead:
// longer than a term can be over without the next one having begun.
const handover = time.Minute

// eventRecorder decides which Events are written. Every replica keeps one, so that
// the next leader knows what is new; only the leader writes. It is passive: it
// is told what is the matter, what became of writes, and the time. It belongs to the
// loop.
//
// A Problem that stays is one Event. Its name follows from what it says, so that
// another leader, or this process after a restart, finds it written already.
type eventRecorder struct {
	lasting time.Duration // how long a Problem must last, or be gone, to be told
	refresh time.Duration // after which an Event is renewed: before the API server forgets it
	exists  func(object.Ref) bool
	leads   bool
	states  map[finding.Problem]*eventState
	objects map[object.Ref]*account
	due     *timerQueue[finding.Problem]
}

// eventState is what is known of a Problem.
type eventState struct {
	present bool
	since   time.Time // when it came, or went
	lasted  bool      // it was there for long enough to be told, before it went
	told    bool      // the Event of its being there is written, and none of its end
	busy    bool      // a write is under way
	warning record
	mended  record
}

// record is an Event that was written by us.
type record struct {
	name  string    // empty: none was
	count int32     // of its series; 0 if another process wrote it
	at    time.Time // when it was written or renewed
}

// account is what Events of one object have in common.
type account struct {
	problems map[finding.Problem]bool
	tokens   float64
	at       time.Time // when tokens was that
}

func newEventRecorder(lasting, refresh time.Duration) *eventRecorder {
	return &eventRecorder{lasting: lasting, refresh: refresh, exists: func(object.Ref) bool { return true },
		states: map[finding.Problem]*eventState{}, objects: map[object.Ref]*account{}, due: newTimerQueue[finding.Problem]()}
}

// write takes all Problems that there are now, sorted by object. Of an object that
// does not exist nothing is mended.
func (b *eventRecorder) write(list []finding.Problem, exists func(object.Ref) bool, now time.Time) {
	b.exists = exists
	there := map[finding.Problem]bool{}
	for _, p := range shown(list) {
		there[p] = true
		t, ok := b.states[p]
		if !ok {
			t = b.add(p)
		}
		if !t.present {
			t.present, t.since = true, now
			b.plan(p, t, now)
		}
	}
	for p, t := range b.states { // in no order: what comes of it has one
		if t.present && !there[p] {
			t.present, t.since, t.lasted = false, now, now.Sub(t.since) >= b.settle(p)
		}
	}
	for p, t := range b.states { // now that all are known that are present
		if !t.present {
			b.plan(p, t, now)
		}
	}
}

// shown are the Problems that are told: a bounded number for each object.
func shown(list []finding.Problem) []finding.Problem {
	var kept []finding.Problem
	count := map[object.Ref]int{}
	for _, p := range list {
		if p.Object.Kind == object.KindFile || p.Object.Kind == object.KindNamespace { // which we may not name in an Event
			continue
		}
		count[p.Object]++
		switch c := count[p.Object]; {
		case c <= problemsShown:
			kept = append(kept, p)
		case c == problemsShown+1:
			kept = append(kept, finding.MoreProblems.Of(object.Origin{Object: p.Object}, ""))
		}
	}
	return kept
}

func (b *eventRecorder) add(p finding.Problem) *eventState {
	t := &eventState{}
	b.states[p] = t
	o, ok := b.objects[p.Object]
	if !ok {
		o = &account{problems: map[finding.Problem]bool{}, tokens: eventsAtOnce}
		b.objects[p.Object] = o
	}
	o.problems[p] = true
	return t
}

func (b *eventRecorder) remove(p finding.Problem) {
	b.due.drop(p)
	delete(b.states, p)
	o := b.objects[p.Object]
	delete(o.problems, p)
	if len(o.problems) == 0 {
		delete(b.objects, p.Object)
	}
}

// plan says when a Problem is looked at, or forgets it.
func (b *eventRecorder) plan(p finding.Problem, t *eventState, now time.Time) {
	at, forget := b.when(p, t)
	switch {
	case t.busy:
	case forget && !now.Before(at):
		b.remove(p)
	case b.leads:
		b.due.setTime(p, at)
	}
}

// when is when there is something to do about a Problem: write an Event, renew it, or
// forget what is known of it.
func (b *eventRecorder) when(p finding.Problem, t *eventState) (at time.Time, forget bool) {
	switch {
	case t.present && !t.told:
		return t.since.Add(b.settle(p)), false
	case t.present:
		return t.warning.at.Add(b.refresh), false
	case !b.leads:
		return t.since.Add(handover), true
	case !t.told && t.mended.name == "", !b.exists(p.Object):
		return t.since, true
	case t.told:
		return t.since.Add(b.lasting), b.replaced(p)
	}
	return t.mended.at.Add(2 * b.refresh), true // until then it may be back: the same Event then counts on
}

// settle is how long a Problem must last to be told.
func (b *eventRecorder) settle(p finding.Problem) time.Duration {
	return max(b.lasting, p.Code.Settle())
}

// replaced reports whether something else is wrong with the same field now.
func (b *eventRecorder) replaced(p finding.Problem) bool {
	for other := range b.objects[p.Object].problems {
		if other != p && other.Field == p.Field && b.states[other].present {
			return true
		}
	}
	return false
}

// lead begins a term: what was told before is told again, under the same names.
// What went since the last leader may have stopped is told, too.
func (b *eventRecorder) lead(now time.Time) {
	b.leads = true
	for p, t := range b.states {
		t.warning, t.mended = record{}, record{}
		t.told = !t.present && t.lasted && now.Sub(t.since) < handover
		b.plan(p, t, now)
	}
}

// follow ends a term.
func (b *eventRecorder) follow(now time.Time) {
	b.leads = false
	b.due = newTimerQueue[finding.Problem]()
	for p, t := range b.states {
		t.busy = false
		b.plan(p, t, now)
	}
}

// renew has all Problems of an object told anew: it is another object of the same
// name.
func (b *eventRecorder) renew(ref object.Ref, now time.Time) {
	o, ok := b.objects[ref]
	if !ok {
		return
	}
	for _, p := range slices.Collect(maps.Keys(o.problems)) {
		t := b.states[p]
		if !t.present {
			b.remove(p)
			continue
		}
		t.told, t.since, t.warning, t.mended = false, now, record{}, record{}
		b.plan(p, t, now)
	}
}

// eventWrite is one Event to be written or renewed.
type eventWrite struct {
	problem finding.Problem
	mended  bool
	before  record // empty name: it is not known to be there
}

// next is the next Event to write; it is taken out until it is done or failed.
func (b *eventRecorder) next(now time.Time) (eventWrite, bool) {
	for {
		p, ok := b.due.due(now)
		if !ok {
			return eventWrite{}, false
		}
		t := b.states[p]
		at, forget := b.when(p, t)
		switch {
		case now.Before(at):
			b.due.setTime(p, at)
		case forget:
			b.remove(p)
		case !b.spend(p.Object, now):
			b.due.setTime(p, now.Add(eventsAgain))
		default:
			t.busy = true
			return t.write(p), true
		}
	}
}

func (t *eventState) write(p finding.Problem) eventWrite {
	if t.present {
		return eventWrite{problem: p, before: t.warning}
	}
	return eventWrite{problem: p, mended: true, before: t.mended}
}

// spend takes one Event from the budget of an object.
func (b *eventRecorder) spend(ref object.Ref, now time.Time) bool {
	o := b.objects[ref]
	if !o.at.IsZero() {
		o.tokens = min(eventsAtOnce, o.tokens+float64(now.Sub(o.at))/float64(eventsAgain))
	}
	o.at = now
	if o.tokens < 1 {
		return false
	}
	o.tokens--
	return true
}

// done takes that an Event is written.
func (b *eventRecorder) done(p eventWrite, r record, now time.Time) {
	t, ok := b.states[p.problem]
	if !ok {
		return
	}
	r.at, t.busy = now, false
	if p.mended {
		t.mended, t.told = r, false
	} else {
		t.warning, t.told = r, true
	}
	b.plan(p.problem, t, now)
}

// failed takes that an Event could not be written; it is tried again at a time.
func (b *eventRecorder) failed(p eventWrite, at time.Time) {
	if t, ok := b.states[p.problem]; ok && b.leads {
		t.busy = false
		b.due.setTime(p.problem, at)
	}
}
