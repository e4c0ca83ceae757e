//go:build real

package churn

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
)

// TestMoves: paths move between Services, fifty hosts at a time, and the old
// Services are deleted at once. No request fails, and Envoy is never without a
// cluster, a route or an endpoint for one.
func TestMoves(t *testing.T) {
	const hosts = 50
	accessLog := filepath.Join(t.TempDir(), "access.log")
	w := newSuite(t, hosts, inprocess.Options{Settings: map[string]string{"access-log": accessLog, "drain-duration": "5s"}})
	l, end := w.load(w.clients(25*time.Millisecond, 60, 10, 10)...)
	begin := time.Now()
	var acked []moved
	for made := 0; made < *moves; made += hosts {
		acked = append(w.over(acked), w.moveAll())
		w.more(l, 10*hosts)
	}
	t.Logf("%d moves in %s", *moves, time.Since(begin).Round(time.Millisecond))
	w.removed(uint64(*moves)) // much later than what workers need
	if rest := w.over(acked); len(rest) > 0 {
		t.Errorf("all clusters are gone, and workers have not followed %d moves", len(rest))
	}
	w.more(l, 10*hosts)
	end()
	w.noneRejected()
	if err := w.Envoy.Stop(); err != nil { // writes the rest of the log
		t.Fatal(err)
	}
	noGaps(t, accessLog)
}

// removed waits until Envoy has removed so many clusters.
func (w *suite) removed(clusters uint64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, hang)
	defer cancel()
	err := w.Envoy.WaitStat(ctx, "cluster_manager.cluster_removed", envoy.AtLeast(clusters))
	if err != nil {
		w.t.Fatal(err)
	}
}

// moved is a move of some paths that Envoy has acknowledged.
type moved struct {
	then  workers
	old   []claim  // of the old Services
	kills []func() // of their pods
}

// over ends the pods of the moves that Envoy's workers have followed, whose
// old answers are wrong from then on, and returns the other moves.
func (w *suite) over(list []moved) (rest []moved) {
	for _, m := range list {
		if !w.followed(m.then) {
			rest = append(rest, m)
			continue
		}
		for _, c := range m.old {
			w.timeline.Forbid(c.host, c.path, c.answer)
		}
		for _, kill := range m.kills {
			kill()
		}
	}
	return rest
}

// moveAll moves one path of each host and deletes what it led to.
func (w *suite) moveAll() (m moved) {
	w.t.Helper()
	var objects, gone []fixture.Object
	for _, h := range w.hosts {
		path := paths[w.rng.IntN(len(paths))]
		m.old = append(m.old, claim{h.name, path, answerOf(h.services[path])})
		old, kill := w.backends.Remove(h.services[path])
		gone, m.kills = append(gone, old...), append(m.kills, kill)
		h.services[path] = w.service(&objects)
		w.timeline.Allow(h.name, path, answerOf(h.services[path]))
		objects = append(objects, w.ingress(h))
	}
	if w.rng.IntN(2) == 0 {
		w.Delete(gone...)
		w.Apply(objects...)
	} else {
		w.Apply(objects...)
		w.Delete(gone...)
	}
	w.settle()
	m.then = w.acknowledged()
	return m
}

// noGaps fails the test if Envoy had no cluster (NC), route (NR) or endpoint
// (UH) for a request.
func noGaps(t *testing.T, accessLog string) {
	t.Helper()
	file, err := os.Open(accessLog)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, flags := 0, map[string]int{}
	for scan := bufio.NewScanner(file); scan.Scan(); {
		var line struct{ Flags string }
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil || line.Flags == "" {
			t.Fatalf("not a line of the access log (%v): %q", err, scan.Text())
		}
		lines++
		flags[line.Flags]++
		for _, gap := range strings.Split(line.Flags, ",") {
			if gap == "NC" || gap == "NR" || gap == "UH" {
				t.Errorf("%s: %s", gap, scan.Text())
			}
		}
	}
	t.Logf("%d lines in the access log, by flags %v", lines, flags)
	if lines == 0 {
		t.Error("the access log is empty")
	}
}
