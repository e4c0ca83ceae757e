package held

import (
	"testing"
	"time"
)

// TestClock: a hold ends after its time, of which what passes in an outage is no part.
func TestClock(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1_700_000_000+int64(seconds), 0) }
	for _, c := range []struct {
		now, fresh, since int
		over              bool
	}{{9, -100, 0, false}, {10, -100, 0, true}, {60, 60, 0, false}, {69, 60, 0, false}, {70, 60, 0, true}} {
		if got := (Clock{Now: at(c.now), Fresh: at(c.fresh)}).Over(at(c.since), 10*time.Second); got != c.over {
			t.Errorf("%+v: over: %t", c, got)
		}
	}
	if got := (Clock{Now: at(10)}).Over(at(0), 10*time.Second); !got {
		t.Error("nothing was ever missed, and it is not over")
	}
}
