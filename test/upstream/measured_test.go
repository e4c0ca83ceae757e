//go:build real

package upstream

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"legation.dev/test/inprocess"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/snapshot"
)

// TestAllMetrics: a Service asks for all of its statistics until a moment. They come by its
// cluster alone, for it alone, and end by themselves; no request fails and no client dials
// anew for it.
func TestAllMetrics(t *testing.T) {
	w := newSuite(t, inprocess.Options{})
	oracle := w.many(2)
	running, end := w.everyHost(2, 8, oracle)
	w.more(running, 100)
	before, _ := w.Published()
	if few := w.series(); len(few["s0"]) > bootstrap.SeriesOfService {
		t.Fatalf("s0 has %d series without being asked", len(few["s0"]))
	}
	for life := 4 * time.Second; ; life *= 2 { // on a machine that is busy it ends before it was seen
		until := time.Now().Add(life)
		w.put(service("s0", map[string]string{"all-metrics-until": until.UTC().Format(time.RFC3339Nano)}))
		if w.seen("s0", until) {
			break
		}
	}
	w.more(running, 100)
	if err := w.Await(t.Context(), func() error { // by itself: nothing is applied
		if now, _ := w.Published(); now.Digest() != before.Digest() {
			return fmt.Errorf("more is served than before")
		}
		refs, ok := w.Behind(0)
		if of := w.names("s0"); !ok || len(refs) > 0 || rare(of) > 0 {
			return fmt.Errorf("s0 still has %d statistics of a kind that others have not", rare(of))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.more(running, 100)
	end()
}

// seen reports whether all statistics of a Service were there before a moment, and of no
// other one, by nothing but its cluster.
func (w *suite) seen(name string, until time.Time) bool {
	w.t.Helper()
	before, _ := w.Published()
	ctx, cancel := context.WithDeadline(w.t.Context(), until)
	defer cancel()
	var of []string
	if w.Await(ctx, func() error {
		if of = w.names(name); rare(of) < 10 {
			return fmt.Errorf("%d statistics", len(of))
		}
		return nil
	}) != nil {
		return false
	}
	if other := w.names("s1"); rare(other) > 0 {
		w.t.Errorf("another Service has %d statistics more, too", rare(other))
	}
	now, _ := w.Published()
	for ty, c := range snapshot.Diff(before, now) {
		if ty != snapshot.Cluster || !strings.Contains(c.Key, "/"+name+"/") {
			w.t.Errorf("%s %s has changed, too", ty, c.Key)
		}
	}
	w.t.Logf("%d statistics, %d of them of a kind that others have not", len(of), rare(of))
	return true
}

// names are the statistics of the cluster of a Service, without its name.
func (w *suite) names(service string) (list []string) {
	w.t.Helper()
	text, err := w.Envoy.Get(w.t.Context(), "/stats?filter=^cluster\\."+inprocess.Namespace+"/"+service+"/")
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "cluster."+inprocess.Namespace+"/"+service+"/80."), ": "); ok {
			list = append(list, name)
		}
	}
	return list
}

// rare counts the names that no cluster has unless it is asked to.
func rare(names []string) (n int) {
	known := map[string]bool{}
	for _, name := range bootstrap.ClusterStatistics() {
		known[name] = true
	}
	for _, name := range names {
		if !known[name] && strings.HasPrefix(name, "upstream_cx_") {
			n++
		}
	}
	return n
}
