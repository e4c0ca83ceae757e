package drain

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const derived = -1 * time.Nanosecond

func TestPlanFollowsFromGrace(t *testing.T) {
	for _, c := range []struct{ grace, min, max, hold, close time.Duration }{
		{5 * time.Second, 5 * time.Second / 6, 4 * time.Second, 4 * time.Second, time.Second},
		{30 * time.Second, 5 * time.Second, 27 * time.Second, 27 * time.Second, 11 * time.Second},
		{300 * time.Second, 15 * time.Second, 295 * time.Second, 295 * time.Second, 140 * time.Second},
		{2 * time.Hour, 15 * time.Second, 2*time.Hour - 5*time.Second, time.Hour, 3590 * time.Second},
	} {
		for _, u := range []Upgrades{Hold, Close} {
			p, err := NewPlan(Times{Grace: c.grace, Min: derived, Max: derived, Upgrades: u})
			if err != nil {
				t.Fatalf("%s: %v", c.grace, err)
			}
			want := c.hold
			if u == Close {
				want = c.close
			}
			if p.Min != c.min || p.Max != c.max || p.EnvoyDrainTime() != want {
				t.Errorf("%s, %s: min %s, max %s, drain time %s; want %s, %s, %s", c.grace, u, p.Min, p.Max, p.EnvoyDrainTime(), c.min, c.max, want)
			}
		}
	}
}

func TestPlanRefused(t *testing.T) {
	for _, c := range []struct {
		times Times
		want  string
	}{
		{Times{Grace: 4 * time.Second, Min: derived, Max: derived}, "--grace-period=4s"},
		{Times{Grace: 30 * time.Second, Min: derived, Max: 30 * time.Second}, "--max-drain=30s"},
		{Times{Grace: 30 * time.Second, Min: 27 * time.Second, Max: derived}, "--min-drain=27s"},
		{Times{Grace: 30 * time.Second, Min: derived, Max: 0}, "--min-drain=5s"},
		{Times{Grace: 30 * time.Second, Min: derived, Max: derived, Upgrades: "keep"}, "--upgrades=keep"},
	} {
		if _, err := NewPlan(c.times); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one of %s", c.times, err, c.want)
		}
	}
}

// TestPlanWorks: whatever the grace period, what follows from it fits together.
func TestPlanWorks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grace := time.Duration(rapid.Int64Range(int64(MinGrace), int64(24*time.Hour)).Draw(t, "grace"))
		upgrades := rapid.SampledFrom([]Upgrades{Hold, Close}).Draw(t, "upgrades")
		p, err := NewPlan(Times{Grace: grace, Min: derived, Max: derived, Upgrades: upgrades})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Fits(p.EnvoyDrainTime()); err != nil {
			t.Error(err)
		}
	})
}

func TestFits(t *testing.T) {
	hold, err := NewPlan(Times{Grace: 30 * time.Second, Min: derived, Max: derived})
	if err != nil {
		t.Fatal(err)
	}
	shut := hold
	shut.Upgrades = Close
	for _, c := range []struct {
		plan  Plan
		drain time.Duration
		fits  bool
	}{{hold, time.Hour, true}, {hold, time.Hour + time.Second, false}, {shut, 22 * time.Second, true}, {shut, 23 * time.Second, false}} {
		if err := c.plan.Fits(c.drain); (err == nil) != c.fits {
			t.Errorf("%s, %s: %v", c.plan.Upgrades, c.drain, err)
		}
	}
}
