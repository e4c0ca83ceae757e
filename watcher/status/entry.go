package status

import "time"

// flipsBorne is how often what we wrote may be undone on one object before we
// leave it to the other writer.
const flipsBorne = 3

// entry is what is known of one Ingress.
type entry struct {
	seen  seen   // as the API server has it
	class string // of ours that serves it; empty: none does

	// The last write.
	busy    bool // it is under way
	writing addresses
	landed  bool // it was seen

	// What became of our writes.
	held      addresses // what is there and ours; empty: nothing is
	heldSince time.Time
	flips     int
	lost      *lost     // set: we write no more
	otherAt   time.Time // when another writer wrote what is there

	// A first address waits until it is acknowledged that the Ingress is served.
	waits    time.Time // since when; zero: it does not, or not yet
	askGap   time.Duration
	askAt    time.Time
	answered bool // it is served

	// After a failure.
	failures int
	retryAt  time.Time
}

// lost is another writer that we left an Ingress to.
type lost struct {
	writer     string
	since      time.Time
	generation int64     // of the Ingress
	desired    addresses // what we wanted to write
}

// step is what is to be done about an Ingress.
type step int

const (
	idle    step = iota
	wait         // ask whether it is served
	write        // desired
	release      // what we wrote
)

// rules are the durations that decisions need.
type rules struct {
	patience time.Duration // how long a first address waits
	quiet    time.Duration // after which a flip or a fight is forgotten
}

// decide says what to do, and when to look again; zero means not before something
// changes. desired is what should be there; known is false while that is unknown. It
// changes nothing.
func (e *entry) decide(r rules, desired addresses, known bool, now time.Time) (step, time.Time) {
	switch {
	case e.busy || e.seen.version == "":
		return idle, time.Time{}
	case now.Before(e.retryAt):
		return idle, e.retryAt
	case !e.member():
		if e.seen.ours {
			return release, time.Time{}
		}
		return idle, time.Time{}
	case !known || e.seen.status == desired:
		return idle, time.Time{}
	case e.lost != nil:
		return idle, e.lost.over(r, e, desired)
	case e.isNew() && !e.answered && now.Before(e.waits.Add(r.patience)):
		return wait, e.waits.Add(r.patience)
	}
	return write, time.Time{}
}

// member reports whether a class of ours serves the Ingress, as far as we and the
// object itself agree: who moved it to another class has the word, although
// translation has yet to hear of it.
func (e *entry) member() bool {
	return e.class != "" && (!e.seen.named || e.seen.names(e.class))
}

// isNew reports whether no address of ours is there, and none was undone: then one waits
// until the Ingress is served, and goes before other writes.
func (e *entry) isNew() bool { return !e.seen.ours && e.held == "" && e.flips == 0 }

// over returns when we may write again after yielding to another controller: one quiet
// period after we yielded, and only if the spec of the Ingress or our address has changed
// since, so that the other writer may be gone. Zero: not yet.
func (f *lost) over(r rules, e *entry, desired addresses) time.Time {
	if f.generation == e.seen.generation && f.desired == desired {
		return time.Time{}
	}
	return f.since.Add(r.quiet)
}

// note takes what is there now, and reports whether somebody undid what we wrote.
func (e *entry) note(s seen, now time.Time) (undone bool) {
	if s.uid != e.seen.uid && e.seen.uid != "" {
		*e = entry{class: e.class, busy: e.busy, writing: e.writing}
	}
	e.others(s, now)
	e.seen = s
	switch {
	case s.ours && s.status == e.writing:
		e.landed = true
		e.hold(now)
	case e.busy && e.writing == "" && !s.ours:
		e.landed, e.held = true, ""
	case e.held == "" && s.ours: // a write of another term
		e.hold(now)
	case e.held == "" || e.held == s.status:
	case !e.member():
		e.held = ""
	default: // be it in our name: then by a Legation with another Lease
		return true
	}
	return false
}

// others notes when another writer wrote last: now, if we see it happen, else as long ago
// as the object says. By the clock of the API server that may be in the future.
func (e *entry) others(s seen, now time.Time) {
	switch {
	case s.ours || s.writer == "":
	case e.seen.version == "":
		e.otherAt = now.Add(-max(0, now.Sub(s.writerAt)))
	case s.status != e.seen.status || s.writerAt.After(e.seen.writerAt):
		e.otherAt = now
	}
}

func (e *entry) hold(now time.Time) {
	if e.held != e.seen.status {
		e.held, e.heldSince = e.seen.status, now
	}
}

// undo counts a flip, and stops at the last that is borne. desired is what we
// would write.
func (e *entry) undo(r rules, desired addresses, now time.Time) (stopped bool) {
	if now.Sub(e.heldSince) >= r.quiet {
		e.flips = 0
	}
	e.held = ""
	e.flips++
	if e.flips < flipsBorne || e.lost != nil {
		return false
	}
	writer := e.seen.writer
	if e.seen.ours {
		writer = Manager
	}
	e.lost = &lost{writer: writer, since: now, generation: e.seen.generation, desired: desired}
	return true
}

// resume gives us a new turn.
func (e *entry) resume() { e.lost, e.flips, e.held = nil, 0, "" }
