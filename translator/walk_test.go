package translator

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// Random tests of this package draw 60 times unless -rapid.checks says otherwise, in place of 100: a
// walk takes 0.4 s, and all tests without real parts are to end in two minutes. `make soak` draws 1,000.
func init() { _ = flag.Set("rapid.checks", "60") }

// walkSteps is how many changes a walk makes; rapid makes 100 walks.
const walkSteps = 120

// TestWalk: at every step of random histories over all kinds the incremental
// result is the full one, its snapshots are closed, and nothing that was made
// before changes.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worlds.New(rapid.Uint64().Draw(t, "seed"), worlds.Size{Services: 4, Endpoints: 2, Ingresses: 5, TLS: 0.5, Traced: true, Copied: true, Snippets: true})
		var (
			view   input.View
			result Result
			now    time.Time
			pace   = rapid.SampledFrom([]time.Duration{time.Second, input.KeepNames / 10}).Draw(t, "pace")
		)
		step := func(batch ...input.Change) {
			before, digest := result, result.Digest()
			clock, read, closes := held.Clock{Now: now}, view.With(batch...), map[string]held.Closes{}
			for _, class := range read.HoldSettings(view, clock).Unweighed() {
				closes[class] = rapid.SampledFrom([]held.Closes{nil, {{Name: "https"}}}).Draw(t, "closes")
			}
			view = read.Hold(view, clock, closes)
			now = now.Add(pace)
			result = Translate(result, view)
			full := Translate(Result{}, view)
			if result.Digest() != full.Digest() {
				t.Fatalf("after %v: incremental and full differ: %s", batch[0].Ref, firstDifference(result, full))
			}
			if before.Digest() != digest {
				t.Fatalf("after %v: an earlier result changed", batch[0].Ref)
			}
			for f := range result.Fleets() {
				checkClosed(t, f.Snapshot)
				checkMembers(t, f)
			}
		}
		step(w.All()...)
		for range walkSteps {
			step(w.Random())
		}
	})
}

// TestWalkDraws: random worlds have every setting but those that all objects of
// a class depend on, or that are fixed at install; of these they have those of traces.
func TestWalkDraws(t *testing.T) {
	drawn := worlds.Drawn()
	for _, s := range policy.Table() {
		if (s.Scopes != policy.OnClass || strings.HasPrefix(s.Name, "tracing-")) && !drawn[s.Name] {
			t.Errorf("translator/worlds does not draw %s", s.Name)
		}
	}
}

// firstDifference names a resource or a finding that two results do not share.
func firstDifference(a, b Result) string {
	for f := range a.Fleets() {
		other, ok := b.Fleet(f.Name)
		if !ok {
			return "fleet " + f.Name
		}
		for ty, c := range snapshot.Diff(f.Snapshot, other.Snapshot) {
			return f.Name + ": " + ty.String() + " " + c.Key
		}
	}
	now := time.Now()
	pa, pb := a.Problems(now), b.Problems(now)
	for _, p := range pa {
		if !slices.Contains(pb, p) {
			return "only incremental: " + p.Error()
		}
	}
	for _, p := range pb {
		if !slices.Contains(pa, p) {
			return "only full: " + p.Error()
		}
	}
	return "something else"
}

// checkClosed: whatever a resource needs or pulls is there, and every host has a
// virtual host of its own domain.
func checkClosed(t interface{ Fatalf(string, ...any) }, s snapshot.Snapshot) {
	https, _ := s.Of(snapshot.Listener).Get("https")
	for ty := range snapshot.Types() {
		for name, r := range s.Of(ty).All() {
			for _, ref := range slices.Concat(r.Needs, r.Pulls) {
				_, ok := s.Get(ref)
				if ref.Type == snapshot.Chain {
					ok = https.HasChain(ref.Name)
				}
				if !ok {
					t.Fatalf("%s %s refers to %v, which is not there", ty, name, ref)
				}
			}
		}
	}
	for name := range s.Of(snapshot.Endpoints).All() {
		if c, ok := s.Of(snapshot.Cluster).Get(name); !ok || len(c.Pulls) == 0 {
			t.Fatalf("endpoints %s without an EDS cluster", name)
		}
	}
	for _, ty := range []snapshot.Type{snapshot.Listener, snapshot.RouteConfiguration} {
		if s.Of(ty).Len() == 0 {
			t.Fatalf("no %s", ty)
		}
	}
}

// checkMembers: a fleet has the Ingresses of its class.
func checkMembers(t interface{ Fatalf(string, ...any) }, f *Fleet) {
	count := 0
	for key, o := range f.view.Fragments().All() {
		if o.Gone {
			continue
		}
		if f.class.has(o) {
			count++
		}
		if f.Members.Has(o.Origin.Object.Key()) != f.class.has(o) {
			t.Fatalf("fleet %s: %s is of its class: %v, listed: %v", f.Name, key, f.class.has(o), f.Members.Has(o.Origin.Object.Key()))
		}
	}
	if f.Members.Len() != count {
		t.Fatalf("fleet %s lists %d Ingresses, it has %d", f.Name, f.Members.Len(), count)
	}
}

// TestOrder: the same objects in any order, in any batches, give equal bytes.
func TestOrder(t *testing.T) {
	const permutations = 1000 // R1
	w := worlds.New(1, worlds.Size{Services: 3, Endpoints: 2, Ingresses: 4, TLS: 0.5})
	last := map[object.Ref]input.Change{}
	var refs []object.Ref
	add := func(c input.Change) {
		if _, ok := last[c.Ref]; !ok {
			refs = append(refs, c.Ref)
		}
		last[c.Ref] = c
	}
	for _, c := range w.All() {
		add(c)
	}
	for range 60 {
		if c := w.Random(); c.Ref.Kind != object.KindIngressClass && c.Ref.Kind != object.KindConfigMap {
			add(c)
		}
	}
	rng := rand.New(rand.NewPCG(2, 0))
	var want string
	for i := range permutations {
		rng.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
		var (
			view   input.View
			result Result
		)
		for _, r := range refs {
			view = view.With(last[r])
			if rng.IntN(4) == 0 {
				result = Translate(result, view)
			}
		}
		result = Translate(result, view)
		if got := result.Digest().String(); i == 0 {
			want = got
		} else if got != want {
			t.Fatalf("permutation %d has digest %s, the first %s", i, got, want)
		}
	}
}

// digestOf prints the digest of a world in another process.
const digestOf = "LEGATION_TEST_PRINT_DIGEST"

// TestProcesses: another process, with another seed for Go's maps, another
// GOMAXPROCS and another stand-in, has the same digest.
func TestProcesses(t *testing.T) {
	w := worlds.New(3, worlds.Size{Services: 20, Endpoints: 3, Ingresses: 30, TLS: 0.3})
	view := input.View{}.With(w.All()...)
	for range 200 {
		view = view.With(w.Random())
	}
	standIn := input.Seal(&input.Secret{Meta: input.Meta{Name: "of this process"}, Certificate: []byte(time.Now().String())})
	digest := Translate(Result{}, view.WithStandIn(standIn)).Digest().String()
	if os.Getenv(digestOf) != "" {
		os.Stdout.WriteString("digest " + digest + "\n")
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcesses$")
	cmd.Env = append(os.Environ(), digestOf+"=1", "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "digest "+digest+"\n") {
		t.Errorf("this process has %s, the other says (%v)\n%s", digest, err, out)
	}
}
