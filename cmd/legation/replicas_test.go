package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/controller"
	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

var walkSteps = flag.Int("walk", 1000, "how many random steps two replicas take")

// pair are two replicas of a test, of which either may be away. Their loops, their packing and
// their exchange are those of serve; what is between them is not a network.
type pair struct {
	t     *testing.T
	rng   *rand.Rand
	sides [2]*side // nil: it does not run
	all   map[object.Ref]input.Change
	count int
	skew  time.Duration // by how much the clock of the second is before that of the first
	deaf  [2]error      // why one does not hear the other
	log   *slog.Logger  // nil: none
}

// side is one of them.
type side struct {
	*thisReplica
	source  changes
	cancel  context.CancelFunc
	served  map[string]snapshot.Snapshot // by fleet
	pending []input.Change               // what it was not told yet
}

// changes is a Source.
type changes chan []input.Change

func (c changes) Take(ctx context.Context) ([]input.Change, error) {
	select {
	case batch := <-c:
		return batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// FollowedSince is zero: nothing is ever missed.
func (changes) FollowedSince(time.Time) time.Time { return time.Time{} }

// others asks the one that is not i.
type others struct {
	p *pair
	i int
}

func (o others) other() *side { return o.p.sides[1-o.i] }

func (o others) Standings(context.Context, string) []admin.Standing {
	if err := o.p.deaf[o.i]; err != nil {
		return []admin.Standing{{Address: "other", Err: err}}
	}
	if s := o.other(); s != nil {
		if here := s.here(); here != nil {
			o.p.set(here, time.Duration(1-2*o.i)*o.p.skew)
			return []admin.Standing{{Address: "other", StandingResponse: here}}
		}
	}
	return []admin.Standing{{Address: "other", Err: errors.New("it does not answer")}}
}

// set is what is said by a clock that was set.
func (p *pair) set(said *adminv1.StandingResponse, by time.Duration) {
	for _, d := range said.GetHolds() {
		d.Since = timestamppb.New(d.GetSince().AsTime().Add(by))
	}
	for _, g := range said.GetOrders() {
		g.At = timestamppb.New(g.GetAt().AsTime().Add(by))
	}
	said.Now = timestamppb.New(said.GetNow().AsTime().Add(by))
}

func (o others) Last(context.Context, string) (admin.Past, error) {
	if s := o.other(); s != nil {
		return s.past()
	}
	return admin.Past{}, errors.New("it does not answer")
}

// start starts one, which asks the other.
func (p *pair) start(i int) {
	ctx, cancel := context.WithCancel(p.t.Context())
	log, orders := cmp.Or(p.log, slog.New(slog.DiscardHandler)), new(controller.Orders)
	last, _ := askPast(ctx, others{p, i}, "test", log)
	for _, o := range last.orders {
		orders.Remember(o)
	}
	p.count++
	s := &side{thisReplica: newThisReplica("test", orders, log), source: make(changes), cancel: cancel, served: map[string]snapshot.Snapshot{}}
	s.instance = fmt.Sprint(p.count)
	loop := &controller.Loop{Source: s.source, Last: last.view, Orders: orders, Held: s.take,
		Publish: func(fleet string, snap snapshot.Snapshot, _ snapshot.Cause) { s.served[fleet] = snap }}
	go func() { _ = loop.Run(ctx) }() // it is the end of ctx
	go s.exchange(ctx, others{p, i})
	p.sides[i] = s
	s.source <- slices.SortedFunc(maps.Values(p.all), func(a, b input.Change) int { return a.Ref.Compare(b.Ref) })
	synctest.Wait()
}

// stop ends one.
func (p *pair) stop(i int) {
	p.sides[i].cancel()
	p.sides[i] = nil
	synctest.Wait()
}

// change has something changed that one of them hears of a moment later, or not alone.
func (p *pair) change(c input.Change) {
	p.all[c.Ref] = c
	if c.Deleted {
		delete(p.all, c.Ref)
	}
	for _, i := range p.rng.Perm(2) {
		if s := p.sides[i]; s != nil {
			s.pending = append(slices.DeleteFunc(s.pending, func(o input.Change) bool { return o.Ref == c.Ref }), c)
		}
	}
}

// tell tells each what it was not told yet.
func (p *pair) tell() {
	for _, i := range p.rng.Perm(2) {
		if s := p.sides[i]; s != nil && len(s.pending) > 0 {
			s.source <- s.pending
			s.pending = nil
			time.Sleep(time.Duration(p.rng.IntN(1500)) * time.Millisecond)
		}
	}
	synctest.Wait()
}

// order tells one of them something, which the other hears of by itself.
func (p *pair) order() {
	s := p.sides[p.rng.IntN(2)]
	if s == nil {
		return
	}
	g := controller.Given{Fleet: worlds.Class, By: "me", Reason: "a test"}
	if list := s.newest.Load().View().Approvable(g.Fleet); len(list) > 0 {
		g.Digest = list[p.rng.IntN(len(list))].Digest
	}
	make := []func(controller.Given) controller.Order{controller.Approve, controller.Approve, controller.Pause, controller.Resume, controller.Resume}[p.rng.IntN(5)]
	_ = s.orders.Do(p.t.Context(), make(g)) // there may be nothing to do
}

// compare wants both to have read, to hold and to serve the same.
func (p *pair) compare(step int, what string) {
	a, b := p.sides[0], p.sides[1]
	if a == nil || b == nil {
		return
	}
	x, y := a.here(), b.here()
	var differ []string
	for fleet, served := range a.served { // each by itself
		for typ, c := range snapshot.Diff(served, b.served[fleet]) {
			differ = append(differ, fmt.Sprintf("%s: %s %s: %s", fleet, typ, c.Key, difference(c)))
		}
	}
	if x.GetRead() != y.GetRead() || x.GetHeld() != y.GetHeld() || len(differ) > 0 || len(a.served) != len(b.served) {
		p.t.Fatalf("step %d, %s: read equal %t, held equal %t, served differently %q\n%s\n%s", step, what, x.GetRead() == y.GetRead(), x.GetHeld() == y.GetHeld(), differ, heldText(a), heldText(b))
	}
}

func difference(c pmap.Change[*snapshot.Resource]) string {
	if !c.HadOld || !c.HasNew {
		return fmt.Sprintf("only one has it (%t, %t)", c.HadOld, c.HasNew)
	}
	return fmt.Sprintf("versions %s, %s; placeholders %t, %t; needs %v, %v", c.Old.Version, c.New.Version, c.Old.Placeholder, c.New.Placeholder, c.Old.Needs, c.New.Needs)
}

func heldText(s *side) (text string) {
	for _, e := range s.newest.Load().List() {
		text += fmt.Sprintf("%s %s %s %s until %s %v; ", e.Kind, e.Fleet, e.Object, e.Digest, e.Until, e.Hosts)
	}
	v := s.newest.Load().View()
	for key, k := range v.Kept().All() {
		text += fmt.Sprintf("claim %q %v; ", key, k)
	}
	for fleet, list := range v.Certificates().All() {
		for _, k := range list.All() {
			text += fmt.Sprintf("%s: certificate %s %x; ", fleet, k.Name, k.Sum())
		}
	}
	for key := range v.Left().All() {
		text += "gone " + key + "; "
	}
	for _, d := range v.Deletions() {
		text += "deletion of " + d.Class + "; "
	}
	return s.instance + ": " + text
}

// TestReplicasWalk: after each of many random changes, with restarts of either replica and with
// orders between them, both have read, hold and serve the same, also if their clocks differ by
// an hour.
func TestReplicasWalk(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) {
			p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 1)), all: map[object.Ref]input.Change{}, skew: time.Duration(seed) * time.Hour}
			w := worlds.New(seed+1, worlds.Size{Services: 8, Endpoints: 2, Ingresses: 30, TLS: 0.5})
			for _, c := range w.All() {
				p.change(c)
			}
			p.start(0)
			p.start(1)
			restarts := 0
			for step := range *walkSteps / 2 {
				what := "a change"
				switch n := p.rng.IntN(20); {
				case n < 3: // one is away while something changes, or not
					what = "a restart"
					i := p.rng.IntN(2)
					p.stop(i)
					if p.rng.IntN(2) == 0 {
						p.change(w.Random())
						p.tell()
					}
					p.start(i)
					restarts++
				case n < 5:
					what = "an order"
					p.order()
				case n == 5: // many Ingresses at once
					what = "a mass deletion"
					for ref := range maps.Clone(p.all) {
						if ref.Kind == object.KindIngress {
							p.change(input.Delete(ref))
						}
					}
				case n == 6:
					what = "all Ingresses"
					for _, c := range worlds.New(seed+1, worlds.Size{Services: 8, Endpoints: 2, Ingresses: 30, TLS: 0.5}).All() {
						p.change(c)
					}
				default:
					p.change(w.Random())
				}
				p.tell()
				time.Sleep(30 * time.Second) // of the virtual clock: longer than what ends by itself in seconds
				synctest.Wait()
				p.compare(step, what)
			}
			t.Logf("%d steps, %d restarts", *walkSteps/2, restarts)
			p.stop(0)
			p.stop(1)
		})
	}
}

