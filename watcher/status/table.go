package status

import (
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"

	"legation.dev/object"
	"legation.dev/pmap"
)

// statusTable decides what to write to the status of Ingresses. It lives for one term of
// leadership. It is passive: the loop, which owns it, tells it the present status, the
// wanted addresses, the results of writes and the time, and takes the next write from it.
type statusTable struct {
	rules   rules
	fleets  map[string]pmap.Map[pmap.Unit] // of the last State
	told    bool                           // a State came
	others  map[string]bool                // classes that another Legation serves
	wanted  map[string]addresses           // by class; missing: unknown
	entries map[string]*entry              // by namespace/name
	writes  *timerQueue[string]            // what can be written, the new ones first
	asks    *timerQueue[string]            // whom to ask for, by time
	later   *timerQueue[string]            // what to look at again, by time

	flips int                 // in all
	news  []string            // keys whose fight began or ended; the loop takes them
	lost  map[string]struct{} // keys that we left to another writer
	heirs map[string]*heir    // by class that another controller had
}

// Ranks among writes: an Ingress without an address goes before those that have one.
const (
	rankFirst = iota
	rankAgain
)

// How long to wait before asking again whether Envoys serve an Ingress: at first about
// as long as an Envoy nearby needs to apply it, at last a pace that costs nothing.
const askGapMin, askGapMax = 50 * time.Millisecond, time.Second

// Waits after a failed write: soon after a conflict, then at the pace of a Reflector.
const retryMin, retryMax = 100 * time.Millisecond, 30 * time.Second

func newStatusTable(r rules) *statusTable {
	return &statusTable{rules: r, fleets: map[string]pmap.Map[pmap.Unit]{}, wanted: map[string]addresses{},
		entries: map[string]*entry{}, writes: newTimerQueue[string](), asks: newTimerQueue[string](), later: newTimerQueue[string](),
		lost: map[string]struct{}{}, heirs: map[string]*heir{}}
}

