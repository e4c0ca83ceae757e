package translator

import (
	"testing"

	"legation.dev/held"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
	"legation.dev/xds/hold"
	"legation.dev/xds/snapshot"
)

// TestStandIn: what overwrites a certificate that an Envoy rejected is this
// process's own under that name, also after hold.Next, and made once.
func TestStandIn(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 1, Ingresses: 1})
	own := input.Seal(&input.Secret{Meta: input.Meta{Name: "own"}, Certificate: []byte("chain"), Key: []byte("key")})
	view := input.View{}.With(w.All()...)
	if s := snapshotOf(t, Translate(Result{}, view)); s.StandIn("shop.example.com") != nil {
		t.Error("a stand-in without a certificate to make it of")
	}
	result := Translate(Result{}, view.WithStandIn(own))
	kept, _ := hold.Next(hold.Held{}, snapshotOf(t, result), held.Certificates{}, held.Clock{})
	r := kept.Snapshot.StandIn("shop.example.com")
	if r == nil || r.Name != "shop.example.com" || r.Version != snapshot.StandInVersion || !r.Placeholder {
		t.Fatalf("stand-in %+v", r)
	}
	later := Translate(result, view.WithStandIn(own).With(w.Endpoint(0)))
	kept, _ = hold.Next(kept, snapshotOf(t, later), kept.Certificates, held.Clock{})
	if kept.Snapshot.StandIn("shop.example.com") != r || kept.Snapshot.StandIn("blog.example.com") == r {
		t.Error("one name, one stand-in: not so after a change")
	}
}

// snapshotOf is the snapshot of the fleet that every World has.
func snapshotOf(t *testing.T, r Result) snapshot.Snapshot {
	t.Helper()
	f, ok := r.Fleet(worlds.Class)
	if !ok {
		t.Fatal("no fleet")
	}
	return f.Snapshot
}
