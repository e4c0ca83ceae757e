package state

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/history"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// process is the part of one that publishes and keeps a history. The zero config is that of a
// folder of its own.
type process struct {
	*Folder
	store *store.Store
	snap  snapshot.Snapshot
}

// fullInTests is how many bytes a file may grow.
const fullInTests = 8 << 10

func newProcess(t testing.TB, c Config) *process {
	t.Helper()
	if c.Path == "" {
		c.Path = t.TempDir()
	}
	c.Book = history.New(history.Config{})
	p := &process{Folder: folder(t, c)}
	p.LoadHistory()
	p.past.full = fullInTests
	p.store = store.New(store.Config{Past: c.Book.Past()})
	t.Cleanup(p.end)
	return p
}

// end gives the history free, as the end of a process does.
func (p *process) end() {
	if p.past != nil && p.past.lock != nil {
		_ = p.past.lock.Close()
		p.past.lock = nil
	}
}

// next is the process after p.
func (p *process) next(t testing.TB) *process {
	t.Helper()
	p.end()
	return newProcess(t, Config{Path: p.config.Path, Source: p.config.Source, Log: p.config.Log})
}

func (p *process) publish(s snapshot.Snapshot, cause string, edits ...snapshot.Edit) {
	p.snap = s
	if v, isNew := p.store.Publish("edge", s, cause, edits...); isNew {
		p.config.Book.Offer("edge", v)
	}
}

// host publishes a version in which a host has another value.
func (p *process) host(name, value string) {
	of := object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: name}
	r := snapshot.FromBytes(snapshot.VirtualHost, name, value, []byte(value), snapshot.Meta{From: []object.Ref{of}})
	p.publish(p.snap.With(snapshot.VirtualHost, p.snap.Of(snapshot.VirtualHost).Set(name, r)), of.String(), snapshot.Edit{Object: of, Manager: "kubectl-edit"})
}

// entries are the versions that are known, as in "1 2 3".
func (p *process) entries() string {
	var list []string
	for e := range p.config.Book.Entries("edge", func(history.Entry) bool { return false }) {
		list = append(list, fmt.Sprint(e.Number))
	}
	return strings.Join(list, " ")
}

func (p *process) diff(from, to uint64) string {
	_, _, changes, err := p.config.Book.Diff("edge", from, to)
	if err != nil {
		return err.Error()
	}
	list := []string{}
	for _, c := range changes {
		list = append(list, fmt.Sprintf("%s %s", c.Kind, c.Name))
	}
	return strings.Join(list, ", ")
}

