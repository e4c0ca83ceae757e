package status

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// TestFollowFlips: two writers in turns are followed three times, then the last
// value that was published stays, until one of them has stood for long enough.
func TestFollowFlips(t *testing.T) {
	f := follow{returns: returnsFollowed, quiet: time.Minute}
	now, changes := start, 0
	step := func(v addresses, writer string) {
		before := f.published
		f.saw(v, writer, now)
		f.look(now)
		if f.published != before {
			changes++
		}
		now = now.Add(50 * time.Millisecond)
	}
	step("a", "kube-vip")
	now = now.Add(time.Hour)
	for range 600 {
		step("b", "metallb")
		step("a", "kube-vip")
	}
	if changes != 1+3 || f.published != "b" || !f.kept || !slices.Equal(f.writers(), []string{"kube-vip", "metallb"}) {
		t.Fatalf("%d changes, published %q, kept %v, writers %q", changes, f.published, f.kept, f.writers())
	}
	again := f.look(now)
	if f.published != "b" || !again.Equal(f.since.Add(time.Minute)) {
		t.Fatalf("published %q, next look at %v", f.published, again)
	}
	if next := f.look(again); f.published != "a" || f.kept || !next.IsZero() {
		t.Errorf("it has stood still: published %q, kept %v", f.published, f.kept)
	}
}

// TestFollowOnce: an address that changes now and then is followed; one that is
// gone is kept.
func TestFollowOnce(t *testing.T) {
	f := follow{returns: returnsFollowed, quiet: time.Minute}
	now := start
	for i, v := range []addresses{"a", "b", "c", "d", "e", "f", "a", "", "a"} {
		f.saw(v, "one", now)
		f.look(now)
		if want := v; want != "" && f.published != want || f.kept {
			t.Errorf("step %d: published %q, kept %v", i, f.published, f.kept)
		}
		now = now.Add(20 * time.Second)
	}
	for range 10 {
		for _, v := range []addresses{"x", "y"} {
			f.saw(v, "slow", now)
			f.look(now)
			if f.published != v {
				t.Fatalf("a value that had stood for long is not followed")
			}
			now = now.Add(2 * time.Minute)
		}
	}
}

// TestFollowGap: node addresses are published at a bounded rate, the newest wins.
func TestFollowGap(t *testing.T) {
	f := follow{gap: 10 * time.Second, quiet: time.Minute}
	now := start
	f.saw("a", "", now)
	f.look(now)
	for range 5 {
		now = now.Add(time.Second)
		f.saw("b", "", now)
		f.saw("c", "", now)
		if next := f.look(now); f.published != "a" || !next.Equal(start.Add(10*time.Second)) {
			t.Fatalf("published %q, next look at %v", f.published, next)
		}
	}
	if f.look(start.Add(10 * time.Second)); f.published != "c" {
		t.Errorf("published %q", f.published)
	}
}

// TestFollowBound: whatever a fight looks like, it is followed a bounded number of
// times, and its end is noticed.
func TestFollowBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := follow{returns: returnsFollowed, quiet: time.Minute}
		values := []addresses{"a", "b", "c", "d"}
		now, changes, seen := start, 0, map[addresses]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			v := rapid.SampledFrom(append(values, "")).Draw(t, "value")
			seen[v] = v != ""
			before := f.published
			f.saw(v, string(v), now)
			f.look(now)
			if f.published != before {
				changes++
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 299).Draw(t, "ms")) * time.Millisecond) // 200 steps: less than quiet
		}
		if most := len(values) + returnsFollowed - 1; changes > most {
			t.Errorf("%d changes, want at most %d", changes, most)
		}
		if f.look(now.Add(time.Minute)); f.published != f.actual {
			t.Errorf("published %q, there is %q", f.published, f.actual)
		}
	})
}
