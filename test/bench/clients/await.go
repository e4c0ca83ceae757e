package clients

import (
	"fmt"
	"slices"
	"time"

	"legation.dev/xds/snapshot"
)

// Change is a resource that the server changed, and when. At is of proc.Now.
type Change struct {
	Type snapshot.Type
	Name string
	At   time.Duration
}

// AwaitArgs is what every Envoy is going to get. A resource that stands in it
// twice has to come twice.
type AwaitArgs struct{ Changes []Change }

// Latencies are times from a change to its arrival.
type Latencies struct {
	P50, P99, Max time.Duration // over all changes and Envoys
	// First and Last are those of the first and of the last Envoy that got a
	// change, in the median over all changes; LastP99 is the 99th percentile.
	First, Last, LastP99 time.Duration
}

// expected is which changes an arrival may stand for: the n-th arrival of a
// resource is the n-th change of it.
type expected map[int32][]int

// Await waits until every Envoy has every change and says how long that took.
// What came before the last Reset does not count.
func (c *Clients) Await(args AwaitArgs, reply *Latencies) error {
	want := expected{}
	for i, ch := range args.Changes {
		id, ok := c.index[ch.Type][ch.Name]
		if !ok {
			return fmt.Errorf("no Envoy has %v %s, so none can tell when it changes", ch.Type, ch.Name)
		}
		want[id] = append(want[id], i)
	}
	total := len(args.Changes) * len(c.envoys)
	lacking := func() int {
		n := total
		for _, e := range c.envoys {
			e.matched(want, func(int, time.Duration) { n-- })
		}
		return n
	}
	arrived := func() bool { return c.totals.arrivals.Load() >= int64(total) && lacking() == 0 }
	if err := c.poll(arrived); err != nil {
		return fmt.Errorf("%d of %d arrivals are missing: %w", lacking(), total, err)
	}
	*reply = c.latencies(args.Changes, want)
	return nil
}

// matched calls f with each change that came and when.
func (e *envoy) matched(want expected, f func(change int, at time.Duration)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := make(map[int32]int, len(want))
	for _, a := range e.arrivals {
		n := seen[a.id]
		if changes := want[a.id]; n < len(changes) {
			seen[a.id] = n + 1
			f(changes[n], a.at)
		}
	}
}

func (c *Clients) latencies(changes []Change, want expected) Latencies {
	of := make([][]time.Duration, len(changes))
	for _, e := range c.envoys {
		e.matched(want, func(i int, at time.Duration) { of[i] = append(of[i], at-changes[i].At) })
	}
	var first, last []time.Duration
	for _, one := range of {
		first, last = append(first, slices.Min(one)), append(last, slices.Max(one))
	}
	all := slices.Concat(of...)
	for _, list := range [][]time.Duration{all, first, last} {
		slices.Sort(list)
	}
	return Latencies{P50: quantile(all, 50), P99: quantile(all, 99), Max: all[len(all)-1],
		First: quantile(first, 50), Last: quantile(last, 50), LastP99: quantile(last, 99)}
}

// quantile is the smallest value that at least percent of sorted reach.
func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
