//go:build real

package faults

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"legation.dev/test/envoy"
	"legation.dev/test/incluster"
)

// told is a version as `legation history -o json` prints it.
type told struct {
	Number, First string // of 64 bits
	Digest, Cause string
	Edits         []struct{ Object, Manager, Time string }
}

// legation asks the replica by a command, and reads its JSON.
func (w *suite) legation(to any, args ...string) {
	w.t.Helper()
	root, err := envoy.Root()
	if err != nil {
		w.t.Fatal(err)
	}
	c := exec.CommandContext(w.limited(), filepath.Join(root, "bin", "legation"), append(args, "--address", w.Replicas[0].Address, "-o", "json")...)
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, to)
	}
	if err != nil {
		w.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

func (w *suite) versions(args ...string) []told {
	w.t.Helper()
	var answer struct{ Versions []told }
	w.legation(&answer, append([]string{"history"}, args...)...)
	return answer.Versions
}

// changed are the virtual hosts that became different between two versions.
func (w *suite) changed(args ...string) (hosts []string, noted bool) {
	w.t.Helper()
	var answer struct {
		Noted   bool
		Changes []struct{ Kind, Type, Name string }
	}
	w.legation(&answer, append([]string{"diff"}, args...)...)
	for _, c := range answer.Changes {
		if c.Type == "VHDS" {
			hosts = append(hosts, c.Kind+" "+c.Name)
		}
	}
	return hosts, answer.Noted
}

// TestHistoryOverRestarts: Legation is stopped, an Ingress is made meanwhile, and the next process
// knows of the versions before it, of who made them, and of what was made while none ran;
// after a kill -9 as well.
func TestHistoryOverRestarts(t *testing.T) {
	w := newSuite(t, 4, grace, incluster.Options{Binary: true, State: true})
	w.addHosts("late", 1, 0)
	w.settle()
	before, r := w.versions(), w.Replicas[0]
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	w.addHosts("away", 1, 1)
	if err := r.Start(w.limited()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	after := w.versions()
	w.goesOn(before[:len(before)-1], after) // the last may be of endpoints alone, and of more now
	late := "Ingress " + w.namespace + "/late0.test"
	made := w.versions("--object", strings.Replace(strings.ToLower(late), " ", "/", 1))
	if len(made) != 1 || !slices.ContainsFunc(made[0].Edits, func(e struct{ Object, Manager, Time string }) bool {
		return e.Object == late && e.Manager == "test" && e.Time != ""
	}) {
		t.Fatalf("of %s is known %+v", late, made)
	}
	last := before[len(before)-1]
	hosts, noted := w.changed(last.Number, after[len(after)-1].Number)
	if want := []string{"added ingress/away0.test", "added ingress/away1.test"}; !noted || !slices.Equal(hosts, want) {
		t.Errorf("over the restart: %q, noted %t, want %q", hosts, noted, want)
	}
	first := before[slices.IndexFunc(before, func(v told) bool { return v.Number == made[0].Number })-1]
	if hosts, _ := w.changed(first.Number, after[len(after)-1].Number); !slices.Contains(hosts, "added ingress/late0.test") || !slices.Contains(hosts, "added ingress/away0.test") {
		t.Errorf("from version %s on: %q", first.Number, hosts)
	}
	w.killed(after)
}

// goesOn wants a history to have what an earlier process knew, in the same words.
func (w *suite) goesOn(before, after []told) {
	w.t.Helper()
	for i, v := range before {
		if i >= len(after) || fmt.Sprint(after[i]) != fmt.Sprint(v) {
			w.t.Fatalf("version %d of before is %+v; now there are %+v", i, v, after)
		}
	}
}

// killed kills the replica; what it had stored a while ago is there after that, and what is as it
// was is the same version.
func (w *suite) killed(known []told) {
	w.t.Helper()
	r := w.Replicas[0]
	w.await(func() error {
		n, err := r.Metric(w.ctx, "legation_state_history_bytes")
		if err != nil || n == 0 {
			return fmt.Errorf("nothing of the history is stored, %w", err)
		}
		return nil
	})
	if err := r.Kill(); err != nil {
		w.t.Fatal(err)
	}
	if err := r.Start(w.limited()); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	after := w.versions()
	w.goesOn(known[:len(known)-1], after)
	if a, b := known[len(known)-1], after[len(after)-1]; a.Digest != b.Digest {
		w.t.Errorf("nothing was changed, and version %s (%s) is %s (%s)", a.Number, a.Digest, b.Number, b.Digest)
	}
}
