package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/hold"
	"legation.dev/xds/snapshot"
)

// channel is a Source; closing it ends the source with errEnded.
type channel chan []input.Change

var errEnded = errors.New("the source ended")

func (c channel) Take(ctx context.Context) ([]input.Change, error) {
	select {
	case batch, ok := <-c:
		if !ok {
			return nil, errEnded
		}
		return batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// FollowedSince is zero: nothing is ever missed.
func (c channel) FollowedSince(time.Time) time.Time { return time.Time{} }

// patchy is a channel that does not follow anything while it is away.
type patchy struct {
	channel
	away *atomic.Bool
}

func (p patchy) FollowedSince(now time.Time) time.Time {
	if p.away.Load() {
		return now
	}
	return time.Time{}
}

// loopTest is a Loop that runs by a virtual clock.
type loopTest struct {
	source channel
	orders Orders

	mu        sync.Mutex // guards all below
	published []string   // "fleet: cause", in order
	fleets    map[string]snapshot.Snapshot
	reports   int
	result    translator.Result // of the last report
	held      Holds
	ended     error
}

// startLoop starts a Loop, inside a bubble of synctest.
func startLoop(t *testing.T) *loopTest {
	source := make(channel)
	return startLoopOf(t, source, source)
}

// startLoopOf starts a Loop of a source that hands out what comes from a channel.
func startLoopOf(t *testing.T, source Source, from channel) *loopTest {
	return startLoopWith(t, from, &Loop{Source: source})
}

// startLoopWith starts a Loop that is set up but for who hears of it.
func startLoopWith(t *testing.T, from channel, loop *Loop) *loopTest {
	l := &loopTest{source: from, fleets: map[string]snapshot.Snapshot{}}
	loop.Orders = &l.orders
	loop.Publish = func(fleet string, s snapshot.Snapshot, cause snapshot.Cause) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.published = append(l.published, fleet+": "+cause.Text)
		l.fleets[fleet] = s
	}
	loop.Held = func(h Holds) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held = h
	}
	loop.Report = func(r translator.Result) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reports, l.result = l.reports+1, r
	}
	go func() {
		err := loop.Run(t.Context())
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = err
	}()
	return l
}

// counts are how much was published and reported until now.
func (l *loopTest) counts() (published, reports int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.published), l.reports
}

// since is what was published after the first n.
func (l *loopTest) since(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.published[n:])
}

// wait lets d pass and the loop do what is then due.
func (l *loopTest) wait(d time.Duration) {
	time.Sleep(d) // of the virtual clock
	synctest.Wait()
}

// change hands on a batch and waits until it is published.
func (l *loopTest) change(batch ...input.Change) {
	l.source <- batch
	synctest.Wait()
}

// version is that of a resource of the fleet of every World.
func (l *loopTest) version(t snapshot.Type, name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.fleets[worlds.Class].Of(t).Get(name)
	if !ok {
		return "none"
	}
	return r.Version
}

// hosts is how many virtual hosts a fleet has.
func (l *loopTest) hosts(fleet string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleets[fleet].Of(snapshot.VirtualHost).Len()
}

// stored is the mark of the fleet of every World, and digest what it is served.
func (l *loopTest) stored() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleets[worlds.Class].Stored()
}

func (l *loopTest) digest() pmap.Sum { return l.digestOf(worlds.Class) }

// digestOf is that of what a fleet is served.
func (l *loopTest) digestOf(fleet string) pmap.Sum {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleets[fleet].Digest()
}

func (l *loopTest) end(t *testing.T) {
	t.Helper()
	close(l.source)
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !errors.Is(l.ended, errEnded) {
		t.Errorf("Run returned %v", l.ended)
	}
}

// TestLoopWaitsForTheSource: nothing is published before the first full reading,
// and then the fleet of each class.
func TestLoopWaitsForTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoop(t)
		l.wait(time.Hour)
		if list := l.since(0); len(list) > 0 {
			t.Errorf("published %v before anything was read", list)
		}
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1})
		l.change(w.All()...)
		want := []string{worlds.Class, worlds.Other}
		for i, text := range l.since(0) {
			if fleet, cause, _ := strings.Cut(text, ": "); fleet != want[i] || cause != "IngressClass edge, IngressClass inner, ConfigMap shop/settings and 3 more" {
				t.Errorf("published %q", text)
			}
		}
		if own, other := l.hosts(worlds.Class), l.hosts(worlds.Other); own != 2 || other != 1 { // with that of all hosts
			t.Errorf("the fleet of the Ingress has %d hosts, the other %d", own, other)
		}
		l.end(t)
	})
}

