package hold

import (
	"testing"
	"time"

	"legation.dev/held"
	"legation.dev/xds/snapshot"
)

// outage is what a hold sees of one: a time at which it is asked, in seconds after
// the start, and since when the inputs are up to date then.
type outage struct {
	at, fresh int
	want      string
	wake      int // 0: never
}

func seconds(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }

// after is the time in seconds; 0 for none.
func after(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return int(t.Sub(start).Seconds())
}

// TestMoveInOutage: a path that is to move to where nobody is waits for as long as
// what might be there cannot be read, and then for MoveGrace.
func TestMoveInOutage(t *testing.T) {
	for name, steps := range map[string][]outage{
		"the outage is over before": {
			{1, 1, "x=a a1 b0", 6}, {2, 2, "x=a a1 b0", 7}, {6, 2, "x=a a1 b0", 7}, {7, 2, "x=b b0", 0}},
		"the outage is long": {
			{1, 1, "x=a a1 b0", 6}, {6, 6, "x=a a1 b0", 11}, {11, 11, "x=a a1 b0", 16}, {40, 40, "x=a a1 b0", 45},
			{45, 41, "x=a a1 b0", 46}, {46, 41, "x=b b0", 0}},
		"a second outage": {
			{1, 0, "x=a a1 b0", 6}, {5, 5, "x=a a1 b0", 10}, {9, 6, "x=a a1 b0", 11}, {10, 10, "x=a a1 b0", 15},
			{15, 10, "x=b b0", 0}},
		"an outage long ago": {{1, 0, "x=a a1 b0", 6}, {6, 0, "x=b b0", 0}},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{hosts: map[string]string{"x": "a"}, endpoints: map[string]int{"a": 1}}
			h, _ := Next(Held{}, w.base(), held.Certificates{}, held.Clock{Now: start, Fresh: start})
			w.hosts["x"] = "b"
			for _, s := range steps {
				var wake time.Time
				h, wake = Next(h, w.base(), h.Certificates, held.Clock{Now: seconds(s.at), Fresh: seconds(s.fresh)})
				if got := runs(h); got != s.want || after(wake) != s.wake {
					t.Errorf("at %d s: runs %q, wakes at %d; want %q, %d", s.at, got, after(wake), s.want, s.wake)
				}
			}
		})
	}
}

// TestEndpointsInOutage: a Service that is missing keeps its endpoints for as long,
// and then for Grace.
func TestEndpointsInOutage(t *testing.T) {
	ref := snapshot.Ref{Type: snapshot.Endpoints, Name: "shop/api/80"}
	h, _ := Next(Held{}, base(map[snapshot.Ref]string{ref: "a"}), held.Certificates{}, held.Clock{Now: start, Fresh: start})
	for _, s := range []outage{{1, 1, "a", 11}, {11, 11, "a", 21}, {30, 30, "a", 40}, {40, 31, "a", 41}, {41, 31, "placeholder0", 0}, {50, 50, "placeholder0", 0}} {
		var wake time.Time
		h, wake = Next(h, base(map[snapshot.Ref]string{ref: "placeholder0"}), h.Certificates, held.Clock{Now: seconds(s.at), Fresh: seconds(s.fresh)})
		if got := shown(h, ref); got != s.want || after(wake) != s.wake {
			t.Errorf("at %d s: runs %q, wakes at %d; want %q, %d", s.at, got, after(wake), s.want, s.wake)
		}
	}
}
