package inspect

import (
	"slices"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/watcher/dir"
	"legation.dev/xds/admin"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
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
