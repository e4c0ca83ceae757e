package history

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// world publishes snapshots of a fleet to a store, and to books.
type world struct {
	t     *testing.T
	store *store.Store
	books []*Book
	now   time.Time
	snap  snapshot.Snapshot
}

func newWorld(t *testing.T, books ...*Book) *world {
	w := &world{t: t, books: books, now: time.Unix(1_700_000_000, 0).UTC()}
	w.store = store.New(store.Config{Now: func() time.Time { return w.now }})
	for _, b := range books {
		b.config.Now = func() time.Time { return w.now }
	}
	return w
}

// again is w as another process has it, whose book begins with lines.
func (w *world) again(keeper Keeper, lines []Line) *Book {
	b := New(Config{Now: func() time.Time { return w.now }})
	b.Keep(keeper, slices.Values(lines))
	w.books = []*Book{b}
	w.store = store.New(store.Config{Past: b.Past(), Now: func() time.Time { return w.now }})
	return b
}

var refs = map[string]snapshot.Type{"c": snapshot.Cluster, "e": snapshot.Endpoints, "v": snapshot.VirtualHost}

// step publishes a version: "v1=a" sets a virtual host, "v1=" deletes it, "e1=b" sets endpoints.
func (w *world) step(changes ...string) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	var edits []snapshot.Edit
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		ty, of := refs[name[:1]], object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: name}
		m := w.snap.Of(ty)
		if value == "" {
			m = m.Delete(name)
		} else {
			m = m.Set(name, snapshot.FromBytes(ty, name, value, nil, snapshot.Meta{From: []object.Ref{of}}))
		}
		w.snap = w.snap.With(ty, m)
		edits = append(edits, snapshot.Edit{Object: of, Manager: "kubectl-edit", Time: w.now})
	}
	w.publish(edits...)
}

func (w *world) publish(edits ...snapshot.Edit) {
	v, isNew := w.store.Publish("edge", w.snap, fmt.Sprint("change ", len(edits)), edits...)
	for _, b := range w.books {
		if isNew {
			b.Offer("edge", v)
		}
	}
}

func all(Entry) bool { return true }

