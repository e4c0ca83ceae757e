package controller

import (
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// stored is what an earlier process has read of a World, a minute ago.
func stored(w *worlds.World) input.View {
	return input.View{}.With(w.All()...).WithStored(time.Now().Add(-time.Minute))
}

// startLoopFrom starts a Loop with what an earlier process has left.
func startLoopFrom(t *testing.T, loop *Loop) *loopTest {
	source := make(channel)
	loop.Source = source
	return startLoopWith(t, source, loop)
}

// TestColdStart: a source that cannot be read leaves what an earlier process has read, from
// the limit on; when it is back with equal objects, nothing changes but the mark.
func TestColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * time.Second
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1})
		all, last := w.All(), stored(w)
		l := startLoopFrom(t, &Loop{Last: last, ColdStart: limit})
		l.wait(limit - time.Nanosecond)
		if list := l.since(0); len(list) > 0 {
			t.Errorf("published %v before the limit", list)
		}
		l.wait(time.Nanosecond)
		list, at := l.since(0), l.stored()
		if len(list) != 2 || list[0] != worlds.Class+": what an earlier process stored: the source was not read in time" || !at.Equal(last.Stored()) {
			t.Errorf("published %v, as of %v", list, at)
		}
		before := l.digest()
		l.wait(time.Hour)
		if l.stored().IsZero() || l.digest() != before {
			t.Error("time has made something else of it")
		}
		l.change(all...)
		if !l.stored().IsZero() || l.digest() != before {
			t.Errorf("equal objects make something else, or are still marked (%v)", l.stored())
		}
		l.end(t)
	})
}

// TestColdStartIsOff: without a limit, and without anything stored, the source is waited for.
func TestColdStartIsOff(t *testing.T) {
	for name, loop := range map[string]*Loop{
		"no limit":       {Last: stored(worlds.New(1, worlds.Size{Ingresses: 1}))},
		"nothing stored": {ColdStart: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := startLoopFrom(t, loop)
				l.wait(time.Hour)
				if list := l.since(0); len(list) > 0 {
					t.Errorf("published %v", list)
				}
				l.end(t)
			})
		})
	}
}

// TestFirstReadingIsAChange: a class that went, and settings that were made wrong, while no
// process ran are as if one had run, and so are hosts that went: they wait for the window.
func TestFirstReadingIsAChange(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 2})
	all := w.All()
	wrong := lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: worlds.Namespace, Name: worlds.Settings},
		Data: worlds.Unbounded(map[string]string{"bind-addresses": "here"})}))
	without := func(kinds ...object.Kind) (list []input.Change) {
		gone := map[object.Ref]bool{}
		for _, c := range deletions(all, kinds...) {
			gone[c.Ref] = true
		}
		for _, c := range all {
			if !gone[c.Ref] {
				list = append(list, c)
			}
		}
		return list
	}
	for name, c := range map[string]struct {
		first []input.Change
		hosts int // of its own, with that of all hosts
	}{
		"nothing changed":           {all, 3},
		"the class is gone":         {without(object.KindIngressClass), 3},
		"its settings are gone":     {without(object.KindConfigMap), 3},
		"its settings are wrong":    {append(without(object.KindConfigMap), wrong), 3},
		"it and Ingresses are gone": {without(object.KindIngressClass, object.KindIngress), 3},
		"Ingresses are gone":        {without(object.KindIngress), 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := startLoopFrom(t, &Loop{Last: stored(worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 2})), ColdStart: time.Minute})
				l.change(c.first...)
				if got := l.hosts(worlds.Class); got != c.hosts || !l.stored().IsZero() {
					t.Errorf("%d hosts, want %d; stored %v", got, c.hosts, l.stored())
				}
				for _, h := range l.held.List() {
					if h.Kind == held.Class && h.Fleet != "" && !h.Since.Equal(time.Now()) {
						t.Errorf("frozen since %s, and it is %s", h.Since, time.Now())
					}
				}
				listener := l.version(snapshot.Listener, "http")
				l.change(all...)
				if got := l.version(snapshot.Listener, "http"); got != listener || l.hosts(worlds.Class) != 3 {
					t.Errorf("the listener was another one: %s, %s", listener, got)
				}
				l.end(t)
			})
		})
	}
}

// TestMassDeletionWhileAway: what was deleted while no process ran, as by an empty folder or a
// restored API server, is held as if one had run.
func TestMassDeletionWhileAway(t *testing.T) {
	for name, c := range map[string]struct{ ingresses, later, last int }{ // hosts
		"all":     {input.Together, input.Together + 1, 1},
		"too few": {input.Together - 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				size := worlds.Size{Services: 1, Endpoints: 1, Ingresses: c.ingresses}
				l := startLoopFrom(t, &Loop{Last: stored(worlds.New(1, size))})
				var rest []input.Change
				for _, o := range worlds.New(1, size).All() {
					if o.Ref.Kind != object.KindIngress {
						rest = append(rest, o)
					}
				}
				l.change(rest...)
				for _, step := range []struct {
					wait  time.Duration
					hosts int
				}{{0, c.ingresses + 1}, {time.Minute, c.later}, {10 * time.Minute, c.last}} {
					l.wait(step.wait)
					if got := l.hosts(worlds.Class); got != step.hosts {
						t.Errorf("after %s %d hosts, want %d", step.wait, got, step.hosts)
					}
				}
				l.end(t)
			})
		})
	}
}
