package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/test/clock"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/hold"
	"legation.dev/xds/snapshot"
)

const fleetOfGuard = "guarded"

// ingressOf has one host, which its name says.
func ingressOf(i int) input.Change {
	name := fmt.Sprintf("i%03d", i)
	return ingressAt(name, name+".example.com", "/")
}

// ingressAt has one path of a host.
func ingressAt(name, host, path string) input.Change {
	class := fleetOfGuard
	return lower.Put(input.Seal(&input.Ingress{Meta: input.Meta{Namespace: "shop", Name: name}, ClassName: &class,
		Rules: []input.Rule{{Host: host, Paths: []input.Path{{Path: path, Type: input.PathPrefix, Backend: input.Backend{Service: "web", Port: 80}}}}}}))
}

func deletionOf(i int) input.Change { return input.Delete(ingressOf(i).Ref) }

// guarded starts a Loop with a class with settings ("name: value, ...") and hosts.
func guarded(t *testing.T, source Source, from channel, hosts int, settings map[string]string) *loopTest {
	return guardedWith(t, from, &Loop{Source: source}, hosts, settings)
}

// guardedWith is guarded with a Loop that is set up.
func guardedWith(t *testing.T, from channel, loop *Loop, hosts int, settings map[string]string) *loopTest {
	l := startLoopWith(t, from, loop)
	settings = maps.Clone(settings)
	if settings == nil {
		settings = map[string]string{}
	}
	settings["namespace-hosts"] = "0"
	config := object.Ref{Kind: object.KindConfigMap, Namespace: "shop", Name: "settings"}
	batch := []input.Change{
		lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: fleetOfGuard}, Controller: input.Controller, Parameters: config})),
		lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: "shop", Name: "settings"}, Data: settings})),
		lower.Put(input.Seal(&input.Service{Meta: input.Meta{Namespace: "shop", Name: "web"}, Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "80", Protocol: "TCP"}}}))}
	for i := range hosts {
		batch = append(batch, ingressOf(i))
	}
	l.change(batch...)
	return l
}

// served is how many of the hosts are served.
func (l *loopTest) served() int { return l.hosts(fleetOfGuard) - 1 } // one is the catch-all

func (l *loopTest) expectServed(t *testing.T, when string, want int) {
	t.Helper()
	if got := l.served(); got != want {
		t.Errorf("%s: %d hosts are served, want %d", when, got, want)
	}
}

// TestMassDeletion: 500 of 1,000 hosts that are deleted one by one, within a moment or in
// minutes, are all served until somebody approves, they are back, or the time is over.
func TestMassDeletion(t *testing.T) {
	for _, c := range []struct {
		pace time.Duration
		end  func(*loopTest, *testing.T)
	}{
		{0, (*loopTest).approved},
		{100 * time.Millisecond, (*loopTest).undone},
		{400 * time.Millisecond, (*loopTest).over},
	} {
		t.Run(c.pace.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := make(channel)
				l := guarded(t, source, source, 1000, nil)
				for i := range 500 {
					l.change(deletionOf(i))
					l.wait(c.pace)
					if n := l.served(); n != 1000 {
						t.Fatalf("after %d deletions %d hosts are served", i+1, n)
					}
				}
				l.wait(time.Minute)
				l.expectServed(t, "held", 1000)
				c.end(l, t)
				l.end(t)
			})
		})
	}
}

func (l *loopTest) approved(t *testing.T) {
	for _, digest := range []string{"of something else", "", "of what is no more"} {
		err := l.orders.Do(t.Context(), Approve(Given{Fleet: fleetOfGuard, Digest: digest, By: "me", Reason: "a test"}))
		if (err == nil) != (digest == "") {
			t.Errorf("approved %q: %v", digest, err)
		}
	}
	l.expectServed(t, "approved", 500)
	published, _ := l.counts()
	l.wait(time.Hour) // beyond the end that the hold would have had
	if list := l.since(published); len(list) > 0 {
		t.Errorf("after the approval %d versions are published, the last %s", len(list), list[len(list)-1])
	}
	if got := l.since(0); !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, ": me approved the removal of hosts: a test") }) {
		t.Errorf("the causes are %q", got[len(got)-3:])
	}
}