// newPair are two replicas that run and have read the same.
func newPair(t *testing.T, log *slog.Logger) *pair {
	p := &pair{t: t, rng: rand.New(rand.NewPCG(1, 1)), all: map[object.Ref]input.Change{}, log: log}
	for _, c := range worlds.New(1, worlds.Size{Services: 2, Endpoints: 1, Ingresses: 4}).All() {
		p.change(c)
	}
	p.start(0)
	p.start(1)
	p.tell()
	return p
}

// TestResumeStays: a pause that somebody has ended is not taken over from a replica that could not
// hear of it, and ends there when it can.
func TestResumeStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, nil)
		order := func(o controller.Order) {
			t.Helper()
			if err := p.sides[0].orders.Do(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		paused := func(when string, want [2]bool) {
			t.Helper()
			for i, s := range p.sides {
				if _, got := s.newest.Load().View().Paused(worlds.Class); got != want[i] {
					t.Errorf("%s: replica %d is paused: %t", when, i, got)
				}
			}
		}
		g := controller.Given{Fleet: worlds.Class, By: "me", Reason: "a test"}
		order(controller.Pause(g))
		paused("paused", [2]bool{true, true})
		p.deaf[1] = errors.New("no route")
		order(controller.Resume(g))
		paused("one has not heard of it", [2]bool{false, true})
		p.deaf[1] = nil
		time.Sleep(time.Minute)
		synctest.Wait()
		paused("both have", [2]bool{})
		p.stop(0)
		p.stop(1)
	})
}

