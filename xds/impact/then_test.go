package impact

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// walk is the snapshots of a random history.
func walk(r *rapid.T) []snapshot.Snapshot {
	w := worlds.New(rapid.Uint64().Draw(r, "seed"), worlds.Size{Services: 4, Endpoints: 2, Ingresses: 5, TLS: 0.5, Traced: true})
	var v input.View
	for _, c := range w.All() {
		v = v.With(c)
	}
	var list []snapshot.Snapshot
	var result translator.Result
	for range rapid.IntRange(2, 20).Draw(r, "steps") {
		result = translator.Translate(result, v)
		for f := range result.Fleets() {
			list = append(list, f.Snapshot)
			break
		}
		for range rapid.IntRange(1, 3).Draw(r, "changes") {
			v = v.With(w.Random())
		}
	}
	return list
}

// lines are changes that are not hidden, and of which Envoy is told, as text. A listener that
// is another one as a whole hides what was said of its chains.
func lines(changes iter.Seq[Change]) (list []string) {
	for _, c := range Merge(slices.Collect(changes)) {
		if !c.Hidden && (c.Kind != Changed || c.Before != c.After || c.Type == snapshot.Listener) {
			list = append(list, fmt.Sprintf("%s %s %s %v: %s", c.Kind, c.Type, c.Name, c.Drains, c.Effect))
		}
	}
	return list
}

// TestSince: an outline tells what is different as well as the snapshot does that it is of, and
// it can be kept up to date by changes.
func TestSince(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		all := walk(r)
		if len(all) == 0 {
			return
		}
		first, kept, known := all[0], OutlineOf(all[0]), true
		for i, s := range all[1:] {
			if known = known && kept.With(slices.Collect(Of(all[i], s))); known && !maps.Equal(kept, OutlineOf(s)) {
				r.Fatal("an outline and a change make another outline than the snapshot has")
			}
			if got, want := lines(slices.Values(OutlineOf(first).Since(s))), lines(Of(first, s)); !slices.Equal(got, want) {
				r.Fatalf("by the outline: %q\nby the snapshots: %q", got, want)
			}
		}
	})
}

// TestThen: what is told of each step comes to what is told of the first and the last.
// Connections that ended on the way are told, so drains and effects may say more.
func TestThen(t *testing.T) {
	names := func(list []Change) (names []string) {
		for _, c := range list {
			if c.Type != snapshot.Listener && !c.Hidden && (c.Kind != Changed || c.Before != c.After) {
				names = append(names, fmt.Sprint(c.Kind, c.Type, c.Name))
			}
		}
		return names
	}
	rapid.Check(t, func(r *rapid.T) {
		all, path, whole := walk(r), Path{}, false
		for i := 1; i < len(all); i++ {
			step := slices.Collect(Of(all[i-1], all[i]))
			path.Then(step)
			whole = whole || slices.ContainsFunc(step, func(c Change) bool { return c.Type == snapshot.Listener })
			if whole { // then of chains less is known
				return
			}
			if got, want := names(path.Changes()), names(Merge(slices.Collect(Of(all[0], all[i])))); !slices.Equal(got, want) {
				r.Fatalf("by steps: %q\nat once: %q", got, want)
			}
		}
	})
}

// TestThenOfOne: what becomes of one resource, step by step.
func TestThenOfOne(t *testing.T) {
	step := func(k Kind, before, after string) Change {
		return Change{Kind: k, Type: snapshot.VirtualHost, Name: "a", Before: before, After: after, Effect: effects[snapshot.VirtualHost][k]}
	}
	hidden := step(Changed, "2", "2")
	hidden.Hidden = true
	drains := Change{Kind: Changed, Type: snapshot.Chain, Name: "https/a", Before: "1", After: "2", Drains: true, Effect: "drained"}
	back := Change{Kind: Changed, Type: snapshot.Chain, Name: "https/a", Before: "2", After: "1", Drains: true, Effect: "drained"}
	for want, steps := range map[string][]Change{
		"nothing: added, removed":      {step(Added, "", "1"), step(Removed, "1", "")},
		"nothing: and back":            {step(Changed, "1", "2"), step(Changed, "2", "1")},
		"nothing: removed, as it was":  {step(Removed, "1", ""), step(Added, "", "1")},
		"nothing: a chain, and back":   {drains, back},
		"changed: a password, too":     {step(Changed, "1", "2"), hidden, step(Changed, "2", "1")},
		"added: and changed":           {step(Added, "", "1"), step(Changed, "1", "2")},
		"removed: changed before":      {step(Changed, "1", "2"), step(Removed, "2", "")},
		"changed: removed, and others": {step(Removed, "1", ""), step(Added, "", "2")},
	} {
		var p Path
		for _, s := range steps {
			p.Then([]Change{s})
		}
		got := "nothing"
		for _, c := range p.Changes() {
			if got = string(c.Kind); c.Type == snapshot.VirtualHost && c.Effect != effects[c.Type][c.Kind] {
				t.Errorf("%s: %q", want, c.Effect)
			}
		}
		if got != want[:len(got)] || want[len(got)] != ':' {
			t.Errorf("%s: got %s", want, got)
		}
	}
}

// TestVersionHidesAll: what ShownVersion takes for a resource without secrets is seen by
// people as it is.
func TestVersionHidesAll(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		for _, s := range walk(r) {
			for ty := range snapshot.Types() {
				for name, res := range s.Of(ty).All() {
					shown, err := res.View().UnmarshalNew()
					if err != nil {
						r.Fatal(err)
					}
					whole, err := res.Any().UnmarshalNew()
					if err != nil {
						r.Fatal(err)
					}
					if !proto.Equal(shown, whole) && res.ShownVersion() == res.Version && !res.Placeholder {
						r.Fatalf("%s %s: its version follows from what is hidden", ty, name)
					}
				}
			}
		}
	})
}