// versions are the numbers of entries, as in "1 2-4 5".
func versions(entries iter.Seq[Entry]) string {
	var list []string
	for e := range entries {
		text := fmt.Sprint(e.Number)
		if e.First != e.Number {
			text = fmt.Sprintf("%d-%d", e.First, e.Number)
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// told is a diff in a line.
func told(b *Book, from, to uint64) string {
	_, _, changes, err := b.Diff("edge", from, to)
	if err != nil {
		return err.Error()
	}
	list := []string{}
	for _, c := range changes {
		list = append(list, fmt.Sprintf("%s %s", c.Kind, c.Name))
	}
	return strings.Join(list, ", ")
}

// TestFold: versions of endpoints alone that follow each other are one entry, for ten minutes.
func TestFold(t *testing.T) {
	b := New(Config{})
	w := newWorld(t, b)
	w.step("v1=a", "e1=a", "e2=a")
	w.step("e1=b")
	w.step("e1=c", "e2=b")
	w.step("e1=a")
	w.step("v1=b", "e1=b")
	w.step("e1=c")
	w.now = w.now.Add(foldedFor)
	w.step("e1=d")
	if got, want := versions(b.Entries("edge", all)), "1 2-4 5 6 7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for e := range b.Entries("edge", all) {
		if e.First == 2 && (e.Began != e.Time.Add(-2*time.Second) || len(e.Changes) != 1 || len(e.Edits) != 2 || e.Edits[0].Manager != "kubectl-edit") {
			t.Errorf("three in one are %+v", e)
		}
	}
	for what, want := range map[[2]uint64]string{
		{1, 4}: "changed e2", // e1 is as it was
		{1, 5}: "changed e1, changed e2, changed v1",
		{4, 7}: "changed e1, changed v1",
		{1, 3}: "version 3 is not kept by itself: versions 2 to 4 changed endpoints alone, and are one",
		{3, 5}: "version 3 is not kept by itself: versions 2 to 4 changed endpoints alone, and are one",
		{1, 9}: "version 9 is not kept",
		{0, 1}: "it is not known what became different with version 1",
	} {
		if got := told(b, what[0], what[1]); got != want {
			t.Errorf("%v: %q, want %q", what, got, want)
		}
	}
}

// TestBounds: the oldest entries go when there are too many, or when they are too old.
func TestBounds(t *testing.T) {
	const memory = 20 << 10
	b := New(Config{Memory: memory, Age: time.Hour})
	w := newWorld(t, b)
	b.config.Now = func() time.Time { return w.now.Add(2 * time.Hour) }
	w.step("v1=a")
	if got := versions(b.Entries("edge", all)); got != "1" {
		t.Errorf("the last one goes: %q", got)
	}
	w.step("v1=b")
	if got := versions(b.Entries("edge", all)); got != "2" {
		t.Errorf("what is older than an hour stays: %q", got)
	}
	b.config.Now = func() time.Time { return w.now }
	for i := range 200 {
		w.step(fmt.Sprintf("v%d=a", i))
	}
	got := strings.Fields(versions(b.Entries("edge", all)))
	if b.bytes > memory || len(got) < 10 || len(got) > 60 || got[len(got)-1] != "202" {
		t.Errorf("%d bytes of %d: %v", b.bytes, memory, got)
	}
	if got, want := told(b, 2, 202), "versions 3 to "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// kept is what a Keeper of a test has.
type kept []Line

func (k kept) Older(fleet string, before uint64) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, l := range k {
			if !l.State && l.Fleet == fleet && l.Number < before && !yield(l.Entry) {
				return
			}
		}
	}
}

// written is lines as another process reads them.
func written(t *testing.T, lines []Line) (list []Line) {
	t.Helper()
	for _, l := range lines {
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var read Line
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		list = append(list, read)
	}
	return list
}

// TestRestart: the history of an earlier process goes on, and what was changed while none ran
// is known.
func TestRestart(t *testing.T) {
	first := New(Config{})
	first.Keep(kept{}, slices.Values([]Line{}))
	w := newWorld(t, first)
	w.step("v1=a", "v2=a", "e1=a")
	lines := first.Take(true, 0)
	w.step("e1=b")
	w.step("v1=b")
	lines = written(t, append(lines, first.Take(false, 0)...))

	w.again(kept(lines), lines[2:]) // the first entry and the state after it are older
	w.publish()
	if v, _ := w.store.Watch("edge"); v.Number != 3 || v.Cause != "change 1" {
		t.Errorf("what is as it was is version %d, %q", v.Number, v.Cause)
	}
	w.step("v1=a")
	b := w.again(kept(lines), slices.Clone(lines))
	w.snap = snapshot.Snapshot{}
	w.step("v1=b", "v3=a", "e1=b") // v2 was deleted, v3 made while nobody ran
	w.step("v3=b")
	none := func(Entry) bool { return false }
	if got, want := versions(b.Entries("edge", none)), "1 2 3 4 5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for what, want := range map[[2]uint64]string{
		{3, 4}: "removed v2, added v3",
		{1, 5}: "changed e1, changed v1, removed v2, added v3",
		{4, 5}: "changed v3",
	} {
		if got := told(b, what[0], what[1]); got != want {
			t.Errorf("%v: %q, want %q", what, got, want)
		}
	}
	b = w.again(kept(lines), lines)
	b.Lost()
	w.snap = snapshot.Snapshot{}
	w.step("v1=c")
	if got, want := told(b, 3, 4), "it is not known what became different with version 4"; got != want {
		t.Errorf("after a loss: %q, want %q", got, want)
	}
}

