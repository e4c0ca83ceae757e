package status

import (
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
)

var testRules = rules{patience: 10 * time.Second, quiet: 10 * time.Minute}

// desk plays the part of the loop and of an API server with one Ingress, n/a, of
// class edge.
type desk struct {
	*testing.T
	*statusTable
	now    time.Time
	object seen
	number byte
	writes int
}

func newDesk(t *testing.T) *desk {
	d := &desk{T: t, statusTable: newStatusTable(testRules), now: start, number: '0'}
	d.object = seen{uid: "u", class: "edge", named: true, generation: 1}
	return d
}

// is makes the Ingress what edit makes of it, and lets us see it.
func (d *desk) is(edit func(*seen)) {
	d.number++
	edit(&d.object)
	d.object.version = string(d.number)
	d.observe("n/a", d.object, d.now)
}

func (d *desk) rival(a addresses) {
	d.is(func(s *seen) { s.status, s.ours, s.writer = a, false, "rival" })
}

func fleetOf(keys ...string) pmap.Map[pmap.Unit] {
	var m pmap.Map[pmap.Unit]
	for _, k := range keys {
		m = m.Set(k, pmap.Unit{})
	}
	return m
}

func (d *desk) serves(keys ...string) {
	d.serve(State{Fleets: map[string]pmap.Map[pmap.Unit]{"edge": fleetOf(keys...)}}, d.now)
}

// work does the job that is due, if there is one.
func (d *desk) work() bool {
	j, ok := d.next(d.now)
	if !ok {
		return false
	}
	if j.version != d.object.version {
		d.Errorf("a job for version %s, there is %s", j.version, d.object.version)
	}
	d.started(j)
	if _, twice := d.next(d.now); twice {
		d.Error("two jobs for one Ingress")
	}
	d.number++
	d.object.version = string(d.number)
	d.object.status, d.object.ours, d.object.writer = j.addresses, j.addresses != "", ""
	d.writes++
	d.done(j, d.object, d.now)
	d.observe("n/a", d.object, d.now) // the watch says the same
	return true
}

func (d *desk) expect(when string, status addresses, writes int) {
	d.Helper()
	for d.work() {
	}
	if d.object.status != status || d.writes != writes {
		d.Errorf("%s: %q after %d writes, want %q after %d", when, d.object.status, d.writes, status, writes)
	}
}

// ready is a desk whose Ingress has its address.
func ready(t *testing.T) *desk {
	d := newDesk(t)
	d.want("edge", "ip 1", d.now)
	d.serves("n/a")
	d.is(func(*seen) {})
	d.answer([]object.Ref{refOf("n/a")}, []bool{true}, d.now)
	d.expect("it is served", "ip 1", 1)
	return d
}

// TestFirstAddress: a first address waits until it is acknowledged that the Ingress
// is served, or for a bounded time; nobody is asked about one that has it.
func TestFirstAddress(t *testing.T) {
	d := newDesk(t)
	d.is(func(*seen) {})
	d.expect("nothing was reported", "", 0)
	d.serves()
	d.expect("it is not ours", "", 0)
	d.serves("n/a")
	d.expect("nobody can tell the address", "", 0)
	d.want("edge", "ip 1", d.now)
	for gap := askGapMin; gap < askGapMax; gap *= 2 {
		list := d.question(10, d.now)
		if len(list) != 1 || len(d.question(10, d.now)) != 0 {
			t.Fatalf("asked for %v", list)
		}
		d.answer(list, nil, d.now)
		if !d.wake(false).Equal(d.now.Add(gap)) || d.wake(true).Before(start.Add(testRules.patience)) {
			t.Errorf("after %v asked again at %v", gap, d.wake(false))
		}
		d.expect("nobody serves it", "", 0)
		d.now = d.now.Add(gap)
	}
	d.now = start.Add(testRules.patience - 1)
	d.expect("nobody serves it yet", "", 0)
	d.now = d.now.Add(1)
	d.expect("it has waited long enough", "ip 1", 1)
	if d.waiting() != 0 || !d.wake(false).IsZero() {
		t.Errorf("%d wait, next look at %v", d.waiting(), d.wake(false))
	}
	d = ready(t)
	d.want("edge", "ip 2", d.now)
	d.expect("an address that changes does not wait", "ip 2", 2)
}

