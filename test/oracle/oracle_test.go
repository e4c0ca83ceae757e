//go:build real

package oracle

import (
	"flag"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"legation.dev/test/nginx"
)

var (
	requests = flag.Int("requests", 1000, "how many random requests to compare")
	seed     = flag.Uint64("seed", 1, "of the worlds")
	keep     = flag.String("keep", "", "a folder for the worlds, each as a case of test/nginx")
	only     = flag.Int("world", -1, "the only world to ask, by its number; -1: all that the requests need")
)

const (
	// class is that of all worlds: ingress-nginx forgets no Ingress whose class goes first.
	class   = "nginx"
	inWorld = 25   // requests
	askers  = 2    // at a time: one for each core of a small machine
	many    = 2000 // equal pairs, of which a Difference may be true of one in twenty
)

// TestWorlds: of random requests to random worlds, ingress-nginx and Legation say the
// same, or what differs is known.
func TestWorlds(t *testing.T) {
	o := start(t)
	all := tally{by: map[int]int{}, wide: map[int]int{}}
	worlds := (*requests + inWorld - 1) / inWorld
	for first := 0; first < worlds; first += batch {
		var together []*nginx.Case
		for n := first; n < min(first+batch, worlds); n++ {
			if *only >= 0 && *only != n {
				continue
			}
			c := newWorld(*seed, n, inWorld)
			if err := kept(c); err != nil {
				t.Fatal(err)
			}
			if apart(n) {
				t.Run(fmt.Sprint("world ", n), func(t *testing.T) { o.compare(t, []*nginx.Case{c}, &all) })
				continue
			}
			together = append(together, c)
		}
		if len(together) > 0 {
			t.Run(fmt.Sprint("from ", first), func(t *testing.T) { o.compare(t, together, &all) })
		}
	}
	for i, d := range nginx.Differences {
		t.Logf("%4d differ, %4.1f %% of the equal ones might have: %s", all.by[i], 100*float64(all.wide[i])/float64(max(all.equal, 1)), d.What)
		if all.equal >= many && 20*all.wide[i] > all.equal {
			t.Errorf("it says too little where this shows: %s", d.What)
		}
	}
	t.Logf("%d requests: %d equal, %d differ as listed, %d otherwise; %d let through that ingress-nginx refuses",
		all.asked, all.equal, all.known, all.other, all.through)
	if all.asked == 0 {
		t.Error("nothing was asked: -world is beyond what -requests need")
	}
}

// kept writes a world into the folder of -keep.
func kept(c *nginx.Case) error {
	if *keep == "" {
		return nil
	}
	return c.Write(filepath.Join(*keep, c.Name))
}

// tally counts pairs of answers.
type tally struct {
	sync.Mutex
	asked, equal, known, other int
	// through are those that a backend served and ingress-nginx refuses, whatever explains
	// the difference.
	through int
	by      map[int]int // differing pairs, by the number of what explains them
	wide    map[int]int // equal pairs of which each would have been true
}

// compare serves cases by both, and asks them.
func (o *oracle) compare(t *testing.T, cases []*nginx.Case, all *tally) {
	nginx.Place(t, cases)
	for _, c := range cases {
		c.Class = class
	}
	nginx.Backends(t, cases)
	nginx.StartDNS(t, dnsPort, cases)
	o.serve(t, cases)
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
	asked := nginx.Asked{Case: ours.Of, Request: r}
	if what == "" {
		all.equal++
		for i, d := range nginx.Differences {
			if d.When(asked) {
				all.wide[i]++
			}
		}
		return
	}
	if asked.Through(got, want) {
		all.through++
		t.Errorf("%s: %s: LET THROUGH: %s", ours.Of.Name, r, what)
	}
	by, known := nginx.Known(asked, got, want)
	for _, i := range by {
		all.by[i]++
	}
	if known {
		all.known++
		return
	}
	all.other++
	t.Errorf("%s: %s: %s", ours.Of.Name, r, what)
}