// TestLoopHolds: a missing Secret keeps the last good certificate without
// limit; slices that are gone keep the last endpoints for hold.Grace, and the
// loop wakes by itself to end that.
func TestLoopHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoop(t)
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1, TLS: 1})
		all := w.All()
		l.change(all...)
		cluster := worlds.Namespace + "/" + worlds.ServiceName(0) + "/80"
		certificate, endpoints := l.version(snapshot.Secret, worlds.HostOf(0)), l.version(snapshot.Endpoints, cluster)
		l.change(deletions(all, object.KindSecret, object.KindSlice)...)
		l.wait(hold.Grace - time.Nanosecond)
		if got := l.version(snapshot.Endpoints, cluster); got != endpoints {
			t.Errorf("endpoints %s within the grace, before %s", got, endpoints)
		}
		published, reports := l.counts()
		l.wait(time.Nanosecond)
		if got := l.version(snapshot.Endpoints, cluster); got == endpoints || got == "none" {
			t.Errorf("endpoints %s after the grace, before %s", got, endpoints)
		}
		list := l.since(published)
		if _, now := l.counts(); len(list) == 0 || list[0] != worlds.Class+": time passed" || now != reports {
			t.Errorf("published %v, %d reports more", list, now-reports)
		}
		published += len(list)
		l.wait(translator.TicketPeriod - time.Hour)
		if got := l.version(snapshot.Secret, worlds.HostOf(0)); got != certificate || len(l.since(published)) > 0 {
			t.Errorf("certificate %s, before %s; published %v", got, certificate, l.since(published))
		}
		l.end(t)
	})
}

// TestLoopRenews: a renewal of connections that was set ahead begins by itself, ends by
// itself, and leaves the routes as they were.
func TestLoopRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoop(t)
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1})
		l.change(w.All()...)
		routes := func() string { return l.version(snapshot.RouteConfiguration, "ingress") }
		before, moment := routes(), time.Now().Add(time.Minute)
		l.change(lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: worlds.Namespace, Name: worlds.Settings},
			Data: map[string]string{"bind-addresses": "127.0.0.1", "renew-connections": moment.Format(time.RFC3339Nano), "renew-connections-within": "30m"}})))
		for _, step := range []struct {
			until time.Duration // the moment
			under bool
		}{{-time.Nanosecond, false}, {0, true}, {91*time.Minute - time.Nanosecond, true}, {91 * time.Minute, false}} {
			l.wait(time.Until(moment.Add(step.until)))
			if under := routes() != before; under != step.under {
				t.Errorf("%s after the moment: a renewal is under way: %t", step.until, under)
			}
		}
		l.end(t)
	})
}

// TestLoopHoldsInOutage: no hold ends while the source is away, and the loop looks
// again by itself when it may be back.
func TestLoopHoldsInOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := patchy{make(channel), &atomic.Bool{}}
		l := startLoopOf(t, source, source.channel)
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1})
		all := w.All()
		l.change(all...)
		cluster := worlds.Namespace + "/" + worlds.ServiceName(0) + "/80"
		endpoints := l.version(snapshot.Endpoints, cluster)
		source.away.Store(true)
		l.change(deletions(all, object.KindSlice)...)
		l.wait(time.Hour)
		if got := l.version(snapshot.Endpoints, cluster); got != endpoints {
			t.Errorf("endpoints %s in the outage, before %s", got, endpoints)
		}
		source.away.Store(false)
		l.wait(hold.Grace)
		if got := l.version(snapshot.Endpoints, cluster); got == endpoints {
			t.Error("the hold does not end after the outage")
		}
		l.end(t)
	})
}

// deletions delete what changes put of some kinds.
func deletions(changes []input.Change, kinds ...object.Kind) (list []input.Change) {
	for _, c := range changes {
		if slices.Contains(kinds, c.Ref.Kind) {
			list = append(list, input.Delete(c.Ref))
		}
	}
	return list
}

