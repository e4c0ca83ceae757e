package status

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// loop owns all state: the eventRecorder, which lasts, and the term while we lead. No
// lock guards them.
type loop struct {
	w     *Writer
	log   *slog.Logger
	begin chan *lease
	timer *time.Timer

	state    *State // the newest
	recorder *eventRecorder
	term     *leadership // nil while we do not lead
}

func newLoop(w *Writer) *loop {
	t := w.config.Timing
	return &loop{w: w, log: w.config.Log, begin: make(chan *lease), timer: time.NewTimer(0),
		recorder: newEventRecorder(t.Settle, t.Refresh)}
}

// run returns when ctx has ended and nothing is written any more.
func (l *loop) run(ctx context.Context) {
	defer l.timer.Stop()
	for ctx.Err() == nil {
		if l.term == nil {
			l.standBy(ctx)
		} else {
			l.lead(l.term)
		}
	}
	l.end()
}

// standBy waits for a term, and keeps the eventRecorder.
func (l *loop) standBy(ctx context.Context) {
	select {
	case <-ctx.Done():
	case a := <-l.begin:
		l.start(ctx, a)
	case <-l.w.reported:
		l.take()
	}
}

// lead does whatever comes next of a term: hand out one piece of work, or take one
// piece of news.
func (l *loop) lead(t *leadership) {
	now := time.Now()
	l.publish(t, now)
	job, jobs := t.nextJob(now)
	event, events := t.nextEvent(l.recorder, now)
	t.ask(now)
	l.tell(t, now)
	l.timer.Reset(untilNext(now, t.table.wake(t.asking), t.look, t.nextLook(l.recorder)))
	select {
	case <-t.ctx.Done():
		l.end()
	case <-l.w.reported:
		l.take()
	case f := <-t.tasks:
		f(time.Now())
	case jobs <- job:
		t.table.started(job)
	case events <- event:
		t.pending = nil
	case <-l.timer.C:
	}
}

// idleLook is how often the loop looks around although nothing is due.
const idleLook = time.Hour

// untilNext is how long to wait for the first of some times.
func untilNext(now time.Time, times ...time.Time) time.Duration {
	if next := earliest(times...); !next.IsZero() {
		return max(0, next.Sub(now))
	}
	return idleLook
}

// take takes over what was reported last.
func (l *loop) take() {
	s, now := l.w.newest(), time.Now()
	same := l.state != nil && slices.Equal(l.state.Problems, s.Problems)
	l.state, l.recorder.exists = s, s.Exists
	if l.term != nil {
		l.term.table.serve(*s, now)
	}
	if !same {
		l.note(now)
	}
}

// note writes down all that is the matter: first who fights us, since the Events of
// one object are bounded.
func (l *loop) note(now time.Time) {
	if l.state == nil {
		return
	}
	var list []finding.Problem
	if l.term != nil {
		for _, f := range l.term.sortedFights() {
			list = append(list, f.problem())
		}
	}
	list = append(list, l.state.Problems...)
	l.recorder.write(list, l.state.Exists, now)
}

// publish has the addresses of each class written that are due.
func (l *loop) publish(t *leadership, now time.Time) {
	t.look = time.Time{}
	for _, o := range t.sources {
		before := o.follow.published
		again, news := o.look(now)
		t.look = earliest(t.look, again)
		if o.follow.published != before {
			l.w.count(func(s *Stats) { s.Follows++ })
			l.log.Info("publishing", "addresses", o.follow.published.String(), "class", cmp.Or(o.class, "any"))
		}
		if news {
			l.contested(t, o)
		}
	}
	for class := range t.table.fleets { // in no order: they do not depend on each other
		if o := t.addressSource(class); o != nil && o.follow.published != "" {
			t.table.want(class, o.follow.published, now)
		}
	}
}

// contested notes that the address of a Service began or ceased to be rewritten.
func (l *loop) contested(t *leadership, o *addressSource) {
	ref := o.ref()
	if o.contested.IsZero() {
		l.settled(t, ref)
		return
	}
	l.fight(t, fight{Fight: Fight{Object: ref, Managers: o.follow.writers(), Since: o.contested}, stays: o.follow.published})
}

// tell passes on who began or ceased to fight us, and the counters.
func (l *loop) tell(t *leadership, now time.Time) {
	for _, key := range t.table.news {
		e, fights := t.table.entries[key]
		if fights = fights && e.lost != nil; fights {
			l.fight(t, fight{Fight: Fight{Object: refOf(key), Managers: []string{e.lost.writer}, Since: e.lost.since}, stays: e.seen.status})
		} else {
			l.settled(t, refOf(key))
		}
	}
	t.table.news = nil
	l.inherit(t)
	if t.fought {
		t.fought = false
		l.note(now)
	}
	flips := t.table.flips
	t.table.flips = 0
	l.w.count(func(s *Stats) {
		s.Flips += flips
		s.Waiting = t.table.waiting()
		if len(s.Fights)+len(t.fights) > 0 {
			s.Fights = s.Fights[:0:0]
			for _, f := range t.sortedFights() {
				s.Fights = append(s.Fights, f.Fight)
			}
		}
	})
}

// inherit passes on which classes are left to the controller that had them.
func (l *loop) inherit(t *leadership) {
	for ref := range t.fights { // in no order: they do not depend on each other
		if h := t.table.heirs[ref.Name]; ref.Kind == object.KindIngressClass && (h == nil || h.holds.IsZero()) {
			l.settled(t, ref)
		}
	}
	for class, h := range t.table.heirs { // likewise
		ref := object.Ref{Kind: object.KindIngressClass, Name: class}
		if _, told := t.fights[ref]; !told && !h.holds.IsZero() {
			l.fight(t, fight{Fight: Fight{Object: ref, Managers: []string{h.writer}, Since: h.holds}})
		}
	}
}

func (l *loop) fight(t *leadership, f fight) {
	t.fights[f.Object], t.fought = f, true
	l.log.Warn("another controller rewrites what we publish; it is left alone", "object", f.Object.String(), "managers", f.Managers, "stays", f.stays.String())
}

func (l *loop) settled(t *leadership, ref object.Ref) {
	if _, ok := t.fights[ref]; ok {
		delete(t.fights, ref)
		t.fought = true
		l.log.Info("no longer left to another controller", "object", ref.String())
	}
}

// start begins a term.
func (l *loop) start(ctx context.Context, a *lease) {
	now := time.Now()
	l.term = newLeadership(ctx, a, l)
	l.recorder.lead(now)
	if l.state != nil {
		l.term.table.serve(*l.state, now)
	}
	l.w.count(func(s *Stats) { s.Leader, s.Terms = true, s.Terms+1 })
	l.log.Info("writing status and Events", "lease", l.w.config.Lease.String(), "identity", l.w.config.Identity)
}

// end ends the term, if there is one, and waits for all that it started.
func (l *loop) end() {
	t := l.term
	if t == nil {
		return
	}
	t.end()
	l.term = nil
	now := time.Now()
	l.recorder.follow(now)
	l.note(now) // without fights, which are the leader's to know
	l.w.count(func(s *Stats) { s.Leader, s.Waiting, s.Fights = false, 0, nil })
	l.log.Info("not writing status and Events any more", "lease", l.w.config.Lease.String())
}

// sortedFights are in order of their objects.
func (t *leadership) sortedFights() []fight {
	return slices.SortedFunc(maps.Values(t.fights), func(a, b fight) int {
		return cmp.Or(cmp.Compare(a.Object.Kind, b.Object.Kind), cmp.Compare(a.Object.Key(), b.Object.Key()))
	})
}
