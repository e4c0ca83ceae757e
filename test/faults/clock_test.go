//go:build real

package faults

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"legation.dev/test/clock"
	"legation.dev/test/incluster"
)

var byClock = flag.Bool("clock", false, "set the wall clock of restarted processes by an hour; the binary is compiled anew for that: it takes some minutes")

// withClock has the replicas of o run by a wall clock that set sets from that of the machine.
// Without -clock both change nothing.
func withClock(t *testing.T, o incluster.Options) (with incluster.Options, set func(time.Duration)) {
	t.Helper()
	if !*byClock {
		return o, func(time.Duration) {}
	}
	dir := t.TempDir()
	o.Build = filepath.Join(dir, "legation")
	if err := clock.Build(t.Context(), "legation.dev/cmd/legation", o.Build); err != nil {
		t.Fatal(err)
	}
	wall, err := clock.NewWall(dir)
	if err != nil {
		t.Fatal(err)
	}
	o.Env = append(o.Env, clock.Variable+"="+wall.Path)
	return o, func(d time.Duration) {
		t.Helper()
		if err := wall.Set(d); err != nil {
			t.Fatal(err)
		}
	}
}
