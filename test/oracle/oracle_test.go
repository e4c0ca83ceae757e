//go:build real

package oracle

import (
	"flag"
	"fmt"
	"sync"
	"testing"

	"legation.dev/test/nginx"
)

var (
	requests = flag.Int("requests", 1000, "how many random requests to compare")
	seed     = flag.Uint64("seed", 1, "of the worlds")
	only     = flag.Int("world", -1, "the only world to ask, by its number; -1: all that the requests need")
)

const (
	inWorld = 25 // requests
	batch   = 40 // worlds that are served together
	askers  = 2  // at a time: one for each core of a small machine
	enough  = 20 // differences that are told; the others are counted
)

// TestWorlds: of random requests to random worlds, ingress-nginx and Legation say the
// same, or what differs is known.
func TestWorlds(t *testing.T) {
	o := start(t)
	var all tally
	for first := 0; first < (*requests+inWorld-1)/inWorld; first += batch {
		var cases []*nginx.Case
		for n := first; n < min(first+batch, (*requests+inWorld-1)/inWorld); n++ {
			if *only < 0 || *only == n {
				cases = append(cases, newWorld(*seed, n, inWorld))
			}
		}
		if len(cases) > 0 {
			t.Run(fmt.Sprint("from ", first), func(t *testing.T) { o.compare(t, cases, &all) })
		}
	}
	t.Logf("%d requests: %d equal, %d differ as listed, %d otherwise", all.asked, all.equal, all.known, all.other)
}

// tally counts pairs of answers.
type tally struct {
	sync.Mutex
	asked, equal, known, other int
}

// compare serves cases by both, and asks them.
func (o *oracle) compare(t *testing.T, cases []*nginx.Case, all *tally) {
	nginx.Place(t, cases)
	nginx.Backends(t, cases)
	nginx.StartDNS(t, dnsPort, cases)
	o.serve(t, cases[0].Settings, cases)
	ours := nginx.Serve(t, cases)
	list := make(chan int, len(cases))
	for i := range cases {
		list <- i
	}
	close(list)
	var group sync.WaitGroup
	for range askers {
		group.Go(func() {
			for i := range list {
				for _, r := range cases[i].Requests {
					o.pair(t, ours[i], r, all)
				}
			}
		})
	}
	group.Wait()
}

// pair asks both for one request.
func (o *oracle) pair(t *testing.T, ours *nginx.Client, r nginx.Request, all *tally) {
	got, err := ours.Ask(r)
	if err != nil {
		t.Error(err)
	}
	want, err := o.client(ours.Of).Ask(r)
	if err != nil {
		t.Error(err)
	}
	what := nginx.Differ(got, want)
	all.Lock()
	defer all.Unlock()
	all.asked++
	if what == "" {
		all.equal++
		return
	}
	all.other++
	through := ""
	if nginx.LetThrough(got, want) {
		through = "LET THROUGH: "
	}
	t.Errorf("%s: %s: %s%s", ours.Of.Name, r, through, what)
}