// files are those of the history, with their sizes.
func (p *process) files(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	list, err := os.ReadDir(p.past.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if files[e.Name()], err = os.ReadFile(filepath.Join(p.past.path, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestHistoryGoesOn: another process has what was published before, with its causes, numbers
// go on, and what was changed while none ran is known.
func TestHistoryGoesOn(t *testing.T) {
	p := newProcess(t, Config{})
	p.host("a", "1")
	p.host("b", "1")
	p.writeHistory(0)
	p.host("a", "2")
	p.writeHistory(0)
	p = p.next(t)
	p.publish(snapshot.Snapshot{}, "start")
	p.host("c", "1")
	p.writeHistory(0)
	if got, want := p.entries(), "1 2 3 4 5"; got != want {
		t.Errorf("got versions %s, want %s", got, want)
	}
	for what, want := range map[[2]uint64]string{{1, 3}: "changed a, added b", {3, 4}: "removed a, removed b", {2, 5}: "removed a, removed b, added c"} {
		if got := p.diff(what[0], what[1]); got != want {
			t.Errorf("%v: %q, want %q", what, got, want)
		}
	}
	for e := range p.config.Book.Entries("edge", func(history.Entry) bool { return false }) {
		if e.Number == 3 && (e.Cause != "Ingress shop/a" || len(e.Edits) != 1 || e.Edits[0].Manager != "kubectl-edit") {
			t.Errorf("of version 3 is known: %+v", e)
		}
	}
	if n := len(p.files(t)); n != 1 {
		t.Errorf("%d files for five versions", n)
	}
}

// fill publishes until there are so many files.
func (p *process) fill(t testing.TB, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; len(p.files(t)) < n; i++ {
		name := make([]byte, 1000) // of names that cannot be packed
		for j := range name {
			name[j] = byte('a' + rng.IntN(26))
		}
		for k := range 20 {
			p.host(fmt.Sprint("host", k), fmt.Sprint(i)+string(name[20*k:20*k+20]))
		}
		p.writeHistory(0)
		if i > 10_000 {
			t.Fatal("the files do not get full")
		}
	}
}

// TestHistoryFiles: a full file is followed by another one, and all are read when somebody asks;
// the oldest go when there is too much.
func TestHistoryFiles(t *testing.T) {
	p := newProcess(t, Config{})
	p.fill(t, 4)
	last, _ := p.store.Watch("edge")
	p = p.next(t)
	all := strings.Fields(p.entries())
	if all[0] != "1" || all[len(all)-1] != fmt.Sprint(last.Number) || len(all) != int(last.Number) {
		t.Errorf("%d versions of %d are read, from %s on", len(all), last.Number, all[0])
	}
	if got := p.diff(1, last.Number); !strings.HasPrefix(got, "changed host0, added host1,") {
		t.Errorf("over all files: %q", got)
	}
	p.config.HistoryBytes = 3 * fullInTests
	p.past.f = p.Folder
	p.publish(snapshot.Snapshot{}, "start")
	p.writeHistory(0)
	if n := len(p.files(t)); n > 3 || p.Stats().History > 3*fullInTests {
		t.Errorf("%d files with %d bytes are left of %d", n, p.Stats().History, 3*fullInTests)
	}
	if got := p.diff(1, last.Number); !strings.HasPrefix(got, "versions 2 to ") {
		t.Errorf("of what is deleted: %q", got)
	}
}

// TestHistoryAside: a file of the history that is damaged, cut short, of another version or of
// another source is put aside, and neither served nor in the way of a start.
func TestHistoryAside(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"empty":             func([]byte) []byte { return nil },
		"half":              func(b []byte) []byte { return b[:len(b)/2] },
		"a byte less":       func(b []byte) []byte { return b[:len(b)-1] },
		"a byte more":       func(b []byte) []byte { return append(b, 0) },
		"a bit":             func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"of something else": func([]byte) []byte { return []byte("apiVersion: v1\n") },
		"of no version": func([]byte) []byte {
			return pack([]byte(`{"schema":"history 1","source":"a test","read":"2026-01-01T00:00:00Z"}` + "\n" + `{"fleet":"edge"}` + "\n"))
		},
		"with a field that nobody knows": func([]byte) []byte {
			return pack([]byte(`{"schema":"history 1","source":"a test","read":"2026-01-01T00:00:00Z"}` + "\n" + `{"fleet":"edge","first":1,"number":1,"x":1}` + "\n"))
		},
		"of another source": func([]byte) []byte {
			return pack([]byte(`{"schema":"history 1","source":"another","read":"2026-01-01T00:00:00Z"}` + "\n"))
		},
		"of another version": func([]byte) []byte {
			return pack([]byte(`{"schema":"history 0","source":"a test","read":"2026-01-01T00:00:00Z"}` + "\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t, Config{})
			p.fill(t, 3)
			newest, older := p.past.file(3), p.past.file(2)
			for _, path := range []string{newest, older} {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, damage(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p = p.next(t)
			if _, err := os.Stat(newest + aside); err != nil || p.Stats().Aside != 2 {
				t.Errorf("%v, %+v", err, p.Stats())
			}
			before := strings.Fields(p.entries())
			p.host("new", "1")
			p.writeHistory(0)
			p = p.next(t)
			if all := strings.Fields(p.entries()); len(before) == 0 || len(all) != len(before)+1 || p.Stats().Aside != 0 {
				t.Errorf("after %d versions, %d: %+v", len(before), len(all), p.Stats())
			}
			if got := p.diff(uint64(len(before)), uint64(len(before)+1)); !strings.HasPrefix(got, "it is not known") {
				t.Errorf("over what is missing: %q", got)
			}
		})
	}
	t.Run("an older one", func(t *testing.T) {
		p := newProcess(t, Config{})
		p.fill(t, 4)
		last, _ := p.store.Watch("edge")
		if err := os.WriteFile(p.past.file(2), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		p = p.next(t)
		if got := p.diff(1, last.Number); !strings.HasPrefix(got, "versions ") || p.Stats().Aside != 1 {
			t.Errorf("%q, %+v", got, p.Stats())
		}
	})
}

// TestFailingHistory: after each of 1,000 writings that fail somewhere the file is as it was, to
// the byte; and what is written after it has all, with what could not be written before.
func TestFailingHistory(t *testing.T) {
	const failures = 1000
	p := newProcess(t, Config{})
	p.host("a", "0")
	p.writeHistory(0)
	rng, last := rand.New(rand.NewPCG(1, 2)), p.files(t)
	for n, written := 1, 0; p.Stats().Failures < failures; n++ {
		before := p.Stats().Failures
		p.host(fmt.Sprint("host", rng.IntN(10)), fmt.Sprint(n))
		left := rng.IntN(len(p.past.body) + len(p.past.body)/20)
		p.wrap = func(w io.Writer) io.Writer { return failing{w, &left} }
		p.writeHistory(0)
		now := p.files(t)
		if failed, why := p.Stats().Failures > before, p.Stats().Forgotten; failed != (why != nil) {
			t.Fatalf("failed: %t, and it says %v", failed, why)
		}
		if p.Stats().Failures == before {
			written++
			if written%10 == 0 { // another process reads it
				p = p.next(t)
				p.publish(snapshot.Snapshot{}, "start")
				if got := strings.Fields(p.entries()); got[0] != "1" || p.diff(1, uint64(len(got))) == "" {
					t.Fatalf("after %d failures: %v", before, got)
				}
				p.f(t)
				p.mu.Lock()
				p.stats.Failures = before
				p.mu.Unlock()
			}
			last = p.files(t)
			continue
		}
		for name, text := range last {
			if !bytes.Equal(now[name], text) {
				t.Fatalf("failure %d has left something else in %s", before, name)
			}
		}
		last = now
	}
	p.wrap = func(w io.Writer) io.Writer { return w }
	p.writeHistory(0)
	newest, _ := p.store.Watch("edge")
	p = p.next(t)
	if got := strings.Fields(p.entries()); len(got) != int(newest.Number) || p.Stats().Aside > 0 {
		t.Errorf("%d versions are read of %d", len(got), newest.Number)
	}
	for name := range p.files(t) {
		if strings.HasPrefix(name, ".") {
			t.Errorf("%s is left", name)
		}
	}
}

// f writes what is new, which must work.
func (p *process) f(t *testing.T) {
	t.Helper()
	before := p.Stats().Failures
	if p.writeHistory(0); p.Stats().Failures != before {
		t.Fatal("it cannot be written")
	}
}

// TestHistoryShared: two processes with one folder have a history each, and a third goes on
// with that of the one that ended.
func TestHistoryShared(t *testing.T) {
	a := newProcess(t, Config{})
	b := newProcess(t, Config{Path: a.config.Path})
	a.host("a", "1")
	b.host("b", "1")
	b.host("b", "2")
	a.writeHistory(0)
	b.writeHistory(0)
	if a.past.path == b.past.path || a.entries() != "1" || b.entries() != "1 2" {
		t.Errorf("%s has %s, %s has %s", a.past.path, a.entries(), b.past.path, b.entries())
	}
	if c := b.next(t); c.past.path != b.past.path || c.entries() != "1 2" {
		t.Errorf("after %s, %s has %s", b.past.path, c.past.path, c.entries())
	}
}

// TestHistoryHasNoSecrets: no key, no certificate and no line of passwords is in the history, and
// no number follows from these but the digest.
func TestHistoryHasNoSecrets(t *testing.T) {
	const line = "alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
	const closed = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: closed, namespace: shop, annotations: {legation.dev/auth-type: basic, legation.dev/auth-secret: users}}
spec:
  rules: [{host: closed.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: legation.dev/ingress-controller}
`
	v := view(1, 20).With(lower.Manifests("closed.yaml", []byte(closed))...)
	var versions []string // of what has passwords or keys
	p := newProcess(t, Config{})
	var result translator.Result
	for i := range 3 {
		v = v.With(lower.Put(input.Seal(&input.Secret{Meta: input.Meta{Namespace: "shop", Name: "users"}, Passwords: fmt.Appendf(nil, "%s%d\n", line[:len(line)-1], i)})))
		result = translator.Translate(result, v)
		for f := range result.Fleets() {
			if f.Name == "edge" {
				p.publish(f.Snapshot, "passwords")
			}
		}
		p.writeHistory(0)
	}
	if p.entries() != "1 2 3" || p.diff(1, 3) != "changed ingress/closed.test" {
		t.Fatalf("the passwords change nothing: %s, %s", p.entries(), p.diff(1, 3))
	}
	for name, r := range p.snap.Of(snapshot.Secret).All() {
		if !strings.HasSuffix(name, "/ca") { // whom a server shows to everybody
			versions = append(versions, r.Version)
		}
	}
	host, _ := p.snap.Of(snapshot.VirtualHost).Get("ingress/closed.test")
	versions = append(versions, host.Version)
	if !bytes.Contains(host.Body(), []byte(line[6:40])) {
		t.Fatal("the host has no passwords")
	}
	all := readable(t, p.config.Path)
	if !bytes.Contains(all, []byte("closed.test")) {
		t.Fatal("the history is not read")
	}
	for _, version := range slices.DeleteFunc(versions, func(v string) bool { return v == snapshot.StandInVersion }) {
		if bytes.Contains(all, []byte(version)) {
			t.Errorf("the history has a hash of what is secret: %s", version)
		}
	}
	search(t, p.config.Path, []byte(line[:len(line)-1]))
	search(t, p.config.Path, []byte(line[6:len(line)-1]))
	for _, s := range v.Secrets().All() {
		for _, secret := range [][]byte{s.Certificate, s.Key, s.Passwords, s.Named, s.Authorities, s.Revoked} {
			search(t, p.config.Path, secret)
		}
	}
}

// TestHistoryPace: what changes all the time is written once a second at most, and all of it at
// the end.
func TestHistoryPace(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var last io.Writer
		writes := 0
		p := newProcess(t, Config{Path: path})
		p.wrap = func(w io.Writer) io.Writer { // is called for each part of a file
			if w != last {
				writes, last = writes+1, w
			}
			return w
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Run(ctx); close(done) }()
		for i := range 1000 {
			p.host("a", fmt.Sprint(i))
			time.Sleep(10 * time.Millisecond) // of the virtual clock
		}
		time.Sleep(time.Minute)
		cancel()
		<-done
		if writes < 5 || writes > 11 {
			t.Errorf("%d writings in 10 s", writes)
		}
		if got := strings.Fields(p.next(t).entries()); len(got) != 1000 {
			t.Errorf("%d versions of 1000 are there", len(got))
		}
	})
}

// FuzzHistory: whatever is in a file of the history, a start ends, and what was read can be
// written and is read alike.
func FuzzHistory(f *testing.F) {
	head := `{"schema":"history 1","source":"a test","read":"2026-01-01T00:00:00Z"}` + "\n"
	p := newProcess(f, Config{})
	p.host("a", "1")
	p.host("a", "2")
	p.writeHistory(0)
	whole := p.files(f)["00000001"]
	body, err := checked(whole)
	if err != nil {
		f.Fatal(err)
	}
	_, lines, _ := bytes.Cut(unpack(body), []byte("\n"))
	f.Add(whole, false)
	f.Add(lines, true)
	f.Add([]byte(`{"fleet":"edge","first":1,"number":9,"changes":[{"kind":"added","type":"chain","name":"x"}]}`), true)
	f.Add([]byte(`{"fleet":"edge","first":1,"number":1,"state":true,"outline":{"LDS https":"a","chain https/a":"b"}}`), true)
	f.Fuzz(func(t *testing.T, text []byte, packed bool) {
		if packed {
			text = pack(append([]byte(head), text...))
		}
		path := t.TempDir()
		if err := os.MkdirAll(filepath.Join(path, "history-0"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "history-0", "00000001"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		p := newProcess(t, Config{Path: path})
		p.host("new", "1")
		p.writeHistory(0)
		after := p.entries()
		if got := p.next(t).entries(); got != after {
			t.Errorf("%s is read as %s", after, got)
		}
	})
}

// kills is how often a process that writes is killed.
var kills = flag.Int("kills", 5, "how often a process that writes a state folder is killed")

// writerFolder is the variable that makes this program a process that writes.
const writerFolder = "LEGATION_TEST_STATE_WRITER"

// TestKill: a process that publishes and writes all the time is killed at any moment: the next
// one opens the View and the history with what was written last, or before it.
func TestKill(t *testing.T) {
	if path := os.Getenv(writerFolder); path != "" {
		writeForever(t, path)
	}
	path, rng := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	last := uint64(0)
	for i := range *kills {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
		c.Env = append(os.Environ(), writerFolder+"="+path)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		written := make([]byte, 1+rng.IntN(40)) // a byte for each writing that begins
		if _, err := io.ReadFull(out, written); err != nil {
			t.Fatalf("kill %d: the process ended by itself: %v", i, err)
		}
		if err := c.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // it was killed
		p := newProcess(t, Config{Path: path})
		v := p.Load()
		if v.Stored().IsZero() || v.Ingresses().Len() == 0 || p.Stats().Aside > 0 {
			t.Fatalf("kill %d: the View has %d Ingresses; %+v", i, v.Ingresses().Len(), p.Stats())
		}
		versions := uint64(0)
		for e := range p.config.Book.Entries("edge", func(history.Entry) bool { return false }) {
			if e.First != versions+1 { // an entry may be of several
				t.Fatalf("kill %d: after version %d comes %d", i, versions, e.First)
			}
			versions = e.Number
		}
		if versions < last {
			t.Fatalf("kill %d: %d versions are there, %d were before", i, versions, last)
		}
		last = versions
		p.end()
	}
	if last < uint64(*kills) {
		t.Errorf("%d kills have left %d versions", *kills, last)
	}
}

// writeForever publishes and writes until it is killed.
func writeForever(t *testing.T, path string) {
	p := newProcess(t, Config{Path: path})
	p.wrap = func(w io.Writer) io.Writer {
		fmt.Print(".") // so that it is killed while it writes
		return w
	}
	p.Load()
	for i := uint64(0); ; i++ {
		p.host(fmt.Sprint("host", i%100), fmt.Sprint(os.Getpid(), i))
		if _, err := p.Folder.store(view(i%7, 10), time.Now(), 0); err != nil {
			t.Fatal(err)
		}
		p.writeHistory(0)
	}
}

// BenchmarkOpen is what the start of a process takes that finds a View and a history of 10,000
// Ingresses. The target is 2 s.
func BenchmarkOpen(b *testing.B) {
	const n = 10_000
	w := worlds.New(1, worlds.Size{Services: n, Endpoints: 2, Ingresses: n, TLS: 0.5})
	v := input.View{}.With(w.All()...)
	result := translator.Translate(translator.Result{}, v)
	p := newProcess(b, Config{})
	if _, err := p.Folder.store(v, time.Now(), 0); err != nil {
		b.Fatal(err)
	}
	took := []time.Duration{}
	for range 1000 {
		for f := range result.Fleets() {
			p.publish(f.Snapshot, "a change")
			break
		}
		begin := time.Now()
		p.writeHistory(0)
		took = append(took, time.Since(begin))
		v = v.With(w.Random())
		result = translator.Translate(result, v)
	}
	var bytes int
	for _, text := range p.files(b) {
		bytes += len(text)
	}
	for b.Loop() {
		if p = p.next(b); p.Load().Ingresses().Len() != v.Ingresses().Len() && p.Load().Ingresses().Len() < n/2 {
			b.Fatal("it does not open")
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(bytes), "history-bytes")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "write-µs")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "write-max-µs")
}