func (l *loopTest) undone(t *testing.T) {
	for i := range 500 {
		l.change(ingressOf(i))
	}
	l.wait(time.Hour)
	l.expectServed(t, "undone", 1000)
}

func (l *loopTest) over(t *testing.T) {
	l.wait(9 * time.Minute)
	l.expectServed(t, "over", 500)
}

// TestSmallDeletions: what is less than the share goes after the window, and 20 deletions a
// minute go one by one, however many they become.
func TestSmallDeletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 1000, nil)
		var namespace []input.Change
		for i := range 300 {
			namespace = append(namespace, deletionOf(i))
		}
		l.change(namespace...)
		l.wait(4 * time.Second)
		l.expectServed(t, "in the window", 1000)
		l.wait(2 * time.Second)
		l.expectServed(t, "after the window", 700)
		if f, _ := l.result.Fleet(fleetOfGuard); f.Snapshot.Of(snapshot.VirtualHost).Len() != 701 {
			t.Errorf("the last report has %d virtual hosts, want 701: nobody heard that the window was over", f.Snapshot.Of(snapshot.VirtualHost).Len())
		}
		for i := range 600 {
			l.change(deletionOf(300 + i))
			l.wait(3 * time.Second)
		}
		l.wait(5 * time.Second)
		l.expectServed(t, "20 a minute", 100)
		l.end(t)
	})
}

// TestGuardSettings: without a window hosts go at once, without a share nothing is held, and
// what is held for ever ends by approval only.
func TestGuardSettings(t *testing.T) {
	all := func() (list []input.Change) {
		for i := range 20 {
			list = append(list, deletionOf(i))
		}
		return list
	}
	for _, c := range []struct {
		name, value   string
		wait          time.Duration
		before, after int
	}{
		{"deletion-window", "off", 0, 0, 0},
		{"deletion-share", "off", 5 * time.Second, 20, 0},
		{"deletion-hold", "1m", time.Minute, 20, 0},
		{"deletion-hold", "forever", 1000 * time.Hour, 20, 20},
	} {
		t.Run(c.name+" "+c.value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := make(channel)
				l := guarded(t, source, source, 20, map[string]string{c.name: c.value})
				l.change(all()...)
				l.expectServed(t, "at once", c.before)
				l.wait(c.wait)
				l.expectServed(t, "later", c.after)
				l.end(t)
			})
		})
	}
}

// TestGuardCounts: the share is that of the hosts that there are, however many there were.
func TestGuardCounts(t *testing.T) {
	span := func(change func(int) input.Change, from, to int) (list []input.Change) {
		for i := from; i < to; i++ {
			list = append(list, change(i))
		}
		return list
	}
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 20, nil)
		l.change(span(ingressOf, 20, 200)...)
		l.change(span(deletionOf, 0, 15)...)
		l.wait(5 * time.Second)
		l.expectServed(t, "15 of 200", 185)
		for i := 15; i < 165; i += 30 { // each less than 30 % of what there is, and at last 35 are left
			for _, c := range span(deletionOf, i, i+30) {
				l.change(c)
				l.wait(time.Second)
			}
			l.wait(5 * time.Second)
		}
		l.expectServed(t, "few at a time", 35)
		l.change(span(deletionOf, 165, 180)...)
		l.wait(time.Minute)
		l.expectServed(t, "15 of 35", 35)
		l.end(t)
	})
}

