package pmap

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type val int

func (v val) Sum() Sum { return SumOf(fmt.Sprint(int(v))) }

// TestModel holds a Map against a Go map over random histories: contents,
// order, digests, differences, and that old values never change.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-c]{0,3}`)
		var m Map[val]
		model := map[string]val{}
		kept, keptModel := m, maps.Clone(model)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			k := key.Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0, 1:
				v := val(rapid.IntRange(0, 3).Draw(t, "value"))
				m = m.Set(k, v)
				model[k] = v
			case 2:
				m = m.Delete(k)
				delete(model, k)
			case 3:
				kept, keptModel = m, maps.Clone(model)
			}
		}
		equal(t, m, model)
		equal(t, kept, keptModel)
		got := map[string]val{}
		maps.Copy(got, keptModel)
		last := ""
		for c := range Diff(kept, m) {
			if last != "" && c.Key <= last {
				t.Fatalf("difference out of order: %q after %q", c.Key, last)
			}
			last = c.Key
			if old, had := keptModel[c.Key]; had != c.HadOld || had && old != c.Old {
				t.Fatalf("wrong old side at %q", c.Key)
			}
			if c.HadOld && c.HasNew && c.Old == c.New {
				t.Fatalf("equal values reported at %q", c.Key)
			}
			delete(got, c.Key)
			if c.HasNew {
				got[c.Key] = c.New
			}
		}
		if !maps.Equal(got, model) {
			t.Fatalf("old + difference = %v, want %v", got, model)
		}
	})
}

func equal(t *rapid.T, m Map[val], model map[string]val) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(model))
	if m.Len() != len(model) || !slices.Equal(keys, keysOf(m)) || !maps.Equal(maps.Collect(m.All()), model) {
		t.Fatalf("map is %v, want %v", maps.Collect(m.All()), model)
	}
	var built Map[val]
	for _, k := range keys {
		built = built.Set(k, model[k])
	}
	if built.Digest() != m.Digest() {
		t.Fatalf("digest depends on history")
	}
	for c := range Diff(built, m) {
		t.Fatalf("equal maps differ at %q", c.Key)
	}
}

func keysOf(m Map[val]) []string {
	var keys []string
	for k := range m.All() {
		keys = append(keys, k)
	}
	return keys
}

func TestPrefix(t *testing.T) {
	var m Map[Unit]
	for _, k := range []string{"a/1", "a/2", "ab", "b/1", "a"} {
		m = m.Set(k, Unit{})
	}
	var got []string
	for k := range m.Prefix("a/") {
		got = append(got, k)
	}
	if want := []string{"a/1", "a/2"}; !slices.Equal(got, want) || !slices.Equal(m.Keys("a/"), want) || m.Keys("c") != nil {
		t.Errorf("got %v, %v and %v, want %v, the same and none", got, m.Keys("a/"), m.Keys("c"), want)
	}
}

// counted counts how often Sum is asked: the cost of a difference is counted,
// not timed.
type counted struct {
	v     int
	calls *int
}

func (c counted) Sum() Sum { *c.calls++; return SumOf(fmt.Sprint(c.v)) }

func TestDiffCostFollowsTheDifference(t *testing.T) {
	for _, n := range []int{100, 10000} {
		calls := 0
		var m Map[counted]
		for i := range n {
			m = m.Set(fmt.Sprintf("%06d", i), counted{i, &calls})
		}
		m.Digest()
		o := m.Set("000050", counted{-1, &calls})
		o.Digest()
		calls = 0
		for range Diff(m, o) {
		}
		if calls > 4*bits.Len(uint(n)) { // a path of the treap, both sides
			t.Errorf("%d entries: one difference asked for %d sums", n, calls)
		}
	}
}
