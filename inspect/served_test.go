package inspect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
)

// TestAcknowledged: an Ingress is served when an Envoy of its fleet runs it as it is
// now.
func TestAcknowledged(t *testing.T) {
	changes, err := dir.Read("../examples/shop")
	if err != nil {
		t.Fatal(err)
	}
	r := translator.Translate(translator.Result{}, input.View{}.With(changes...))
	ref := object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: "shop"}
	fleets := fleet.New(fleet.Config{})
	peers, err := admin.NewPeers(&admin.Service{Fleets: fleets}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer peers.Close()
	s := &Served{Peers: peers}
	ask := func(when string, want ...bool) {
		t.Helper()
		other := object.Ref{Kind: object.KindIngress, Namespace: "no", Name: "such"}
		if got, err := s.Acknowledged(t.Context(), []object.Ref{other, ref}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v", when, got, err)
		}
	}
	ask("nothing is translated", false, false)
	s.Report(r)
	ask("no Envoy", false, false)
	name, list, _ := r.Serving(ref.Key())
	session := fleets.Join(fleet.Node{ID: "one", Fleet: name}, time.Time{})
	var has delta.Status
	for _, res := range list {
		has.Types[res.Type].Have = has.Types[res.Type].Have.Set(res.Name, res)
	}
	one := has
	session.Serve(func() delta.Status { return one })
	ask("an Envoy that runs all", false, true)
	old := snapshot.FromBytes(list[0].Type, list[0].Name, "older", nil, snapshot.Meta{})
	has.Types[old.Type].Have = has.Types[old.Type].Have.Set(old.Name, old)
	fleets.Join(fleet.Node{ID: "two", Fleet: name}, time.Time{}).Serve(func() delta.Status { return has })
	ask("one more that runs an older version", false, false)
}

// TestLive: what all replicas know of a request: the Envoys that run its host, what is held of
// its objects, and how long its Service takes, in its fleet alone.
func TestLive(t *testing.T) {
	changes, err := dir.Read("../examples/shop")
	if err != nil {
		t.Fatal(err)
	}
	r := translator.Translate(translator.Result{}, input.View{}.With(changes...))
	fleets, name := fleet.New(fleet.Config{}), "legation"
	book := observed.New(observed.Config{Known: func(string) func(string) bool { return func(string) bool { return true } }})
	window := time.Now().Truncate(observed.DefaultWindow).Add(-observed.DefaultWindow)
	for i, of := range []string{name, "other"} {
		point := observed.Point{Cluster: "shop/web/http", Stat: observed.RqTime, Lengths: observed.Lengths{Count: 3, Sum: 60}, Buckets: &observed.Buckets{}}
		point.Buckets[i+1] = 3
		book.Add(observed.Report{Fleet: of, Envoy: "one", Points: []observed.Point{point}}, window)
	}
	service := &admin.Service{Instance: "a", Fleets: fleets, Observed: book, Held: func() []*adminv1.Hold {
		return []*adminv1.Hold{{Kind: "path", Object: "Service shop/web", Fleet: name, Reason: "no endpoints yet"}, {Kind: "path", Object: "Service shop/web", Fleet: "other"}, {Kind: "path", Object: "Service a/b"}}
	}}
	peers, err := admin.NewPeers(service, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer peers.Close()
	s := &Served{Peers: peers, Admin: service}
	s.Report(r)
	fleets.Join(fleet.Node{ID: "old", Fleet: name}, time.Time{})
	f, _ := r.Fleet(name)
	fleets.Join(fleet.Node{ID: "new", Fleet: name}, time.Time{}).Serve(func() (status delta.Status) {
		status.Types[snapshot.VirtualHost].Have = f.Snapshot.Of(snapshot.VirtualHost)
		return status
	})
	fleets.Join(fleet.Node{ID: "new", Fleet: "other"}, time.Time{})
	q, err := ParseQuestion(&adminv1.WhyRequest{Url: "https://shop.localhost/"})
	if err != nil {
		t.Fatal(err)
	}
	list := Asks(r, q, "", time.Now())
	replicas, err := s.Live(t.Context(), list)
	if err != nil || len(list) != 1 || len(replicas) != 1 {
		t.Fatalf("%v, %v, %v", list, replicas, err)
	}
	w := list[0]
	if w.Running != "1 of 2" || len(w.Held) != 1 || !strings.Contains(w.Held[0], "no endpoints yet") {
		t.Errorf("running %q, held %q", w.Running, w.Held)
	}
	if len(w.Answers) != 1 || w.Answers[0].Takes == nil || w.Answers[0].Takes.P99.String() != "5 to 25 ms" || !strings.HasPrefix(w.Answers[0].Takes.String(), "p50 5 to 25 ms, p99 5 to 25 ms, of 3 answers from ") {
		t.Errorf("%+v", w.Answers)
	}
	if len(w.Timeouts) != 3 || len(w.Answers[0].Timeouts) != 1 {
		t.Errorf("timeouts: %+v, %+v", w.Timeouts, w.Answers[0].Timeouts)
	}
}