// TestGuardOfClasses: each class has its own window, and is told with its own end.
func TestGuardOfClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 1, nil)
		slow, config := "slow", object.Ref{Kind: object.KindConfigMap, Namespace: "shop", Name: "slow"}
		other := lower.Put(input.Seal(&input.Ingress{Meta: input.Meta{Namespace: "shop", Name: "slow"}, ClassName: &slow, Rules: []input.Rule{{Host: "slow.example.com"}}}))
		l.change(lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: slow}, Controller: input.Controller, Parameters: config})),
			lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: "shop", Name: "slow"}, Data: map[string]string{"deletion-window": "1m"}})), other)
		l.change(deletionOf(0), input.Delete(other.Ref))
		l.mu.Lock()
		for _, e := range l.held.List() {
			if want := map[string]time.Duration{fleetOfGuard: 5 * time.Second, slow: time.Minute}[e.Fleet]; e.Kind == held.Deletion && e.Until.Sub(e.Since) != want {
				t.Errorf("hosts of %s wait for %s, want %s", e.Fleet, e.Until.Sub(e.Since), want)
			}
		}
		l.mu.Unlock()
		for _, step := range []struct {
			wait       time.Duration
			fast, slow int // hosts, with that of all hosts
		}{{0, 2, 2}, {5 * time.Second, 1, 2}, {55 * time.Second, 1, 1}} {
			l.wait(step.wait)
			if got := [2]int{l.hosts(fleetOfGuard), l.hosts(slow)}; got != [2]int{step.fast, step.slow} {
				t.Errorf("after another %s: %v hosts, want %d and %d", step.wait, got, step.fast, step.slow)
			}
		}
		l.end(t)
	})
}

// TestPathsAreNotGuarded: paths that go, however many, go at once while the host has another:
// what is guarded is hosts. The last one is its host.
func TestPathsAreNotGuarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 0, nil)
		const hosts, paths = 20, 5
		var all, most, last []input.Change
		for host := range hosts {
			for path := range paths {
				c := ingressAt(fmt.Sprintf("i%03d-%d", host, path), fmt.Sprintf("i%03d.example.com", host), fmt.Sprintf("/%d", path))
				if all = append(all, c); path > 0 {
					most = append(most, input.Delete(c.Ref))
				} else {
					last = append(last, input.Delete(c.Ref))
				}
			}
		}
		l.change(all...)
		l.wait(hold.Grace) // then it is final that the Service has no endpoints
		whole := l.digestOf(fleetOfGuard)
		l.change(most...)
		l.expectHeld(t, "most paths are gone")
		few := l.digestOf(fleetOfGuard)
		if few == whole {
			t.Error("paths that are gone are served")
		}
		l.change(last...)
		l.wait(time.Minute)
		l.expectHeld(t, "the last paths are gone", "deletion guarded IngressClass guarded")
		if l.digestOf(fleetOfGuard) != few {
			t.Error("hosts that are held are not served as they last were")
		}
		l.end(t)
	})
}

// TestGuardWhenTheClockIsSet: what waits and what is held ends when it would have, however the wall
// clock is set meanwhile, and nothing goes before.
func TestGuardWhenTheClockIsSet(t *testing.T) {
	machine := time.Now() // a virtual clock has no monotonic reading
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, begin := new(atomic.Int64), time.Now()
				now := func() time.Time { return clock.Set(machine.Add(time.Since(begin)), time.Duration(set.Load())) }
				source := make(channel)
				l := guardedWith(t, source, &Loop{Source: source, Now: now}, 40, nil)
				pass := func(d time.Duration, served int) {
					t.Helper()
					set.Store(int64(by) - set.Load()) // there, and back the next time
					l.wait(d)
					l.expectServed(t, d.String(), served)
				}
				l.change(deletionOf(39))
				pass(4*time.Second, 40)
				pass(time.Second, 39)
				for i := range 20 {
					l.change(deletionOf(i))
				}
				pass(5*time.Minute, 39)
				pass(5*time.Minute-time.Second, 39)
				pass(time.Second, 19)
				l.end(t)
			})
		})
	}
}

