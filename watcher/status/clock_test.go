package status

import (
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/test/clock"
	"legation.dev/translator/finding"
)

// TestClockJumps: Ingresses that wait for their address, and one whose write failed,
// go on in time when the wall clock is set.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			now := time.Now()
			l := newStatusTable(testRules)
			l.serve(State{Fleets: map[string]pmap.Map[pmap.Unit]{"edge": fleetOf("n/a", "n/b")}}, now)
			l.want("edge", "ip 1", now)
			l.observe("n/a", seen{uid: "u", version: "1"}, now)
			l.observe("n/b", seen{uid: "v", version: "2"}, now)
			if list := l.question(10, now); len(list) != 2 {
				t.Fatalf("asked for %v", list)
			}
			l.answer([]object.Ref{refOf("n/a"), refOf("n/b")}, []bool{false, true}, now)
			j, ok := l.next(now)
			if !ok || j.ref.Name != "b" {
				t.Fatalf("first comes %v", j)
			}
			l.started(j)
			l.failed(j, now)

			now = clock.Set(now, jump)
			if d := l.wake(false).Sub(now); d != askGapMin {
				t.Errorf("the next look is in %v, want %v", d, askGapMin)
			}
			now = now.Add(retryMin)
			if list := l.question(10, now); len(list) != 1 || list[0].Name != "a" {
				t.Errorf("asked for %v", list)
			}
			if j, ok = l.next(now); !ok || j.ref.Name != "b" {
				t.Errorf("the write that failed is not tried again, but %v", j)
			}
			l.started(j)
			if j, ok = l.next(now.Add(testRules.patience)); !ok || j.ref.Name != "a" {
				t.Errorf("the bound of the wait has passed, and what comes is %v", j)
			}
		})
	}
}

// TestEventRecorderClockJumps: an Event comes when its Problem has lasted, and not before,
// when the wall clock is set.
func TestEventRecorderClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		now := time.Now()
		b := newEventRecorder(time.Second, 30*time.Minute)
		b.lead(now)
		exists := func(object.Ref) bool { return true }
		b.write([]finding.Problem{{Code: finding.BadPath, Object: refOf("n/a"), Message: "wrong"}}, exists, now)
		now = clock.Set(now, jump)
		if p, ok := b.next(now); ok {
			t.Errorf("%v: told at once: %v", jump, p)
		}
		if d := b.due.when().Sub(now); d != time.Second {
			t.Errorf("%v: the next look is in %v", jump, d)
		}
		if _, ok := b.next(now.Add(time.Second)); !ok {
			t.Errorf("%v: not told in time", jump)
		}
	}
}
