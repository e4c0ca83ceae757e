package translator

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/route"
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
		var (
			refs []object.Ref
			now  time.Time
		)
		for range fragmentSteps {
			before := result
			c := worlds.Carry(g.Fragment())
			switch i := g.IntN(len(refs) + 4); {
			case i >= len(refs):
				refs = append(refs, c.Ref)
			case g.IntN(2) == 0:
				c = worlds.Carry(g.Of(refs[i]))
			case g.IntN(2) == 0:
				c = another(g.Named(refs[i].Namespace), g.IntN(2))
			default:
				c = input.Delete(refs[i])
				refs = append(refs[:i], refs[i+1:]...)
			}
			changed := view
			view = view.With(c)
			checkReferrers(t, before, changed, view, c.Ref)
			now = now.Add(time.Duration(g.IntN(3)) * input.KeepNames / 10)
			view = view.Keep(changed, held.Clock{Now: now})
			result = Translate(before, view)
			if full := Translate(Result{}, view); result.Digest() != full.Digest() {
				t.Fatalf("after %v: incremental and full differ: %s", c.Ref, firstDifference(result, full))
			}
			for f := range result.Fleets() {
				checkClosed(t, f.Snapshot)
			}
		}
	})
}

// another is a change of a Secret or ConfigMap, to one of a few contents, or none.
func another(ref object.Ref, n int) input.Change {
	meta, text := input.Meta{Namespace: ref.Namespace, Name: ref.Name}, strconv.Itoa(n)
	switch {
	case n == 0:
		return input.Delete(ref)
	case ref.Kind == object.KindSecret:
		return lower.Put(input.Seal(&input.Secret{Meta: meta, Certificate: []byte(text)}))
	}
	return lower.Put(input.Seal(&input.ConfigMap{Meta: meta, Data: map[string]string{"text": text}}))
}

// checkReferrers: all hosts of whoever names an object that has changed are computed
// again, and of whoever names it as a certificate the TLS hosts that have it.
func checkReferrers(t *rapid.T, before Result, old, now input.View, ref object.Ref) {
	if !ref.Kind.ByName() || old.Digest() == now.Digest() {
		return
	}
	fleet, _ := before.Fleet(worlds.Class)
	of, _ := now.Class(worlds.Class)
	p := newPass(fleet, now, of, false)
	p.compare()
	hosts, tls := keys{}, keys{}
	for _, f := range now.Fragments().All() {
		other := slices.ContainsFunc(f.References, func(r route.Reference) bool { return r.To == ref && r.Field == "named" })
		if other && f.CatchAll != nil {
			hosts.add(route.Any)
		}
		for _, h := range f.Hosts {
			if other {
				hosts.add(h.Name)
			}
			if other && len(h.TLS) > 0 || slices.ContainsFunc(h.TLS, func(s route.TLS) bool { return s.Secret == ref }) {
				tls.add(h.Name)
				p.others(h.Name, tls.add) // and names of those, which are not followed here
			}
		}
	}
	for name := range fleet.lent.All() {
		for host := range maps.Clone(tls) {
			if below, wildcard := strings.CutPrefix(host, "*"); wildcard && strings.HasSuffix(name, below) {
				tls.add(name)
			}
		}
	}
	for host := range tls {
		if _, ok := p.tls[host]; !ok {
			t.Errorf("%s: TLS host %s is not computed, but %v", ref, host, p.tls)
		}
	}
	if !now.HasNames() && !maps.Equal(p.tls, tls) {
		t.Errorf("%s: TLS hosts %v, want %v", ref, p.tls, tls)
	}
	for host := range hosts {
		if _, ok := p.hosts[host]; !ok {
			t.Errorf("%s: host %s is not computed, but %v", ref, host, p.hosts)
		}
	}
	if len(hosts) == 0 && len(p.hosts) > 0 {
		t.Errorf("%s: hosts %v are computed for nothing", ref, p.hosts)
	}
}
