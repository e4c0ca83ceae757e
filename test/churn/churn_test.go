//go:build real

package churn

import (
	"flag"
	"log/slog"
	"testing"
	"time"

	"legation.dev/test/inprocess"
)

var (
	changes       = flag.Int("changes", 1000, "how many changes TestChurn makes")
	moves         = flag.Int("moves", 1000, "how many paths TestMoves moves")
	rate          = flag.Int("rate", 50, "how many changes a second TestChurn makes")
	rejected      = flag.Duration("rejected", 10*time.Second, "how long TestRejectedRoute rolls the pods of a rejected route")
	silent        = flag.Duration("silence", 17*time.Second, "how long each type is kept back from a fresh Envoy in TestSilence; above Envoy's own 15 s")
	walked        = flag.Int("walk", 300, "how many changes TestWalk makes")
	withNginx     = flag.Bool("nginx", false, "run TestNginx")
	reloads       = flag.Int("reloads", 30, "how many times TestNginx reloads, once a second")
	greedy        = flag.Int("greedy", 300, "how many hosts the namespace of TestGreedyNamespace has that changes without end; with 20000 latencies are judged, too")
	poisoned      = flag.Int("poisoned", 100, "how many resources come at once in TestPoison, of which one is bad")
	poisonedHosts = flag.Int("poisoned-hosts", 0, "the same, for virtual hosts; 0: as -poisoned says")
	poisonBound   = flag.Bool("poison-bound", false, "whether TestPoison fails if the others come late (R12), which a machine with other work cannot promise")
	seeded        = flag.Uint64("seed", 0, "seed of all random draws; 0 draws one")
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

// warnings shows with the test what the server warns of: rejections, with Envoy's
// words.
func warnings(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// TestChurn: random changes of all kinds, most of them to hosts under load, and
// nobody notices.
func TestChurn(t *testing.T) {
	w := newSuite(t, 40, inprocess.Options{Log: warnings(t)})
	_, end := w.load(w.clients(150*time.Millisecond, 100, 20, 50)...)
	d := newDriver(w)
	took := d.run(*changes, *rate)
	end()
	t.Logf("%s in %s", d, took.Round(time.Millisecond))
	if 2*d.loaded < *changes {
		t.Errorf("only %d of %d changes concerned hosts under load", d.loaded, *changes)
	}
	w.listenersInPlace()
	w.noneRejected()
	w.noTimeouts()
}
