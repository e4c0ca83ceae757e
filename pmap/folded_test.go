package pmap

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// text is a value whose fold shows the order of what is folded.
type text string

func (t text) Fold() text          { return t }
func (t text) Then(next text) text { return t + next }

// TestFolded holds a Folded against a Go map over random histories: what it comes to, what
// it finds, and that old values never change.
func TestFolded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-c]{0,3}`)
		var m, kept Folded[text, text]
		model, keptModel := map[string]text{}, map[string]text{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			k := key.Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0, 1:
				model[k] = text(rapid.StringMatching(`[a-d]{1,2}`).Draw(t, "value"))
				m = m.Set(k, model[k])
			case 2:
				m = m.Delete(k)
				delete(model, k)
			case 3:
				kept, keptModel = m, maps.Clone(model)
				m.Fold()
			}
		}
		equalFolds(t, m, model)
		equalFolds(t, kept, keptModel)
	})
}

func equalFolds(t *rapid.T, m Folded[text, text], model map[string]text) {
	keys, all := slices.Sorted(maps.Keys(model)), text("")
	for _, k := range keys {
		all += model[k]
		if v, ok := m.Get(k); !ok || v != model[k] {
			t.Fatalf("%q is %q, want %q", k, v, model[k])
		}
	}
	if m.Fold() != all || m.Len() != len(model) {
		t.Fatalf("%d entries come to %q, want %d and %q", m.Len(), m.Fold(), len(model), all)
	}
	for size := range len(all) + 1 { // the first entry that does not fit
		end, want := 0, ""
		i := slices.IndexFunc(keys, func(k string) bool { end += len(model[k]); return end > size })
		if i >= 0 {
			want = keys[i]
		}
		passed := text("")
		key, value, ok := m.Find(func(part text) bool {
			fits := len(passed)+len(part) <= size
			if fits {
				passed += part
			}
			return fits
		})
		if ok != (i >= 0) || key != want || ok && value != model[want] || passed != all[:len(passed)] {
			t.Fatalf("found %q (%v) after %q of %q, want %q", key, ok, passed, all, want)
		}
	}
}

// TestFindCostFollowsTheDepth: what passes is not looked at.
func TestFindCostFollowsTheDepth(t *testing.T) {
	asked := func(n int) (most int) {
		var m Folded[text, text]
		for i := range n {
			m = m.Set(string(rune('a'+i%26))+string(rune(i)), "x")
		}
		for size := range 100 {
			count, passed := 0, 0
			m.Find(func(part text) bool {
				count++
				fits := passed+len(part) <= n*size/100
				if fits {
					passed += len(part)
				}
				return fits
			})
			most = max(most, count)
		}
		return most
	}
	if small, large := asked(1000), asked(20_000); large > 2*small || large > 120 {
		t.Errorf("asked %d times at 1,000 entries, %d times at 20,000", small, large)
	}
}