// TestLoopFreezes: a class that disappears leaves its fleet as it is, with live
// endpoints; the other fleet goes on.
func TestLoopFreezes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoop(t)
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1})
		all := w.All()
		l.change(all...)
		host := "ingress/" + worlds.HostOf(0)
		cluster := worlds.Namespace + "/" + worlds.ServiceName(0) + "/80"
		before, endpoints := l.version(snapshot.VirtualHost, host), l.version(snapshot.Endpoints, cluster)
		l.change(append(deletions(all, object.KindIngressClass, object.KindConfigMap, object.KindIngress), w.Endpoint(0))...)
		if got := l.version(snapshot.VirtualHost, host); got != before {
			t.Errorf("host %s, before the class went %s", got, before)
		}
		if l.version(snapshot.Endpoints, cluster) == endpoints {
			t.Error("endpoints are frozen, too")
		}
		l.end(t)
	})
}

// TestLoopKeepsNames: a host stays with the namespace of an Ingress that is gone, and then
// goes to the next by itself, which is reported.
func TestLoopKeepsNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoop(t)
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1})
		all := w.All()
		l.change(all...)
		host := "ingress/" + worlds.HostOf(0)
		owners := l.version(snapshot.VirtualHost, host)
		var other input.Ingress
		for _, c := range all {
			if o, ok := c.Object.(*input.Ingress); ok {
				other = *o
			}
		}
		other.Namespace, other.Created = worlds.OtherSpace, other.Created.Add(time.Second)
		l.change(lower.Put(input.Seal(&other)))
		if got := l.version(snapshot.VirtualHost, host); got != owners {
			t.Errorf("host %s, before another namespace wanted it %s", got, owners)
		}
		l.change(deletions(all, object.KindIngress)...)
		l.wait(input.KeepNames - time.Nanosecond)
		if got := l.version(snapshot.VirtualHost, host); got != "none" {
			t.Errorf("host %s within the minute of its owner", got)
		}
		_, before := l.counts()
		l.wait(time.Nanosecond)
		if got := l.version(snapshot.VirtualHost, host); got == "none" || got == owners {
			t.Errorf("host %s after the minute, its former owner had %s", got, owners)
		}
		if _, reports := l.counts(); reports != before+1 {
			t.Errorf("%d reports of that, want 1", reports-before)
		}
		l.end(t)
	})
}

// TestLoopEnds: when its context ends, Run returns that, also while it waits for
// the end of a hold.
func TestLoopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		source := make(channel)
		ended := make(chan error)
		go func() {
			loop := &Loop{Source: source, Publish: func(string, snapshot.Snapshot, snapshot.Cause) {}}
			ended <- loop.Run(ctx)
		}()
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1})
		all := w.All()
		source <- all
		source <- deletions(all, object.KindSlice)
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// TestUnusableSettings: a class that is wrong in what is fixed at install has no fleet in a process
// that never saw another value, and gets one when it is right; a mistake elsewhere is a default. In
// a fleet that runs, settings that are made anew with such a mistake are as gone ones.
func TestUnusableSettings(t *testing.T) {
	ref := object.Ref{Kind: object.KindConfigMap, Namespace: worlds.Namespace, Name: worlds.Settings}
	config := func(data map[string]string) input.Change {
		return lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: ref.Namespace, Name: ref.Name}, Data: worlds.Unbounded(data)}))
	}
	synctest.Test(t, func(t *testing.T) {
		l := startLoop(t)
		first := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 1}).All()
		first = append(slices.DeleteFunc(first, func(c input.Change) bool { return c.Ref == ref }), config(map[string]string{"bind-addresses": "here", "http-port": "none"}))
		step := func(when string, served bool, c ...input.Change) {
			t.Helper()
			l.change(c...)
			if _, ok := l.result.Fleet(worlds.Class); ok != served || (len(l.result.Unset()) > 0) == served {
				t.Fatalf("%s: served %t, want %t; %v", when, ok, served, l.result.Unset())
			}
		}
		step("wrong at the beginning", false, first...)
		if list := l.result.Unset(); len(list) != 2 || list[0].Code != finding.SettingsUnusable || list[0].Object != ref {
			t.Errorf("said is %v", list)
		}
		step("wrong elsewhere as well", false, config(map[string]string{"bind-addresses": "127.0.0.1", "http-port": "none", "idle-timeout": "75"}))
		step("wrong elsewhere", true, config(map[string]string{"bind-addresses": "127.0.0.1", "http-port": "8080", "idle-timeout": "75"}))
		listener := l.version(snapshot.Listener, "http")
		step("gone", true, input.Delete(ref))
		step("made anew", true, config(map[string]string{"bind-addresses": "127.0.0.1", "http-port": "none"}))
		if got := l.version(snapshot.Listener, "http"); got != listener {
			t.Errorf("the listener is %s, and was %s", got, listener)
		}
		l.end(t)
	})
}