// TestEveryHoldEnds: what is held for a time, of whatever kind, is so for that time and no longer,
// however the wall clock is set meanwhile.
func TestEveryHoldEnds(t *testing.T) {
	slice := slice("shop", "web", "10.0.0.1")
	var many, few []input.Change
	for i := range 200 {
		many = append(many, ingressOf(100+i))
	}
	for i := range 30 {
		few = append(few, deletionOf(i))
	}
	machine := time.Now()
	for _, c := range []struct {
		kind   held.Kind
		change []input.Change
		lasts  time.Duration
	}{
		{held.Endpoints, []input.Change{input.Delete(slice.Ref)}, hold.Grace},
		{held.Name, []input.Change{deletionOf(0)}, input.KeepNames},
		{held.Deletion, []input.Change{deletionOf(0)}, 5 * time.Second},
		{held.Deletion, few, 10 * time.Minute},
		{held.Changes, many, 10*time.Second + toldOf},
	} {
		for _, by := range []time.Duration{time.Hour, -time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				set, begin := new(atomic.Int64), time.Now()
				now := func() time.Time { return clock.Set(machine.Add(time.Since(begin)), time.Duration(set.Load())) }
				source := make(channel)
				l := guardedWith(t, source, &Loop{Source: source, Now: now}, 40, map[string]string{"namespace-changes": "10"})
				l.change(slice)
				l.wait(time.Minute + toldOf) // for the changes that it may make at once
				l.change(c.change...)
				for _, step := range []time.Duration{c.lasts / 2, c.lasts/2 - time.Second} {
					set.Store(int64(by) - set.Load())
					l.wait(step)
					if e := l.entry(c.kind); e.Object == "" {
						t.Errorf("%s, clock set by %s: it is over before its time", c.kind, by)
					}
				}
				l.wait(2 * time.Second)
				if e := l.entry(c.kind); e.Object != "" {
					t.Errorf("%s, clock set by %s: it goes on: %+v", c.kind, by, e)
				}
				l.end(t)
			})
		}
	}
}

// TestOrdersAreRemembered: whatever a clock says, an order that another replica tells is not
// carried out once more.
func TestOrdersAreRemembered(t *testing.T) {
	var o Orders
	given := func(i int) Given { return Given{ID: fmt.Sprint(i), At: time.Unix(int64(-i), 0)} }
	for i := range rememberedMost {
		o.Remember(given(i))
		o.Remember(given(i))
	}
	past := o.Past()
	if len(past) != toldMost || past[0].ID != fmt.Sprint(rememberedMost-toldMost) || !o.Knows(given(0)) {
		t.Errorf("%d orders are told, from %s on; the first is known: %t", len(past), past[0].ID, o.Knows(given(0)))
	}
	if o.Remember(given(rememberedMost)); o.Knows(given(0)) {
		t.Error("orders are remembered without end")
	}
}

// TestGuardInOutage: what waits does not go for the lack of news.
func TestGuardInOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, away := make(channel), new(atomic.Bool)
		l := guarded(t, patchy{source, away}, source, 20, nil)
		l.change(deletionOf(0))
		away.Store(true)
		l.wait(time.Hour)
		l.expectServed(t, "in the outage", 20)
		away.Store(false)
		l.wait(5 * time.Second)
		l.expectServed(t, "after it", 19)
		l.end(t)
	})
}

// held is what is held, as "kind fleet object".
func (l *loopTest) heldNow() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.held.List() {
		list = append(list, fmt.Sprint(e.Kind, " ", e.Fleet, " ", e.Object))
		if e.Reason == "" || e.Digest == "" || e.Since.IsZero() {
			list = append(list, fmt.Sprintf("incomplete: %+v", e))
		}
	}
	return list
}

