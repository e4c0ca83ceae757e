package status

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"legation.dev/pmap"
)

// walk is a cluster with a few Ingresses, whose watch lags, whose requests fail, and
// in which others write too.
type walk struct {
	*rapid.T
	l       *statusTable
	now     time.Time
	version int
	uids    int
	objects map[string]seen
	feed    []delivery // what the watch has yet to deliver, in order
	flying  []job      // requests that have not arrived
}

type delivery struct {
	key  string
	seen seen // zero: deleted
}

const ourClass, otherClass, elsewhereClass = "edge", "nginx", "edge-of-another"

func (w *walk) put(key string, o seen) {
	w.version++
	o.version = strconv.Itoa(w.version)
	w.objects[key] = o
	w.feed = append(w.feed, delivery{key, o})
}

// keys are the Ingresses that there are.
func (w *walk) keys() []string { return slices.Sorted(maps.Keys(w.objects)) }

func (w *walk) deliver(n int) {
	for ; n > 0 && len(w.feed) > 0; n-- {
		d := w.feed[0]
		w.feed = w.feed[1:]
		if d.seen.version == "" {
			w.l.gone(d.key, w.now)
		} else {
			w.l.observe(d.key, d.seen, w.now)
		}
	}
}

// report reports what translation serves: it has seen all that there is, or lags.
func (w *walk) report() {
	var fleet pmap.Map[pmap.Unit]
	for key, o := range w.objects {
		if o.class == ourClass {
			fleet = fleet.Set(key, pmap.Unit{})
		}
	}
	w.l.serve(State{Fleets: map[string]pmap.Map[pmap.Unit]{ourClass: fleet}, Elsewhere: map[string]bool{elsewhereClass: true}}, w.now)
}

// send takes a job up.
func (w *walk) send() bool {
	j, ok := w.l.next(w.now)
	if ok {
		w.l.started(j)
		w.flying = append(w.flying, j)
	}
	return ok
}

// arrive has a request arrive, and its answer come back unless it is lost.
func (w *walk) arrive(i int, answered bool) {
	j := w.flying[i]
	w.flying = slices.Delete(w.flying, i, i+1)
	o, ok := w.objects[j.ref.Key()]
	if !ok || o.version != j.version { // not found, or a conflict
		w.l.failed(j, w.now)
		return
	}
	w.judge(j, o)
	o.status, o.ours, o.writer = j.addresses, j.addresses != "", ""
	w.put(j.ref.Key(), o)
	if answered {
		w.l.done(j, w.objects[j.ref.Key()], w.now)
	} else {
		w.l.failed(j, w.now)
	}
}

// judge reports whether a write to an object was right.
func (w *walk) judge(j job, o seen) {
	switch {
	case o.class == elsewhereClass:
		w.Fatalf("wrote to %s, which another Legation serves", j.ref)
	case j.addresses == "" && !o.ours:
		w.Fatalf("gave up %s, which is not ours", j.ref)
	case j.addresses != "" && o.class != ourClass:
		w.Fatalf("wrote to %s of class %s", j.ref, o.class)
	case j.addresses != "" && j.addresses == o.status:
		w.Fatalf("wrote to %s what stood there", j.ref)
	}
}

func (w *walk) answer(served bool) {
	list := w.l.question(2, w.now)
	answers := make([]bool, len(list))
	for i, ref := range list {
		if e := w.l.entries[ref.Key()]; e != nil && !e.isNew() {
			w.Fatalf("asked for %s, which has its address", ref)
		}
		answers[i] = served
	}
	w.l.answer(list, answers, w.now)
}

// step is one thing that happens.
func (w *walk) step() {
	key := "n/" + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(w.T, "ingress")
	o, there := w.objects[key]
	switch what := rapid.IntRange(0, 13).Draw(w.T, "what"); what { // rapid prefers the first ones
	default:
		w.flow()
	case 1, 2:
		if there {
			w.rival(key, o)
		}
	case 3:
		w.send()
	case 4:
		if n := len(w.flying); n > 0 {
			w.arrive(rapid.IntRange(0, n-1).Draw(w.T, "arrives"), rapid.Bool().Draw(w.T, "answered"))
		}
	case 5:
		w.deliver(rapid.IntRange(1, 4).Draw(w.T, "deliveries"))
	case 6:
		if there {
			o.class, o.generation = rapid.SampledFrom([]string{ourClass, otherClass, elsewhereClass}).Draw(w.T, "class"), o.generation+1
			w.put(key, o)
		}
	case 7:
		w.report()
	case 8:
		w.l.want(ourClass, rapid.SampledFrom([]addresses{"ip 1", "ip 2"}).Draw(w.T, "address"), w.now)
	case 9:
		w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 100, 5_000, 700_000}).Draw(w.T, "ms")) * time.Millisecond)
	case 10:
		w.answer(rapid.Bool().Draw(w.T, "served"))
	case 11:
		if there {
			delete(w.objects, key)
			w.feed = append(w.feed, delivery{key: key})
		} else {
			w.create(key)
		}
	}
}

// rival has somebody else write the status: another controller, or a Legation with
// another Lease.
func (w *walk) rival(key string, o seen) {
	o.status, o.ours, o.writer = rapid.SampledFrom([]addresses{"ip 8", "ip 9", ""}).Draw(w.T, "rival"), false, "rival"
	if o.class == ourClass && o.status != "" && rapid.Bool().Draw(w.T, "twin") {
		o.ours, o.writer = true, ""
	}
	w.put(key, o)
}

func (w *walk) create(key string) {
	w.uids++
	w.put(key, seen{uid: types.UID(fmt.Sprint(w.uids)), generation: 1, class: ourClass, named: true})
}

// flow has everything that is on its way arrive, and what comes of it, once.
func (w *walk) flow() {
	w.deliver(len(w.feed))
	w.answer(true)
	for w.send() {
	}
	for len(w.flying) > 0 {
		w.arrive(0, true)
	}
}

// rest lets everything come to its end.
func (w *walk) rest() {
	w.report()
	for range 1000 {
		w.flow()
		if next := w.l.wake(false); len(w.feed) == 0 && next.IsZero() {
			if _, ok := w.l.next(w.now); !ok {
				return
			}
		} else if next.After(w.now) {
			w.now = next
		}
	}
	w.Fatal("it does not come to rest")
}

// TestStatusTableWalk: whatever happens, in whatever order it is heard of, nothing is
// written that should not be, and in the end all is there that should be.
func TestStatusTableWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &walk{T: t, l: newStatusTable(testRules), now: start, objects: map[string]seen{}}
		for _, key := range []string{"n/a", "n/b", "n/c"} {
			w.create(key)
		}
		w.report()
		w.l.want(ourClass, "ip 1", w.now)
		for range rapid.IntRange(60, 120).Draw(t, "steps") {
			w.step()
		}
		w.rest()
		desired, known := w.l.wanted[ourClass]
		for _, key := range w.keys() {
			o := w.objects[key]
			_, lost := w.l.lost[key]
			switch {
			case o.class == ourClass && known && o.status != desired && !lost:
				t.Errorf("%s has %q, want %q", key, o.status, desired)
			case o.class == otherClass && o.ours:
				t.Errorf("%s of another controller's class has what we wrote: %q", key, o.status)
			}
		}
		for key := range w.l.entries {
			if _, ok := w.objects[key]; !ok {
				t.Errorf("%s is gone and remembered", key)
			}
		}
	})
}
