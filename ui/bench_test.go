package ui

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"legation.dev/translator/worlds"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// BenchmarkPages is what a page costs with 10,000 Ingresses, of which half have a Problem,
// and 100 Envoys that are up to 64 versions behind, each time after a change: by the clock, and
// of the CPU.
func BenchmarkPages(b *testing.B) {
	const n = 10000
	s := newStage(b, large(n)...)
	w := worlds.New(2, worlds.Size{Services: n / 2, Endpoints: 2, Ingresses: n})
	changed := 1
	change := func() { changed += 2; s.with(w.Endpoint(changed%(n/2)), w.Secret(changed%(n/5))) }
	for range store.DefaultHistory {
		change()
	}
	versions := s.Store.History(worlds.Class)
	for i := range 100 {
		runs := versions[i%len(versions)].Snapshot
		s.Fleets.Join(fleet.Node{ID: fmt.Sprint("envoy-", i), Fleet: worlds.Class, Version: "1.40.0"}, time.Now()).Serve(func() (status delta.Status) {
			for t := range snapshot.Types() {
				status.Types[t].Requested, status.Types[t].Have = true, runs.Of(t)
			}
			return status
		})
	}
	for _, path := range visits(n) {
		b.Run(strings.NewReplacer("/", "_", "?", "_", "&", "_").Replace(path), func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				change()
				b.StartTimer()
				before := used(b)
				if code, body := s.get(path); code != http.StatusOK {
					b.Fatalf("%d: %s", code, body)
				}
				cpu += used(b) - before
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		})
	}
}

// used is the CPU time of this process.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
