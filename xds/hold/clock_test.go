package hold

import (
	"testing"
	"time"

	"legation.dev/held"
	"legation.dev/test/clock"
	"legation.dev/xds/snapshot"
)

// TestClockJumps: each grace ends in time when the wall clock is set while one has
// begun and before another does.
func TestClockJumps(t *testing.T) {
	first := snapshot.Ref{Type: snapshot.Endpoints, Name: "shop/first/80"}
	second := snapshot.Ref{Type: snapshot.Endpoints, Name: "shop/second/80"}
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			now := time.Now()
			h, _ := Next(Held{}, base(map[snapshot.Ref]string{first: "a", second: "a"}), held.Certificates{}, held.Clock{Now: now})
			h, _ = Next(h, base(map[snapshot.Ref]string{first: "placeholder0", second: "a"}), h.Certificates, held.Clock{Now: now})
			late := base(map[snapshot.Ref]string{first: "placeholder0", second: "placeholder0"})
			now = clock.Set(now.Add(Grace/2), jump)
			h, wake := Next(h, late, h.Certificates, held.Clock{Now: now})
			if d := wake.Sub(now); d != Grace/2 {
				t.Errorf("the next look is in %v, want %v", d, Grace/2)
			}
			now = now.Add(Grace / 2)
			if h, _ = Next(h, late, h.Certificates, held.Clock{Now: now}); shown(h, first) != "placeholder0" || shown(h, second) != "a" {
				t.Errorf("after the first grace: %s, %s", shown(h, first), shown(h, second))
			}
			if h, wake = Next(h, late, h.Certificates, held.Clock{Now: now.Add(Grace / 2)}); shown(h, second) != "placeholder0" || !wake.IsZero() {
				t.Errorf("after the second grace: %s", shown(h, second))
			}
		})
	}
}
