// Package golden holds what translation made of many inputs at one moment, so
// that a change of the code's shape shows that it changed nothing else. It has a
// test only.
//
// Each line of a list is a hash of all resources (names, versions, Needs, Pulls,
// Placeholder, Checked, Empty, Linger, From) and Problems: after a step of a scenario of
// translator/testdata, or after all steps of a random world. Whoever means to
// change what is made runs with -update, and says in the commit what is different
// and why.
package golden

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"legation.dev/held"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

var (
	update = flag.Bool("update", false, "rewrite the lists, all worlds of them")
	count  = flag.Int("worlds", 1000, "how many random worlds to look at")
)

const (
	allWorlds = 10000
	steps     = 12 // changes of a world after its first objects
	scenarios = "../../translator/testdata"
)

// now is when Problems are asked for: the certificates of scenarios are valid.
var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// TestScenarios: after each step of each scenario.
func TestScenarios(t *testing.T) {
	base, err := os.ReadFile(filepath.Join(scenarios, "base.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(scenarios, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var lines []string
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := state{t: t}
		s.step(lower.Manifests("base.yaml", base))
		for _, f := range archive.Files {
			switch filepath.Ext(f.Name) {
			case ".yaml":
				s.step(lower.Manifests(f.Name, f.Data))
			case ".delete":
				s.step(worlds.Deletions(string(f.Data)))
			case ".guard":
				s.guard = true
				continue
			case ".at":
				at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(f.Data)))
				if err != nil {
					t.Fatal(err)
				}
				s.view = s.view.WithTime(at)
				s.step(nil)
			case ".wait":
				wait, err := time.ParseDuration(strings.TrimSpace(string(f.Data)))
				if err != nil {
					t.Fatal(err)
				}
				s.passed += wait
				s.step(nil)
			default:
				continue
			}
			lines = append(lines, filepath.Base(file)+" "+f.Name+" "+s.hash())
		}
	}
	compare(t, "scenarios.txt", lines, len(lines))
}

// TestWorlds: after all steps of random worlds. A line begins with a hash of
// what the world consists of: if that is another one, the generator has changed,
// and the list must be written anew by a commit that changes nothing else.
func TestWorlds(t *testing.T) {
	n := *count
	if *update {
		n = allWorlds
	}
	var lines []string
	for seed := range n {
		w := worlds.New(uint64(seed), worlds.Size{Services: 4, Endpoints: 2, Ingresses: 5, TLS: 0.5})
		s := state{t: t}
		of, all := sha256.New(), sha256.New()
		play := func(batch ...input.Change) {
			s.passed += input.KeepNames / 3
			for _, c := range batch {
				fmt.Fprintln(of, c.Ref, c.Deleted)
				if c.Object != nil {
					sum := c.Object.Sum()
					of.Write(sum[:])
				}
			}
			s.step(batch)
			s.write(all)
		}
		play(w.All()...)
		for range steps {
			play(w.Random())
		}
		lines = append(lines, fmt.Sprintf("%s %d %s", short(of), seed, short(all)))
	}
	compare(t, "worlds.txt", lines, n)
}

// compare holds lines against the first n of a list, or writes it.
func compare(t *testing.T, name string, lines []string, n int) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(want) < n {
		t.Fatalf("%s has %d lines, want %d", path, len(want), n)
	}
	wrong := 0
	for i, line := range lines {
		if line != want[i] {
			if wrong++; wrong <= 10 {
				t.Errorf("%s: want %q, got %q", path, want[i], line)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d are different", wrong, n)
	}
}

// state is the state between two steps.
type state struct {
	t      *testing.T
	view   input.View
	result translator.Result
	passed time.Duration // since now
	guard  bool          // hosts that are removed wait
}

func (s *state) step(batch []input.Change) {
	last, at := s.view, now.Add(s.passed)
	s.view = last.With(batch...).Freeze(last, held.Clock{Now: at}).Keep(last, held.Clock{Now: at})
	if s.guard {
		s.view = s.view.Guard(last, held.Clock{Now: at})
	}
	s.result = translator.Translate(s.result, s.view)
	for _, p := range s.result.Problems(now) {
		if p.Code.Row().Code == "" {
			s.t.Errorf("%v: code %q is not in the table of translator/finding", p, p.Code)
		}
	}
}

func (s *state) hash() string {
	h := sha256.New()
	s.write(h)
	return short(h)
}

func short(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:6]) }

// write writes all that a result holds, in order.
func (s *state) write(h hash.Hash) {
	for f := range s.result.Fleets() {
		fmt.Fprintln(h, "fleet", f.Name, f.Frozen)
		for t := range snapshot.Types() {
			for name, r := range f.Snapshot.Of(t).All() {
				from := make([]string, len(r.From))
				for i, one := range r.From {
					from[i] = fmt.Sprint(one)
				}
				fmt.Fprintln(h, t, name, r.Version, r.Needs, r.Pulls, r.Placeholder, r.Checked, r.Empty, r.Linger, from)
			}
		}
	}
	for _, p := range s.result.Problems(now) {
		fmt.Fprintln(h, p.Error())
	}
}
