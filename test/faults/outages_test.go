//go:build real

package faults

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"legation.dev/test/incluster"
)

var (
	outages = flag.Int("outages", 3, "how many outages TestAPIOutages has")
	outage  = flag.Duration("outage", 10*time.Second, "how long the last of them is; the first is 2 s")
)

const shortestOutage = 2 * time.Second

// backAfter is how long after an outage Legation serves what was written meanwhile,
// at most: one wait of a feed, and time for a busy machine.
const backAfter = 5 * time.Second

// TestAPIOutages: Legation loses its API server, and paths move meanwhile to Services
// that were not there before and have endpoints; where they led before serves on. No
// request fails when the API server is back, in whatever order kinds are read then.
func TestAPIOutages(t *testing.T) {
	w := newSuite(t, 8, grace, incluster.Options{})
	l, end := w.load(w.clients(clientEvery, 12, 6, 4)...)
	for i := range *outages {
		lasts := shortestOutage + (*outage-shortestOutage)*time.Duration(i)/time.Duration(max(1, *outages-1))
		before := l.Results().Failed
		back := w.outage(lasts, fmt.Sprint("moved", i), []string{rolled, steady}[i%2])
		w.more(l, 300)
		t.Logf("an outage of %v, over after another %v: %d requests failed", lasts, back.Round(time.Millisecond), l.Results().Failed-before)
		if back > backAfter {
			t.Errorf("what was written in an outage is served %v after it, want %v at most", back, backAfter)
		}
	}
	end()
}

// outage cuts Legation off from the API server for so long and moves a path of each
// host to a new Service with the pods of a Deployment. It says how long it took
// after that until Envoys ran all.
func (w *suite) outage(lasts time.Duration, name, deployment string) time.Duration {
	w.t.Helper()
	api := w.Replicas[0].API
	if err := api.Break(); err != nil {
		w.t.Fatal(err)
	}
	over := time.After(lasts)
	service := w.copyOf(deployment, name)
	w.apply(service)
	if _, err := k.AwaitEndpoints(w.limited(), w.namespace, name, 2, 0); err != nil {
		w.t.Fatal(err)
	}
	for _, h := range w.hosts {
		w.timeline.Allow(h.name, pathMoved, answerOf(deployment))
		h.moved = name
		w.apply(w.ingress(h))
	}
	<-over
	if err := api.Mend(); err != nil {
		w.t.Fatal(err)
	}
	begin := time.Now()
	w.settle()
	return time.Since(begin)
}