// TestFight: three flips and three writes, then silence, until the Ingress or its
// address changes and the other writer has had time to go.
func TestFight(t *testing.T) {
	d := ready(t)
	undo := func() {
		for range 60 {
			d.rival("ip 9")
			for d.work() {
			}
			d.now = d.now.Add(time.Second)
		}
	}
	undo()
	d.expect("a rival", "ip 9", 3)
	if e := d.entries["n/a"]; len(d.lost) != 1 || e.lost.writer != "rival" || d.flips != 3 {
		t.Fatalf("lost: %v, %d flips", d.lost, d.flips)
	}
	d.now = d.now.Add(24 * time.Hour)
	d.expect("a day later", "ip 9", 3)
	d.is(func(s *seen) { s.generation++ })
	d.expect("its owner changed it", "ip 1", 4)
	if len(d.lost) != 0 || len(d.news) != 2 {
		t.Errorf("lost: %v, news: %v", d.lost, d.news)
	}
	undo()
	d.expect("the rival again", "ip 9", 6)
	d.want("edge", "ip 2", d.now)
	d.is(func(s *seen) { s.generation++ })
	d.expect("another address, at once", "ip 9", 6)
	d.now = d.entries["n/a"].lost.since.Add(testRules.quiet - 1)
	d.expect("another address, still early", "ip 9", 6)
	d.now = d.now.Add(1)
	d.expect("another address, when the rival may be gone", "ip 2", 7)
	for i := range 5 {
		d.now = d.now.Add(time.Hour)
		d.rival("ip 9")
		d.expect("once in an hour is no fight", "ip 2", 8+i)
	}
}

// TestEchoes: what the watch says late, or before the answer to our write, is no
// other writer's doing.
func TestEchoes(t *testing.T) {
	d := ready(t)
	stale := d.object
	stale.version, stale.status, stale.ours = "1", "ip 9", false
	d.observe("n/a", stale, d.now)
	d.expect("an old state, late", "ip 1", 1)
	d.rival("ip 9")
	j, _ := d.next(d.now)
	d.started(j)
	d.is(func(s *seen) { s.status, s.ours = j.addresses, true })
	landed := d.object
	d.rival("ip 9")
	d.done(j, landed, d.now)
	if d.flips != 2 {
		t.Errorf("undone twice, counted %d", d.flips)
	}
	d = ready(t)
	d.is(func(s *seen) { s.class = "nginx" })
	j, _ = d.next(d.now)
	d.started(j)
	d.is(func(s *seen) { s.status, s.ours = "", false })
	d.done(j, d.object, d.now)
	d.is(func(s *seen) { s.class = "edge" })
	d.expect("given up and taken again", "ip 1", 2)
	if d.flips != 0 {
		t.Errorf("%d flips without another writer", d.flips)
	}
}

// TestFightSeenLate: a write is undone before we hear of it.
func TestFightSeenLate(t *testing.T) {
	d := ready(t)
	for range 10 {
		d.rival("ip 9")
		j, ok := d.next(d.now)
		if !ok {
			break
		}
		d.started(j)
		d.writes++
		landed := d.object
		d.number++
		landed.version, landed.status, landed.ours, landed.writer = string(d.number), j.addresses, true, ""
		d.rival("ip 9")
		d.done(j, landed, d.now)
	}
	d.expect("a quick rival", "ip 9", 3)
}

// TestMutated: what an API server's webhook makes of our write is another writer's.
func TestMutated(t *testing.T) {
	d := newDesk(t)
	d.want("edge", "ip 1", d.now)
	d.serves("n/a")
	d.is(func(*seen) {})
	d.now = d.now.Add(testRules.patience)
	for range 10 {
		j, ok := d.next(d.now)
		if !ok {
			break
		}
		d.started(j)
		d.writes++
		d.number++
		d.object.version, d.object.status, d.object.ours = string(d.number), "ip 7", true
		d.done(j, d.object, d.now)
	}
	d.expect("a webhook", "ip 7", 3)
}

// TestTwins: two Legations with a Lease each, which publish different addresses of one
// class, do not fight for long although they have one name.
func TestTwins(t *testing.T) {
	a, b := ready(t), ready(t)
	b.want("edge", "ip 2", b.now)
	writes := 0
	for range 100 {
		for _, turn := range [][2]*desk{{a, b}, {b, a}} {
			one, other := turn[0], turn[1]
			one.object, one.number = other.object, other.number
			one.observe("n/a", one.object, one.now)
			if one.work() {
				writes++
			}
			one.now = one.now.Add(time.Second)
		}
	}
	if len(a.lost)+len(b.lost) != 1 || writes > 2*flipsBorne {
		t.Errorf("%d writes; lost: %v, %v", writes, a.lost, b.lost)
	}
	for _, d := range []*desk{a, b} {
		for key := range d.lost {
			if w := d.entries[key].lost.writer; w != Manager {
				t.Errorf("lost to %q", w)
			}
		}
	}
}

