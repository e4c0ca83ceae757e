//go:build real

package ecds

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"
)

var (
	length = flag.Int("steps", 150, "how many changes TestWalk makes")
	seeded = flag.Uint64("seed", 0, "seed of all random draws; 0 draws one")
)

// seed is that of the run, which a failure must tell.
func seed(t *testing.T) uint64 {
	s := *seeded
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return s
}

// checkEvery is how many steps lie between two looks at everything.
const checkEvery = 50

// rememberEvery is how many lie between two looks at Envoy's memory.
const rememberEvery = 1000

// TestWalk: whatever changes, at any spacing, Envoy lives and nobody notices.
func TestWalk(t *testing.T) {
	w := newSuite(t, seed(t))
	w.start()
	w.settle()
	w.ready()
	d := &door{address: w.HTTP}
	clients := w.crowd(d)
	v := &walk{suite: w, door: d, made: map[string]int{}}
	begin, done := time.Now(), 0
	for ; done < *length && clients.failed() == 0; done++ {
		v.step()
		if w.rng.IntN(10) == 0 {
			v.step() // two in one push
		}
		w.push(w.rng.IntN(2) == 0)
		v.pause()
		if done%checkEvery == checkEvery-1 {
			v.check(done + 1)
		}
	}
	v.tell(clients)
	if w.extras.shut {
		v.turn()
		w.push(true)
	}
	v.check(done)
	v.drained()
	v.remember("after the last drain")
	clients.judge(v)
	count, odd := w.server.counted()
	t.Logf("%d steps in %s: %v; %+v", done, time.Since(begin).Round(time.Second), v.made, count)
	for _, what := range odd {
		t.Error(what)
	}
}

// tell shows what led to a failure.
func (w *walk) tell(c *crowd) {
	if c.failed() == 0 {
		return
	}
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	for _, event := range w.server.events {
		w.t.Log(event)
	}
	w.t.Log(w.extras.marks, w.settings)
}

// pause is no time at all, until Envoy has everything, or up to 300 ms.
func (w *walk) pause() {
	switch n := w.rng.IntN(10); {
	case n < 4:
	case n < 6:
		w.settle()
	default:
		time.Sleep(time.Duration(w.rng.IntN(300)) * time.Millisecond)
	}
}

// ready waits until Envoy serves.
func (w *suite) ready() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	if err := w.envoy.WaitReady(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// check waits until Envoy has everything, and looks whether it serves all of it.
func (w *walk) check(step int) {
	w.t.Helper()
	w.settle()
	for _, host := range w.tlsHosts() {
		w.serves(w.HTTPS, host)
	}
	if !w.extras.shut {
		w.serves(w.HTTP, plain[0])
	}
	if err := w.envoy.Err(); err != nil {
		w.t.Fatal(err)
	}
	w.managed()
	if line := crashed.FindString(w.envoy.Log()); line != "" {
		w.t.Fatal(line)
	}
	if step%rememberEvery == 0 {
		w.remember(fmt.Sprintf("step %d", step))
	}
}

// managed fails the test if a connection met a chain without its manager.
func (w *walk) managed() {
	w.t.Helper()
	stats, err := w.envoy.Stats(w.ctx, `network_extension_config_missing$`)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(stats) == 0 {
		w.t.Error("Envoy does not count connections without a manager any more")
	}
	for name, n := range stats {
		if n > 0 {
			w.t.Errorf("%s is %d", name, n)
		}
	}
}

// crashed is what Envoy's log says of a fault of its own.
var crashed = regexp.MustCompile(`.*(\[critical\]|Caught |assert failure|envoy bug failure|Backtrace).*`)

// serves waits until a host is answered. Its port or chain may not be there yet, but
// when it is, so are the routes.
func (w *walk) serves(address, host string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	for {
		config := w.config(host)
		if address == w.HTTP {
			config = nil
		}
		status, err := ask(ctx, address, host, config)
		switch {
		case status == 200:
			return
		case status != 0:
			w.t.Fatalf("%s is answered %d", host, status)
		case ctx.Err() != nil:
			w.t.Fatalf("%s is not served: %v", host, err)
		}
		time.Sleep(retryAfter)
	}
}

// drained waits until no chain and no listener drains.
func (w *walk) drained() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	for _, name := range []string{"listener_manager.total_filter_chains_draining", "listener_manager.total_listeners_draining"} {
		if err := w.envoy.WaitStat(ctx, name, func(n uint64) bool { return n == 0 }); err != nil {
			w.t.Fatal(err)
		}
	}
}

// remember logs what Envoy takes, and what it did.
func (w *walk) remember(when string) {
	w.t.Helper()
	text, err := w.envoy.Get(w.ctx, "/memory")
	if err != nil {
		w.t.Fatal(err)
	}
	var memory struct {
		Allocated uint64 `json:",string"`
	}
	if err := json.Unmarshal(text, &memory); err != nil {
		w.t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.envoy.PID()))
	if err != nil {
		w.t.Fatal(err)
	}
	stats, err := w.envoy.Stats(w.ctx, `^(listener_manager\.(listener_(added|removed|modified|in_place_updated)|lds\.update_rejected|total_.*draining)|extension_config_discovery\.network_filter\..*\.config_(fail|conflict|reload)|server\.uptime)$`)
	if err != nil {
		w.t.Fatal(err)
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		list = append(list, fmt.Sprintf("%s %d", name, stats[name]))
	}
	w.t.Logf("%s: %.1f MB allocated, %s; %v", when, float64(memory.Allocated)/1e6, regexp.MustCompile(`VmRSS.*`).Find(status), list)
}