// TestOutlineIsWritten: of a version that changes a listener as a whole, and of the first, the
// state is written after it, and of others not.
func TestOutlineIsWritten(t *testing.T) {
	b := New(Config{})
	b.Keep(kept{}, slices.Values([]Line{}))
	w := newWorld(t, b)
	states := func() (n int) {
		for _, l := range b.Take(false, 0) {
			if l.State {
				n++
			}
		}
		return n
	}
	w.step("v1=a")
	if states() != 1 {
		t.Error("after the first version: none")
	}
	w.step("v1=b")
	if states() != 0 {
		t.Error("after a change: one")
	}
	w.snap = w.snap.With(snapshot.Listener, w.snap.Of(snapshot.Listener).Set("https", snapshot.FromBytes(snapshot.Listener, "https", "1", nil, snapshot.Meta{})))
	w.step("v1=c")
	if states() != 1 {
		t.Error("after a listener: none")
	}
}

// TestManyAtOnce: versions that come faster than anybody looks become one entry, of the last.
func TestManyAtOnce(t *testing.T) {
	b := New(Config{})
	w := newWorld(t, b)
	for i := range mostOffered + 100 {
		w.step(fmt.Sprintf("v1=%d", i))
	}
	list := slices.Collect(b.Entries("edge", all))
	if last := list[len(list)-1]; len(list) != mostOffered || last.First != mostOffered || last.Number != mostOffered+100 {
		t.Errorf("%d entries, the last is of %d to %d", len(list), last.First, last.Number)
	}
	if got := told(b, 1, mostOffered+100); got != "changed v1" {
		t.Errorf("got %q", got)
	}
}

// TestOfferCosts: who publishes makes at most two allocations more for a version, with the list of
// who changed what, and waits for nobody who asks or writes.
func TestOfferCosts(t *testing.T) {
	const runs = 2000
	cost := func(more func(store.Version), edits func() []snapshot.Edit) float64 {
		s, versions, i := store.New(store.Config{}), []snapshot.Snapshot{}, 0
		for n := range runs + 1 {
			r := snapshot.FromBytes(snapshot.Cluster, "c", fmt.Sprint(n), nil, snapshot.Meta{})
			var snap snapshot.Snapshot
			versions = append(versions, snap.With(snapshot.Cluster, snap.Of(snapshot.Cluster).Set("c", r)))
		}
		return testing.AllocsPerRun(runs, func() {
			v, _ := s.Publish("edge", versions[i], "a change", edits()...)
			more(v)
			i++
		})
	}
	b := New(Config{})
	b.work.Lock() // somebody finds out what is different, or writes
	defer b.work.Unlock()
	without := cost(func(store.Version) {}, func() []snapshot.Edit { return nil })
	with := cost(func(v store.Version) {
		b.offered = nil // as after each second
		b.Offer("edge", v)
	}, func() []snapshot.Edit { return make([]snapshot.Edit, snapshot.MostEdits) })
	if without == 0 || with-without > 2 {
		t.Errorf("%v allocations with a history, %v without", with, without)
	}
}

// TestTooMuch: a version that changes more than an entry may have is one of which that is not
// known.
func TestTooMuch(t *testing.T) {
	b := New(Config{})
	w := newWorld(t, b)
	w.step("v1=a")
	long := strings.Repeat("x", mostOfOne)
	w.snap = w.snap.With(snapshot.Cluster, w.snap.Of(snapshot.Cluster).Set(long, snapshot.FromBytes(snapshot.Cluster, long, "1", nil, snapshot.Meta{})))
	w.step("v1=b")
	if list := slices.Collect(b.Entries("edge", all)); len(list) != 2 || !list[1].Unknown || list[1].Changes != nil {
		t.Errorf("%d entries, %t", len(list), list[1].Unknown)
	}
	if b.fleets["edge"].entries[1].tracks() {
		t.Error("the state after it is not written")
	}
}

// TestConcerns: an entry is of an object that a changed resource comes from.
func TestConcerns(t *testing.T) {
	of := object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "a"}
	if e := (Entry{Changes: Changes{impact.Change{From: []object.Ref{of}}}}); !e.Concerns(of) || e.Concerns(object.Ref{}) {
		t.Error("no")
	}
}