// serve takes the newest State. Its cost follows the difference to the one before,
// except for the first one.
func (l *statusTable) serve(s State, now time.Time) {
	changed := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(merged(l.fleets, s.Fleets))) {
		for c := range pmap.Diff(l.fleets[name], s.Fleets[name]) {
			changed[c.Key] = true
		}
	}
	l.inherit(s.Inherited)
	first := !l.told || !maps.Equal(l.others, s.Elsewhere)
	l.fleets, l.others, l.told = s.Fleets, s.Elsewhere, true
	for class, h := range l.heirs {
		if h.unread == nil {
			h.unread = l.unread(class)
		}
	}
	if first {
		for key := range l.entries {
			changed[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		e := l.entry(key)
		e.class = l.classOf(key)
		l.touch(key, now)
		if e.class == "" { // it may never be read
			l.read(key, now)
		}
	}
}

// inherit takes the classes that another controller had.
func (l *statusTable) inherit(classes map[string]bool) {
	maps.DeleteFunc(l.heirs, func(class string, _ *heir) bool { return !classes[class] })
	for class := range classes {
		if l.heirs[class] == nil {
			l.heirs[class] = &heir{}
		}
	}
}

// unread are the Ingresses of a class that were not read yet.
func (l *statusTable) unread(class string) map[string]struct{} {
	keys := map[string]struct{}{}
	for key := range l.fleets[class].All() {
		if e := l.entries[key]; e == nil || e.seen.version == "" {
			keys[key] = struct{}{}
		}
	}
	return keys
}

// read notes that an Ingress was read, or is gone. With the last one of a class that another
// controller had, all others are looked at anew.
func (l *statusTable) read(key string, now time.Time) {
	for class, h := range l.heirs { // in no order: they do not depend on each other
		if _, waited := h.unread[key]; !waited {
			continue
		}
		if delete(h.unread, key); len(h.unread) == 0 {
			for other := range l.fleets[class].All() {
				l.touch(other, now)
			}
		}
	}
}

func merged[V any](a, b map[string]V) map[string]V {
	all := map[string]V{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// classOf returns the class that serves an Ingress. Two can serve it while one of them is
// frozen; then it is the one that the Ingress names.
func (l *statusTable) classOf(key string) string {
	if e := l.entries[key]; e != nil && e.seen.named && l.fleets[e.seen.class].Has(key) {
		return e.seen.class
	}
	for _, name := range slices.Sorted(maps.Keys(l.fleets)) {
		if l.fleets[name].Has(key) {
			return name
		}
	}
	return ""
}

func (l *statusTable) entry(key string) *entry {
	e, ok := l.entries[key]
	if !ok {
		e = &entry{}
		l.entries[key] = e
	}
	return e
}

// want sets the addresses of a class.
func (l *statusTable) want(class string, a addresses, now time.Time) {
	if l.wanted[class] == a {
		return
	}
	l.wanted[class] = a
	for key := range l.fleets[class].All() {
		l.touch(key, now)
	}
}

// observe takes the present state of an Ingress, as read from the API server.
func (l *statusTable) observe(key string, s seen, now time.Time) {
	e := l.entry(key)
	if isOlder(s.version, e.seen.version) && s.uid == e.seen.uid {
		return
	}
	undone := e.note(s, now)
	e.class = l.classOf(key)
	e.retryAt = time.Time{}
	if undone {
		l.undo(key, e, now)
	}
	l.touch(key, now)
	l.read(key, now)
}

// isOlder compares versions of one object; what cannot be compared is not.
func isOlder(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}

func (l *statusTable) undo(key string, e *entry, now time.Time) {
	l.flips++
	if h := l.heirs[e.class]; h != nil {
		h.undone(e, now)
	}
	if e.undo(l.rules, l.wanted[e.class], now) {
		l.lost[key] = struct{}{}
		l.news = append(l.news, key)
	}
}

// gone takes that there is no such Ingress.
func (l *statusTable) gone(key string, now time.Time) {
	e, ok := l.entries[key]
	if !ok {
		return
	}
	*e = entry{class: e.class, busy: e.busy, writing: e.writing}
	l.touch(key, now)
	l.read(key, now)
}

// touch looks at an Ingress anew.
func (l *statusTable) touch(key string, now time.Time) {
	e := l.entries[key]
	if e == nil || e.busy || !l.told {
		return
	}
	desired, known := l.wanted[e.class]
	if f := e.lost; f != nil {
		if over := f.over(l.rules, e, desired); !e.member() || !over.IsZero() && !now.Before(over) {
			e.resume()
		}
	}
	if _, was := l.lost[key]; was && e.lost == nil {
		delete(l.lost, key)
		l.news = append(l.news, key)
	}
	if e.isNew() && e.waits.IsZero() && e.member() {
		e.waits, e.askGap, e.askAt = now, askGapMin, now
	}
	do, again := e.decide(l.rules, desired, known, now)
	if do == release && !l.mayRelease(e.seen) {
		do = idle
	}
	if h := l.heirs[e.class]; h != nil && e.member() {
		do, again = l.ofHeir(h, key, do, again, now)
	}
	for class, h := range l.heirs { // in no order: they do not depend on each other
		h.left(key, e.member() && e.class == class)
	}
	l.schedule(key, e, do, again)
	if e.class == "" && e.seen.version == "" {
		delete(l.entries, key)
	}
}

// ofHeir is what is to be done about an Ingress of a class that another controller had.
func (l *statusTable) ofHeir(h *heir, key string, do step, again, now time.Time) (step, time.Time) {
	e := l.entries[key]
	if h.saw(key, e, l.rules.quiet, now) {
		for other := range l.fleets[e.class].All() { // they waited for it
			if other != key {
				l.touch(other, now)
			}
		}
	}
	if do == write && !e.seen.ours {
		if may, at := h.may(key, e, l.rules.quiet, now); !may {
			return idle, at
		}
	}
	if do == idle && key == h.trial && !h.proven && e.held != "" {
		again = e.heldSince.Add(l.rules.quiet)
	}
	return do, again
}

// mayRelease reports whether only we can have written what is there in our
// name: another Legation of this cluster has the same name, and other classes.
func (l *statusTable) mayRelease(s seen) bool {
	if s.named {
		return !l.others[s.class]
	}
	return len(l.others) == 0
}

func (l *statusTable) schedule(key string, e *entry, do step, again time.Time) {
	if do != write && do != release {
		l.writes.drop(key)
	} else if e.isNew() {
		l.writes.set(key, rankFirst)
	} else {
		l.writes.set(key, rankAgain)
	}
	if do == wait {
		l.asks.setTime(key, e.askAt)
	} else {
		l.asks.drop(key)
	}
	if again.IsZero() {
		l.later.drop(key)
	} else {
		l.later.setTime(key, again)
	}
}

// job is one write: addresses to be set, or what was ours to be given up if there
// are none.
type job struct {
	ref       object.Ref
	version   string // that it was decided upon: the API server refuses any other
	addresses addresses
}

// next is the next job, until it is started.
func (l *statusTable) next(now time.Time) (job, bool) {
	for key, ok := l.later.due(now); ok; key, ok = l.later.due(now) {
		l.touch(key, now)
	}
	key, ok := l.writes.first()
	if !ok {
		return job{}, false
	}
	e := l.entries[key]
	j := job{ref: refOf(key), version: e.seen.version}
	if e.member() {
		j.addresses = l.wanted[e.class]
	}
	return j, true
}

// wake is when to look again, if nothing happens before; zero means never. asking says
// that a call of Config.Acknowledged is under way: then the times of the next call are left out.
func (l *statusTable) wake(asking bool) time.Time {
	if asking {
		return l.later.when()
	}
	return earliest(l.later.when(), l.asks.when())
}

// started says that a job is being done.
func (l *statusTable) started(j job) {
	key := j.ref.Key()
	e := l.entries[key]
	e.busy, e.writing, e.landed = true, j.addresses, false
	l.writes.drop(key)
	l.later.drop(key)
}

// done takes what is there after a job.
func (l *statusTable) done(j job, s seen, now time.Time) {
	key := j.ref.Key()
	e := l.entry(key)
	switch {
	case s.uid == e.seen.uid && !isOlder(s.version, e.seen.version):
		l.noteAnswer(key, e, s, now)
	case s.uid == e.seen.uid && !e.landed && e.member() && e.seen.status != j.addresses: // undone before we heard of it
		e.heldSince = now
		l.undo(key, e, now)
	}
	e.busy, e.failures = false, 0
	l.touch(key, now)
}

// noteAnswer notes the answer to a write: what the API server made of it, such as
// another controller's webhook, counts like a write of another's.
func (l *statusTable) noteAnswer(key string, e *entry, s seen, now time.Time) {
	undone := e.note(s, now)
	changed := e.writing != "" && s.status != e.writing
	if changed && !undone {
		e.heldSince = now
	}
	if undone || changed {
		l.undo(key, e, now)
	}
}

// failed takes that a job could not be done. It is tried again later, or as soon
// as the object changes.
func (l *statusTable) failed(j job, now time.Time) {
	e := l.entry(j.ref.Key())
	e.busy = false
	if e.seen.version == j.version { // else it is another object by now, and no failure of it
		e.retryAt = now.Add(min(retryMin<<min(e.failures, 16), retryMax))
		e.failures++
	}
	l.touch(j.ref.Key(), now)
}

// question is whom to ask for now, at most most of them.
func (l *statusTable) question(most int, now time.Time) []object.Ref {
	var list []object.Ref
	for len(list) < most {
		key, ok := l.asks.due(now)
		if !ok {
			break
		}
		list = append(list, refOf(key))
	}
	return list
}

// answer takes whether those are served that were asked for.
func (l *statusTable) answer(list []object.Ref, served []bool, now time.Time) {
	for i, ref := range list {
		e := l.entries[ref.Key()]
		if e == nil {
			continue
		}
		e.answered = i < len(served) && served[i]
		e.askAt, e.askGap = now.Add(e.askGap), min(2*e.askGap, askGapMax)
		l.touch(ref.Key(), now)
	}
}

// waiting counts those whose first address waits.
func (l *statusTable) waiting() int { return l.asks.len() }

// refOf is the Ingress of a key.
func refOf(key string) object.Ref {
	namespace, name, _ := strings.Cut(key, "/")
	return object.Ref{Kind: object.KindIngress, Namespace: namespace, Name: name}
}
