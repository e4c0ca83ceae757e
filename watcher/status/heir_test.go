package status

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"legation.dev/pmap"
)

// house has Ingresses of a class that another controller had.
type house struct {
	*testing.T
	*statusTable
	now     time.Time
	version int
	objects map[string]seen
	writes  int
}

// inherited is a house whose Ingresses were written by the other one so long ago.
func inherited(t *testing.T, ago time.Duration, keys ...string) *house {
	h := &house{T: t, statusTable: newStatusTable(rules{quiet: 10 * time.Minute}), now: start, objects: map[string]seen{}}
	for _, key := range keys {
		h.put(key, seen{uid: "u", class: "old", named: true, generation: 1, status: "ip 9", writer: "other", writerAt: start.Add(-ago)})
	}
	h.want("old", "ip 1", h.now)
	h.serve(State{Fleets: map[string]pmap.Map[pmap.Unit]{"old": fleetOf(keys...)}, Inherited: map[string]bool{"old": true}}, h.now)
	return h
}

func (h *house) put(key string, s seen) {
	h.version++
	s.version = strconv.Itoa(h.version)
	h.objects[key] = s
	h.observe(key, s, h.now)
}

// other writes as the other controller does.
func (h *house) other(key string, a addresses) {
	s := h.objects[key]
	s.status, s.ours, s.writer, s.writerAt = a, false, "other", h.now.Truncate(time.Second)
	h.put(key, s)
}

// expect does what is due, and says how many writes there were in all, and whether the
// class is left to the other one.
func (h *house) expect(when string, writes int, held bool) {
	h.Helper()
	for j, ok := h.next(h.now); ok; j, ok = h.next(h.now) {
		h.started(j)
		h.writes++
		h.version++
		s := h.objects[j.ref.Key()]
		s.status, s.ours, s.writer, s.writerAt, s.version = j.addresses, true, "", time.Time{}, strconv.Itoa(h.version)
		h.objects[j.ref.Key()] = s
		h.done(j, s, h.now)
	}
	if got := !h.heirs["old"].holds.IsZero(); h.writes != writes || got != held {
		h.Errorf("%s: %d writes, held %t; want %d, %t", when, h.writes, got, writes, held)
	}
}

// TestHeir: nothing is written while the other controller may be at work; then one
// Ingress is, and when that has stood, all others are.
func TestHeir(t *testing.T) {
	const quiet = 10 * time.Minute
	h := inherited(t, time.Minute, "n/a", "n/b", "n/c")
	h.put("n/new", seen{uid: "u", class: "old", named: true})
	h.expect("it wrote a minute ago", 0, true)
	h.now = start.Add(quiet - time.Minute - 1)
	h.expect("it is silent for almost 10 min", 0, true)
	h.now = h.now.Add(1)
	h.expect("it is silent for 10 min", 1, true)
	h.now = h.now.Add(quiet - 1)
	h.expect("the first one has almost stood", 1, true)
	h.now = h.now.Add(1)
	h.expect("the first one has stood", 3, false)
	h.now = h.now.Add(quiet)
	h.other("n/b", "ip 9")
	h.expect("it was at work in spite of that", 3, true)
}

// TestHeirUndone: while the other one undoes what is written, one Ingress is written, and
// that ever more seldom.
func TestHeirUndone(t *testing.T) {
	h := inherited(t, time.Hour, "n/a", "n/b")
	h.expect("it wrote an hour ago", 1, true)
	var at []time.Duration
	for range 4000 {
		for key, s := range h.objects {
			if s.ours {
				at = append(at, h.now.Sub(start))
				h.now = h.now.Add(time.Minute)
				h.other(key, "ip 9")
			}
		}
		h.now = h.now.Add(time.Minute)
		h.expect("it is at work", h.writesDue(), true)
	}
	if want := "[0s 21m0s 1h2m0s"; fmt.Sprint(at)[:len(want)] != want || h.writes > 9 {
		t.Errorf("%d writes, at %v", h.writes, at)
	}
}

// writesDue are the writes so far and those that are due.
func (h *house) writesDue() int {
	if _, ok := h.next(h.now); ok {
		return h.writes + 1
	}
	return h.writes
}

// TestHeirAtOnce: nothing is waited for where the other one took its addresses away, has
// never written, or a term before has made sure.
func TestHeirAtOnce(t *testing.T) {
	h := inherited(t, time.Minute, "n/a", "n/b")
	h.expect("it wrote a minute ago", 0, true)
	h.other("n/a", "")
	h.expect("it took one away", 1, true)
	h = inherited(t, time.Minute)
	h.put("n/a", seen{uid: "u", class: "old", named: true})
	h.serve(State{Fleets: map[string]pmap.Map[pmap.Unit]{"old": fleetOf("n/a")}, Inherited: map[string]bool{"old": true}}, h.now)
	h.expect("it never wrote", 1, false)
	h = inherited(t, time.Minute, "n/a", "n/b")
	s := h.objects["n/a"]
	s.ours, s.status = true, "ip 1"
	h.put("n/a", s)
	h.expect("one is ours", 1, false)
	h = inherited(t, time.Hour, "n/a", "n/b")
	h.expect("the first", 1, true)
	delete(h.objects, "n/a")
	h.gone("n/a", h.now)
	h.expect("the first is gone", 1, true)
	h.now = h.now.Add(10 * time.Minute)
	h.expect("another one is the first", 2, true)
	h.now = h.now.Add(10 * time.Minute)
	h.serve(State{Fleets: map[string]pmap.Map[pmap.Unit]{"old": fleetOf("n/a", "n/b")}}, h.now)
	if len(h.heirs) > 0 {
		t.Error("a class that is ours is inherited")
	}
}

// TestHeirReadsAll: what another controller wrote may be read last. Until then nothing is
// written, and what is gone meanwhile is not waited for.
func TestHeirReadsAll(t *testing.T) {
	h := &house{T: t, statusTable: newStatusTable(rules{quiet: 10 * time.Minute}), now: start, objects: map[string]seen{}}
	h.want("old", "ip 1", h.now)
	served := func(keys ...string) State {
		return State{Fleets: map[string]pmap.Map[pmap.Unit]{"old": fleetOf(keys...)}, Inherited: map[string]bool{"old": true}}
	}
	h.serve(served("n/a", "n/gone", "n/left", "n/new"), h.now)
	h.put("n/new", seen{uid: "u", class: "old", named: true})
	h.expect("only one was read", 0, false)
	h.gone("n/gone", h.now)
	h.serve(served("n/a", "n/gone", "n/new"), h.now)
	h.expect("one is not read", 0, false)
	h.put("n/a", seen{uid: "u", class: "old", named: true, generation: 1, status: "ip 9", writer: "other", writerAt: start.Add(-time.Minute)})
	h.expect("the other one wrote a minute ago", 0, true)
}
