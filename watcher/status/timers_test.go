package status

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTimerQueue: keys come out in order of time, those of one time in order of coming;
// each once, at the time that was set last.
func TestTimerQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, model := newTimerQueue[int](), map[int]int{}
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			key := rapid.IntRange(0, 9).Draw(t, "key")
			if rapid.IntRange(0, 3).Draw(t, "drop") == 0 {
				a.drop(key)
				delete(model, key)
				continue
			}
			second := rapid.IntRange(0, 5).Draw(t, "second")
			a.setTime(key, start.Add(time.Duration(second)*time.Second))
			model[key] = second
		}
		if a.len() != len(model) {
			t.Fatalf("%d keys, want %d", a.len(), len(model))
		}
		last := -1
		for range len(model) {
			first, _ := a.first()
			at := a.when()
			if _, ok := a.due(at.Add(-1)); ok {
				t.Fatal("out before its time")
			}
			key, ok := a.due(at)
			if !ok || key != first || model[key] < last || !at.Equal(start.Add(time.Duration(model[key])*time.Second)) {
				t.Fatalf("out came %d at %v; it was set to %d s, the last to %d s", key, at, model[key], last)
			}
			last = model[key]
			delete(model, key)
		}
		if _, ok := a.first(); ok || !a.when().IsZero() {
			t.Error("it is not empty")
		}
	})
}