// TestSilentReplica: beside a replica of a version that tells nobody what it holds, this one goes on,
// and says so once.
func TestSilentReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		p := newPair(t, slog.New(slog.NewTextHandler(&lines, nil)))
		said := func(text string) int { return strings.Count(lines.String(), text) }
		wait := func() {
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		p.deaf[0] = status.Error(codes.Unimplemented, "unknown service")
		wait()
		p.change(input.Delete(object.Ref{Kind: object.KindIngress, Namespace: worlds.Namespace, Name: "none"}))
		p.tell()
		wait()
		if said("its version of Legation tells nobody") != 1 || said("says again") != 0 {
			t.Errorf("said is %s", lines.String())
		}
		p.deaf[0] = nil
		wait()
		if said("says again") != 1 {
			t.Errorf("said is %s", lines.String())
		}
		p.compare(0, "after it has told")
		p.stop(0)
		p.stop(1)
	})
}

// TestLapse: a removal of hosts that one replica has seen much earlier ends at both when its time is
// over there, and neither takes it over again.
func TestLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, rng: rand.New(rand.NewPCG(1, 1)), all: map[object.Ref]input.Change{}}
		for _, c := range worlds.New(1, worlds.Size{Services: 8, Endpoints: 2, Ingresses: 30}).All() {
			p.change(c)
		}
		p.start(0)
		p.start(1)
		p.tell()
		p.deaf = [2]error{errors.New("no route"), errors.New("no route")}
		for ref := range maps.Clone(p.all) {
			if ref.Kind == object.KindIngress {
				p.change(input.Delete(ref))
			}
		}
		late := p.sides[1].pending
		p.sides[1].pending = nil
		p.tell()
		time.Sleep(5 * time.Minute)
		p.sides[1].pending, p.deaf = late, [2]error{}
		p.tell()
		holds := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			for i, s := range p.sides {
				if got := len(s.newest.Load().View().Deletions()) > 0; got != want {
					t.Errorf("%s: replica %d holds: %t", when, i, got)
				}
			}
		}
		time.Sleep(4 * time.Minute)
		holds("before it is over", true)
		time.Sleep(time.Minute + 5*time.Second) // it asks every two seconds
		holds("when it is over", false)
		time.Sleep(2 * time.Minute)
		holds("later", false)
		p.compare(0, "the removal has lapsed")
		if past := p.sides[1].orders.Past(); len(past) == 0 || past[0].Kind != controller.LapseKind {
			t.Errorf("what has ended it is told as %+v", past)
		}
		p.stop(0)
		p.stop(1)
	})
}