func (l *loopTest) expectHeld(t *testing.T, when string, want ...string) {
	t.Helper()
	if got := l.heldNow(); !slices.Equal(got, want) {
		t.Errorf("%s: held are %q, want %q", when, got, want)
	}
}

// TestHolds: each kind of hold is listed with its beginning and its end.
func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 20, nil)
		l.expectHeld(t, "in the beginning")
		l.change(deletionOf(0))
		l.expectHeld(t, "one deletion", "deletion guarded IngressClass guarded", "name  host i000.example.com")
		if e := l.entry("deletion"); !e.Approvable || e.Until.Sub(e.Since) != 5*time.Second || !slices.Equal(e.Hosts, []string{"i000.example.com of Ingress shop/i000"}) {
			t.Errorf("a host that waits: %+v", e)
		}
		l.wait(time.Minute)
		l.expectHeld(t, "after a minute")
		var batch []input.Change
		for i := range 15 {
			batch = append(batch, deletionOf(i+1))
		}
		l.change(batch...)
		l.wait(2 * time.Minute)
		l.expectHeld(t, "many", "deletion guarded IngressClass guarded")
		if e := l.entry("deletion"); !e.Approvable || e.Until.Sub(e.Since) != 10*time.Minute || len(e.Hosts) != 15 {
			t.Errorf("hosts that are held: %+v", e)
		}
		l.wait(10 * time.Minute)
		l.expectHeld(t, "after ten minutes")
		l.change(input.Delete(object.Ref{Kind: object.KindIngressClass, Name: fleetOfGuard}))
		l.expectHeld(t, "without a class", "class guarded IngressClass guarded")
		l.end(t)
	})
}

func (l *loopTest) entry(kind held.Kind) (e held.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e = range l.held.List() {
		if e.Kind == kind {
			return e
		}
	}
	return held.Entry{}
}

// TestPause: while a fleet is paused its routes stay, whatever becomes of Ingresses and
// class, and each Ingress that is kept back is told. What was removed meanwhile is guarded
// when it goes on.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(channel)
		l := guarded(t, source, source, 20, nil)
		do := func(o Order, ok bool) {
			t.Helper()
			if err := l.orders.Do(t.Context(), o); (err == nil) != ok {
				t.Errorf("the order ended with %v", err)
			}
		}
		do(Resume(given(fleetOfGuard)), false)
		do(Pause(given("nobody")), false)
		do(Pause(given(fleetOfGuard)), true)
		do(Pause(given(fleetOfGuard)), false)
		l.expectHeld(t, "paused", "class guarded IngressClass guarded")
		l.change(ingressOf(20))
		l.expectServed(t, "one more", 20)
		if got, want := l.problems(), []string{"IngressClass guarded FleetPaused", "Ingress shop/i020 KeptBack"}; !subset(want, got) {
			t.Errorf("Problems are %q, want %q among them", got, want)
		}
		var batch []input.Change
		for i := range 15 {
			batch = append(batch, deletionOf(i))
		}
		l.change(batch...)
		l.wait(time.Hour)
		l.expectServed(t, "many deleted", 20)
		do(Resume(given(fleetOfGuard)), true)
		l.expectServed(t, "resumed", 21)
		if e := l.entry("deletion"); !strings.Contains(e.Reason, "more than 30 %") {
			t.Errorf("what was removed meanwhile: %+v", e)
		}
		do(Approve(given(fleetOfGuard)), true)
		l.expectServed(t, "approved", 6)
		l.end(t)
	})
}

func given(fleet string) Given { return Given{Fleet: fleet, By: "me", Reason: "a test"} }

func subset(want, all []string) bool {
	for _, w := range want {
		if !slices.Contains(all, w) {
			return false
		}
	}
	return true
}

// problems are those of the last report, as "object code".
func (l *loopTest) problems() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.result.Problems(time.Now()) {
		list = append(list, fmt.Sprint(p.Object, " ", p.Code))
	}
	return list
}
