package translator

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
)

// fragmentSteps is how many changes a walk over random fragments makes.
const fragmentSteps = 40

// TestWalkFragments: at every step of random histories of fragments that use all of
// the model, which no Ingress does, the incremental result is the full one, and its
// snapshots are closed.
func TestWalkFragments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		g := worlds.NewFragments(rand.NewPCG(seed, 0))
		view := input.View{}.With(worlds.New(seed, worlds.Size{Services: worlds.FragmentServices, Endpoints: 1}).All()...)
		result := Translate(Result{}, view)
		var refs []object.Ref
		for range fragmentSteps {
			c := worlds.Carry(g.Fragment())
			switch i := g.IntN(len(refs) + 4); {
			case i >= len(refs):
				refs = append(refs, c.Ref)
			case g.IntN(2) == 0:
				c = worlds.Carry(g.Of(refs[i]))
			default:
				c = input.Delete(refs[i])
				refs = append(refs[:i], refs[i+1:]...)
			}
			view = view.With(c)
			result = Translate(result, view)
			if full := Translate(Result{}, view); result.Digest() != full.Digest() {
				t.Fatalf("after %v: incremental and full differ: %s", c.Ref, firstDifference(result, full))
			}
			for f := range result.Fleets() {
				checkClosed(t, f.Snapshot)
			}
		}
	})
}