// TestNewcomerHoldsToo: a replica that starts without memory and without the other, while settings
// that name another Secret are held, serves what was read. When they meet, they have read the same,
// and it holds what the other does.
func TestNewcomerHoldsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, rng: rand.New(rand.NewPCG(1, 1)), all: map[object.Ref]input.Change{}}
		var pairOfKeys *input.Secret
		for _, c := range worlds.New(1, worlds.Size{Services: 2, Endpoints: 1, Ingresses: 8, TLS: 1}).All() {
			p.change(c)
			if s, ok := c.Object.(*input.Secret); ok && len(s.Key) > 0 {
				pairOfKeys = s
			}
		}
		put := func(name string) input.Change {
			return lower.Put(input.Seal(&input.Secret{Meta: input.Meta{Namespace: worlds.Namespace, Name: name}, Certificate: pairOfKeys.Certificate, Key: pairOfKeys.Key}))
		}
		settings := func(secret, port string) input.Change {
			return lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: worlds.Namespace, Name: worlds.Settings},
				Data: map[string]string{"default-tls-secret": worlds.Namespace + "/" + secret, "http-port": port}}))
		}
		old := put("old")
		p.change(old)
		p.change(settings("old", "8080"))
		p.start(0)
		p.start(1)
		p.change(put("new"))
		p.change(settings("new", "8081"))
		p.tell()
		p.compare(0, "both hold the settings")
		p.stop(1)
		delete(p.all, old.Ref) // nobody has a newcomer read it
		p.deaf = [2]error{errors.New("no route"), errors.New("no route")}
		p.start(1)
		if _, isHeld := p.sides[1].newest.Load().View().HeldSettings(worlds.Class); isHeld {
			t.Fatal("who starts without memory holds settings")
		}
		p.deaf = [2]error{}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, s := range p.sides {
			if _, isHeld := s.newest.Load().View().HeldSettings(worlds.Class); !isHeld {
				t.Errorf("replica %d does not hold the settings", i)
			}
		}
		p.sides[1].source <- []input.Change{old} // which the source follows since it is used, see Loop.Used
		time.Sleep(time.Minute)
		synctest.Wait()
		p.compare(1, "they have met")
		p.stop(0)
		p.stop(1)
	})
}

// FuzzStanding: whatever another replica says of itself, a removal of hosts that is held here neither
// begins later by it, nor much earlier than the hosts went, and none of its orders is of the future.
func FuzzStanding(f *testing.F) {
	now := time.Now()
	clock := held.Clock{Now: now, Fresh: now}
	w := worlds.New(1, worlds.Size{Services: 8, Endpoints: 2, Ingresses: 30})
	before := input.View{}.With(w.All()...).WithTime(now)
	before = before.Guard(input.View{}, clock)
	var gone []input.Change
	for _, c := range w.All() {
		if c.Ref.Kind == object.KindIngress {
			gone = append(gone, input.Delete(c.Ref))
		}
	}
	v := before.With(gone...).WithTime(now).Hold(before, clock, nil)
	d, isHeld := v.Deletion(worlds.Class)
	if !isHeld {
		f.Fatal("nothing is held")
	}
	for _, age := range []int64{0, 1, -3600, 3600, math.MinInt64, math.MaxInt64} {
		f.Add(age, int64(0), int64(0), controller.PauseKind)
		f.Add(age, age, int64(1), controller.ApproveKind)
		f.Add(int64(0), age, age, "")
	}
	f.Fuzz(func(t *testing.T, since, at, clockThere int64, kind string) {
		stamp := func(seconds int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: seconds} }
		said := &adminv1.StandingResponse{Now: stamp(now.Unix() + clockThere),
			Holds:  []*adminv1.Hold{{Kind: string(held.Deletion), Fleet: worlds.Class, Since: stamp(now.Unix() - since)}, {Kind: kind, Fleet: kind}, nil},
			Orders: []*adminv1.PastOrder{{Kind: kind, Fleet: worlds.Class, At: stamp(now.Unix() - at)}, nil}}
		for _, r := range removalsOf(said, now) {
			next, _ := v.HoldDeletion(r.fleet, r.since)
			if got, _ := next.Deletion(worlds.Class); got.Since.After(d.Since) || d.Since.Sub(got.Since) > time.Minute {
				t.Errorf("it is held since %v, and was since %v", got.Since, d.Since)
			}
		}
		for _, g := range ordersOf(said, now) {
			if g.At.After(now) || !slices.Contains(controller.Kinds(), g.Kind) {
				t.Errorf("an order is %+v", g)
			}
		}
	})
}
