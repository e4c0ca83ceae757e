package translator

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pmezard/go-difflib/difflib"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/held"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/policy"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

var update = flag.Bool("update", false, "rewrite the expected differences of the scenarios")

// TestScenarios plays testdata/*.txtar. A scenario begins with the objects of
// testdata/base.yaml. A file x.yaml is manifests that come or change, a file
// x.delete names objects that go, one on a line ("Service shop/web"), a file x.wait is a
// time that passes ("59s"). The file
// x.diff after it is what that changes: resources, and Problems that come ("!")
// or are solved ("."). A file x.at is the time from then on. A file x.show names types whose bodies are printed when
// they are new, besides virtual hosts and endpoints.
//
// Every step also shows that the incremental result is the full one, and that an Envoy takes
// what is new also where its node has no IPv6.
func TestScenarios(t *testing.T) {
	base, err := os.ReadFile(filepath.Join("testdata", "base.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			newScenario(t, base).play(archive)
			if *update && !t.Failed() {
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// scenario is the state between two steps.
type scenario struct {
	*testing.T
	now      time.Time
	view     input.View
	result   Result
	problems []string
	show     map[snapshot.Type]bool
	guard    bool
}

func newScenario(t *testing.T, base []byte) *scenario {
	s := &scenario{T: t, now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		show: map[snapshot.Type]bool{snapshot.VirtualHost: true, snapshot.Endpoints: true}}
	s.step(lower.Manifests("base.yaml", base))
	if len(s.problems) > 0 {
		t.Fatalf("base.yaml: %v", s.problems)
	}
	return s
}

// play plays all steps; with -update it replaces what they should do by what
// they do.
func (s *scenario) play(a *txtar.Archive) {
	var did string
	for i := range a.Files {
		f := &a.Files[i]
		switch filepath.Ext(f.Name) {
		case ".show":
			for _, name := range strings.Fields(string(f.Data)) {
				s.show[typeOf(s.T, name)] = true
			}
		case ".guard":
			s.guard = true
		case ".at":
			now, err := time.Parse(time.RFC3339, strings.TrimSpace(string(f.Data)))
			if err != nil {
				s.Fatal(err)
			}
			s.now = now
			did = s.step(nil)
		case ".yaml":
			did = s.step(lower.Manifests(f.Name, f.Data))
		case ".delete":
			did = s.step(worlds.Deletions(string(f.Data)))
		case ".wait":
			wait, err := time.ParseDuration(strings.TrimSpace(string(f.Data)))
			if err != nil {
				s.Fatal(err)
			}
			s.now = s.now.Add(wait)
			did = s.step(nil)
		case ".diff":
			if *update {
				f.Data = []byte(did)
			} else if string(f.Data) != did {
				s.Errorf("%s: run with -update and review the difference:\n%s", f.Name, difference(string(f.Data), did))
			}
		default:
			s.Fatalf("%s: want .yaml, .delete, .wait, .at, .guard, .show or .diff", f.Name)
		}
	}
}

func typeOf(t *testing.T, short string) snapshot.Type {
	t.Helper()
	for ty := range snapshot.Types() {
		if ty.String() == short {
			return ty
		}
	}
	t.Fatalf("no type %s", short)
	return 0
}

// step applies changes and says what they did.
func (s *scenario) step(batch []input.Change) string {
	s.Helper()
	before, last := s.result, s.view
	s.view = last.With(batch...).Freeze(last, held.Clock{Now: s.now}).Keep(last, held.Clock{Now: s.now}).WithTime(s.now)
	if s.guard {
		s.view = s.view.Guard(last, held.Clock{Now: s.now})
	}
	s.result = Translate(before, s.view)
	if full := Translate(Result{}, s.view); full.Digest() != s.result.Digest() {
		s.Errorf("after %v the incremental result is not the full one: %s", batch, firstDifference(s.result, full))
	}
	var b strings.Builder
	for f := range s.result.Fleets() {
		var old snapshot.Snapshot
		if was, ok := before.Fleet(f.Name); ok {
			old = was.Snapshot
		}
		checkClosed(s, f.Snapshot)
		s.writeChanges(&b, f.Name, old, f.Snapshot)
	}
	s.writeProblems(&b)
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

// baseClass is the class of base.yaml; resources of others are marked.
const baseClass = "edge"

func (s *scenario) writeChanges(b *strings.Builder, fleet string, old, now snapshot.Snapshot) {
	prefix := ""
	if fleet != baseClass {
		prefix = "fleet " + fleet + ": "
	}
	for ty, c := range snapshot.Diff(old, now) {
		if c.HasNew {
			checkNarrow(s.T, c.New)
		}
		switch {
		case !c.HadOld:
			fmt.Fprintf(b, "+ %s%s %s%s\n", prefix, ty, c.Key, marks(c.New))
			if s.show[ty] {
				writeLines(b, "    ", s.render(c.New))
			}
		case !c.HasNew:
			fmt.Fprintf(b, "- %s%s %s\n", prefix, ty, c.Key)
		default:
			fmt.Fprintf(b, "~ %s%s %s%s\n", prefix, ty, c.Key, marks(c.New))
			b.WriteString(lineDiff(s.render(c.Old), s.render(c.New)))
		}
	}
}

// marks are what of a resource stands beside its body.
func marks(r *snapshot.Resource) (text string) {
	if r.Placeholder {
		text += " placeholder"
	}
	if r.Checked {
		text += " checked"
	}
	if r.Type == snapshot.Cluster && r.Linger != policy.Defaults().DrainDuration {
		text += " lingers " + r.Linger.String()
	}
	return text
}

func writeLines(b *strings.Builder, prefix string, lines []string) {
	for _, l := range lines {
		b.WriteString(prefix + l + "\n")
	}
}

// render prints a resource: a line for each field, and for each element of a
// list.
func (s *scenario) render(r *snapshot.Resource) (lines []string) {
	s.Helper()
	m, err := r.View().UnmarshalNew()
	if err != nil {
		s.Fatal(err)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		s.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		s.Fatal(err)
	}
	for _, name := range sortedKeys(fields) {
		list, ok := fields[name].([]any)
		if !ok {
			lines = append(lines, name+": "+s.compact(fields[name]))
			continue
		}
		lines = append(lines, name+":")
		for _, one := range list {
			lines = append(lines, "- "+s.compact(one))
		}
	}
	return lines
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *scenario) compact(value any) string {
	text, err := json.Marshal(shortened(value)) // keys in order
	if err != nil {
		s.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "type.googleapis.com/envoy.", "")
}

// longest is how many bytes of a text are printed whole.
const longest = 200

// shortened is value with hashes for what stands in long texts: certificates.
func shortened(value any) any {
	switch v := value.(type) {
	case string:
		if len(v) > longest {
			return fmt.Sprintf("%d bytes, %x", len(v), sha256.Sum256([]byte(v)))[:longest/5]
		}
	case []any:
		for i := range v {
			v[i] = shortened(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = shortened(v[k])
		}
	}
	return value
}

// lineDiff is what differs between two renderings.
func lineDiff(a, b []string) string {
	var out strings.Builder
	for _, op := range difflib.NewMatcher(a, b).GetOpCodes() {
		if op.Tag != 'e' {
			writeLines(&out, "  - ", a[op.I1:op.I2])
			writeLines(&out, "  + ", b[op.J1:op.J2])
		}
	}
	return out.String()
}

func (s *scenario) writeProblems(b *strings.Builder) {
	var now []string
	for _, p := range s.result.Problems(s.now) {
		now = append(now, p.Error())
	}
	for _, p := range now {
		if !slices.Contains(s.problems, p) {
			fmt.Fprintf(b, "! %s\n", p)
		}
	}
	for _, p := range s.problems {
		if !slices.Contains(now, p) {
			fmt.Fprintf(b, ". %s\n", p)
		}
	}
	s.problems = now
}

// difference is what is wrong with an expectation.
func difference(want, got string) string {
	return lineDiff(strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n"))
}
