package drain

import (
	"slices"
	"testing"
	"time"

	"legation.dev/drain/admin"
)

// TestLeaver: what is done while a node is about to go, and when it stays after all.
func TestLeaver(t *testing.T) {
	begin := time.Unix(1000, 0)
	type step struct {
		at      time.Duration
		leaving bool
		want    Order
	}
	for name, steps := range map[string][]step{
		"stays":  {{0, false, Wait}, {time.Hour, false, Wait}},
		"leaves": {{0, true, FailHealth}, {time.Second, true, Wait}, {10 * time.Second, true, DrainListeners}, {time.Hour, true, Wait}},
		"is taken back": {{0, true, FailHealth}, {9 * time.Second, false, PassHealth}, {20 * time.Second, false, Wait},
			{30 * time.Second, true, FailHealth}, {39 * time.Second, true, Wait}, {40 * time.Second, true, DrainListeners}},
		"is taken back too late": {{0, true, FailHealth}, {10 * time.Second, true, DrainListeners}, {11 * time.Second, false, Quit}},
	} {
		l := &Leaver{Min: 10 * time.Second}
		for _, s := range steps {
			now := begin.Add(s.at)
			for range 2 { // an order that fails is repeated
				if got := l.Next(now, s.leaving); got != s.want {
					t.Fatalf("%s, after %v: %v, want %v", name, s.at, got, s.want)
				}
			}
			l.Did(s.want, now)
		}
	}
}

// TestFailingBefore: balancers that have noticed before the drain are not waited for again.
func TestFailingBefore(t *testing.T) {
	start := time.Unix(1000, 0)
	m := &Machine{Plan: testPlan, Start: start, Failing: start.Add(-testPlan.Min)}
	var got []Order
	for range 3 {
		o := m.Next(start.Add(time.Second), admin.Reading{Listeners: 1}, nil)
		m.Did(o, start.Add(time.Second))
		got = append(got, o)
	}
	if !slices.Equal(got, []Order{FailHealth, DrainListeners, Wait}) {
		t.Errorf("%v", got)
	}
}
