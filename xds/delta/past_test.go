package delta

import (
	"testing"
	"time"

	"legation.dev/xds/snapshot"
)

// TestPast: an Envoy that comes with what was wanted a few changes ago is sent what
// differs, and its names are not looked at one by one: there are 2,000 of each type.
func TestPast(t *testing.T) {
	past := []snapshot.Snapshot{site(2000)}
	for i := range 5 {
		past = append(past, withEndpoint(past[i], i))
	}
	target, now := past[5], time.Now()
	requests := reports(past[2])
	newestFirst := []snapshot.Snapshot{past[4], past[3], past[2], past[1], past[0]}
	target.VersionSum(snapshot.Endpoints) // once for all streams, as those of the others
	sent := 0
	come := func() {
		c := Accept(nil)
		c.Target(target, nil)
		sent = 0
		for _, r := range requests {
			r.Past = newestFirst
			c.Receive(r, now)
			out, _ := c.Next(now)
			for _, x := range out {
				sent += len(x.Resources)
			}
		}
	}
	if allocs := testing.AllocsPerRun(5, come); allocs > 500 {
		t.Errorf("%v allocations", allocs)
	}
	if sent != 3 {
		t.Errorf("%d resources were sent, want the 3 that differ", sent)
	}
}