// TestReleased: an Ingress that leaves our classes is given up, if what it has is
// ours; then it is none of our business.
func TestReleased(t *testing.T) {
	d := ready(t)
	d.is(func(s *seen) { s.class = "nginx" })
	d.expect("moved, and translation has not heard of it", "", 2)
	d.rival("ip 9")
	d.serves()
	d.rival("ip 8")
	d.expect("the other controller's", "ip 8", 2)
	d.is(func(s *seen) { s.class = "edge" })
	d.serves("n/a")
	d.now = d.now.Add(testRules.patience)
	d.expect("it is back", "ip 1", 3)
	d.serves()
	d.expect("not served although it names our class", "", 4)
	for _, named := range []bool{true, false} {
		d = ready(t)
		d.is(func(s *seen) { s.class, s.named = "theirs", named })
		d.serve(State{Elsewhere: map[string]bool{"theirs": true}}, d.now)
		d.expect("another Legation's", "ip 1", 1)
	}
}

// TestUntouched: nothing is written that stands there, whoever wrote it.
func TestUntouched(t *testing.T) {
	for _, s := range []seen{{status: "ip 1", ours: true}, {status: "ip 1", writer: "other"}} {
		d := newDesk(t)
		d.want("edge", "ip 1", d.now)
		d.serves("n/a")
		d.is(func(o *seen) { o.status, o.ours, o.writer = s.status, s.ours, s.writer })
		d.now = d.now.Add(time.Hour)
		d.expect("it is there", "ip 1", 0)
	}
}

// TestFailures: what fails is tried again, later each time, and at once when the
// object changes.
func TestFailures(t *testing.T) {
	d := ready(t)
	d.want("edge", "ip 2", d.now)
	var waits []time.Duration
	for range 12 {
		j, ok := d.next(d.now)
		if !ok {
			t.Fatal("no job")
		}
		d.started(j)
		d.failed(j, d.now)
		if _, ok := d.next(d.now); ok {
			t.Fatal("tried again at once")
		}
		waits = append(waits, d.wake(false).Sub(d.now))
		d.now = d.wake(false)
	}
	if waits[0] != retryMin || waits[1] != 2*retryMin || waits[11] != retryMax {
		t.Errorf("waits: %v", waits)
	}
	j, _ := d.next(d.now)
	d.started(j)
	d.failed(j, d.now)
	d.is(func(s *seen) { s.generation++ })
	d.expect("it has changed", "ip 2", 2)
}

// TestGone: a deleted Ingress is forgotten; one of the same name is another one.
func TestGone(t *testing.T) {
	d := ready(t)
	d.rival("ip 9")
	d.gone("n/a", d.now)
	d.serves()
	if len(d.entries) != 0 {
		t.Errorf("remembered: %v", d.entries)
	}
	d = ready(t)
	d.rival("ip 9")
	d.is(func(s *seen) { *s = seen{uid: "v", class: "edge", named: true} })
	if e := d.entries["n/a"]; e.flips != 0 || e.held != "" || d.waiting() != 1 {
		t.Errorf("the new one has the history of the old one: %+v", e)
	}
}

// TestNewFirst: a new Ingress does not queue behind others whose address changes.
func TestNewFirst(t *testing.T) {
	d := newDesk(t)
	d.want("edge", "ip 1", d.now)
	d.serves("n/a", "n/b", "n/z")
	for _, key := range []string{"n/a", "n/b"} {
		d.observe(key, seen{uid: "u", version: "5", status: "ip 0", ours: true}, d.now)
	}
	d.observe("n/z", seen{uid: "u", version: "6"}, d.now)
	d.answer([]object.Ref{refOf("n/z")}, []bool{true}, d.now)
	if j, ok := d.next(d.now); !ok || j.ref.Name != "z" {
		t.Errorf("first comes %v", j.ref)
	}
}

// TestFrozenFleet: an Ingress that two fleets have, since one is frozen, is of the
// class that it names.
func TestFrozenFleet(t *testing.T) {
	d := newDesk(t)
	d.want("edge", "ip 1", d.now)
	d.want("attic", "ip 2", d.now)
	d.serve(State{Fleets: map[string]pmap.Map[pmap.Unit]{"edge": fleetOf("n/a"), "attic": fleetOf("n/a")}}, d.now)
	d.is(func(*seen) {})
	d.now = d.now.Add(testRules.patience)
	d.expect("it names edge", "ip 1", 1)
}
