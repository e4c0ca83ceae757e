package state

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/test/clock"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
)

// newKey is a key in a file of its own.
func newKey(t *testing.T) *Key {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("# a comment\n"+identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ReadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// folder is a Folder of a test.
func folder(t testing.TB, c Config) *Folder {
	t.Helper()
	if c.Path == "" {
		c.Path = t.TempDir()
	}
	if c.Source == "" {
		c.Source = "a test"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	f, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// saved writes a View and reads it again, as another process does.
func saved(t *testing.T, f *Folder, v input.View) input.View {
	t.Helper()
	if _, err := f.store(v, time.Now(), 0); err != nil {
		t.Fatal(err)
	}
	return folder(t, f.config).Load()
}

// again is a View that was written and read, without a disk.
func again(t *testing.T, v input.View) (got input.View) {
	t.Helper()
	h := header{Schema: input.EntrySchema(), Source: "s", Read: time.Unix(1_700_000_000, 0)}
	for i, entries := range []iter.Seq[input.Entry]{v.Entries(), v.SecretEntries()} {
		text, err := encode(h, entries, plain)
		if err != nil {
			t.Fatal(err)
		}
		_, list, err := decode(text, h.Source, unsealed)
		if err != nil {
			t.Fatal(err)
		}
		part, err := lower.Stored(list)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			got = part.WithStored(h.Read)
		} else {
			got = withSecrets(got, part)
		}
	}
	return got
}

// view is that of a World.
func view(seed uint64, n int) input.View {
	return input.View{}.With(worlds.New(seed, worlds.Size{Services: n, Endpoints: 2, Ingresses: n, TLS: 0.5}).All()...)
}

// settled is a View whose changed settings all go on to be held.
func settled(v input.View) input.View {
	closes := map[string]held.Closes{}
	for _, class := range v.Unweighed() {
		closes[class] = held.Closes{{Name: "http"}, {Name: "https", Chains: 2}}
	}
	return v.Weighed(closes)
}

// TestWalk: at any step of random histories, frozen classes and kept names among them, what
// is read is what was written, and is translated to equal bytes. A process that begins with
// it and reads its source comes to what one has that ran all the time, also if the last
// change was not written.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := worlds.New(rapid.Uint64().Draw(r, "seed"), worlds.Size{Services: 4, Endpoints: 2, Ingresses: 5, TLS: 0.5, Traced: true})
		now, cluster := time.Now(), map[object.Ref]input.Change{} // what the source has
		steps := func(v input.View, n int) input.View {
			for range n {
				c := w.Random()
				if cluster[c.Ref] = c; c.Deleted {
					delete(cluster, c.Ref)
				}
				v = settled(v.With(c).HoldSettings(v, held.Clock{Now: now})).Freeze(v, held.Clock{Now: now}).Keep(v, held.Clock{Now: now})
			}
			return v
		}
		v := input.View{}
		for _, c := range w.All() {
			cluster[c.Ref] = c
			v = v.With(c)
		}
		for range rapid.IntRange(0, 60).Draw(r, "steps") {
			v = steps(v, 1)
			now = now.Add(input.KeepNames / 10)
		}
		last := again(t, v)
		if last.Stored().IsZero() || last.Digest() != v.Digest() {
			r.Fatalf("what is read is not what was written: %d of %d Ingresses", last.Ingresses().Len(), v.Ingresses().Len())
		}
		if a, b := translator.Translate(translator.Result{}, v), translator.Translate(translator.Result{}, last); a.Digest() != b.Digest() {
			r.Fatal("it is translated to something else")
		}
		v = steps(v, rapid.IntRange(0, 1).Draw(r, "lost")).Keep(v, held.Clock{Now: now})
		first := slices.Collect(maps.Values(cluster))
		if got := settled(last.Continue(first).HoldSettings(last, held.Clock{Now: now})).Freeze(last, held.Clock{Now: now}).Keep(last, held.Clock{Now: now}); got.Digest() != v.Digest() {
			r.Fatal("after the first reading it is not what a process has that ran all the time")
		}
	})
}

// TestNoSecrets: nothing of Secrets is in the folder without a key, and nothing that can be
// read with one.
func TestNoSecrets(t *testing.T) {
	const line = "alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
	v := view(1, 4).With(lower.Put(input.Seal(&input.Secret{Meta: input.Meta{Namespace: "shop", Name: "passwords"},
		Passwords: []byte(line + "\n"), Named: []byte(line + "\n"), Authorities: []byte("an authority"), Revoked: []byte("a list")})))
	for _, key := range []*Key{nil, newKey(t)} {
		f := folder(t, Config{Key: key})
		got := saved(t, f, v)
		if want := v.Secrets().Len(); (key != nil) != (got.Secrets().Len() == want) || key == nil && got.Secrets().Len() > 0 {
			t.Errorf("with a key: %t; %d Secrets of %d come back", key != nil, got.Secrets().Len(), want)
		}
		for _, s := range v.Secrets().All() {
			for _, secret := range [][]byte{s.Certificate, s.Key, s.Passwords, s.Named, s.Authorities, s.Revoked} {
				search(t, f.config.Path, secret)
			}
		}
	}
}

// search wants none of the lines of a secret in any file of a folder, packed or not.
func search(t *testing.T, path string, secret []byte) {
	t.Helper()
	all := readable(t, path)
	for _, text := range []string{string(secret), base64.StdEncoding.EncodeToString(secret)} {
		for _, line := range strings.Split(text, "\n") {
			if len(line) > 8 && bytes.Contains(all, []byte(line[:min(len(line), 40)])) {
				t.Fatalf("the folder has %.20q...", line)
			}
		}
	}
}

// readable is all that the files of a folder say, unpacked where they are packed.
func readable(t *testing.T, path string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, text...)
		if body, err := checked(text); err == nil {
			all = append(all, unpack(body)...)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d bytes, %v", len(all), err)
	}
	return all
}

// unpack is what gzip has packed, as far as it is that.
func unpack(body []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(r)
	return text
}

// pack is a file of these lines.
func pack(text []byte) []byte {
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return summed(body.Bytes())
}

// failing is a disk that fails after so many bytes: with an error, and part of the bytes
// written.
type failing struct {
	w    io.Writer
	left *int
}

var errFull = errors.New("no space left on device")

func (f failing) Write(b []byte) (int, error) {
	if len(b) <= *f.left {
		*f.left -= len(b)
		return f.w.Write(b)
	}
	n, err := f.w.Write(b[:*f.left])
	*f.left = 0
	return n, errors.Join(err, errFull)
}

// TestFailingDisk: after each of 1,000 writings that fail somewhere, the folder has what was
// written last, to the byte, and that opens.
func TestFailingDisk(t *testing.T) {
	const failures = 1000
	f := folder(t, Config{})
	rng := rand.New(rand.NewPCG(1, 2))
	views, sizes := []input.View{view(1, 3), view(2, 20), view(3, 150)}, []int{}
	for _, v := range views {
		saved(t, f, v)
		sizes = append(sizes, len(contents(t, f)))
	}
	last, failed, written := contents(t, f), 0, 0
	for failed < failures {
		i := rng.IntN(len(views))
		v, left := views[i], rng.IntN(sizes[i]+sizes[i]/20) // about one in 20 succeeds
		f.wrap = func(w io.Writer) io.Writer { return failing{w, &left} }
		_, err := f.store(v, time.Unix(int64(failed+written), 0), 0)
		now := contents(t, f)
		switch {
		case err == nil:
			written++
			if got := f.Load(); got.Ingresses().Digest() != v.Ingresses().Digest() {
				t.Fatalf("after %d failures, what was written does not open", failed)
			}
		case !errors.Is(err, errFull):
			t.Fatal(err)
		default:
			failed++
			if !bytes.Equal(now, last) {
				t.Fatalf("a writing that failed has left something else: failure %d", failed)
			}
		}
		last = now
	}
	list, err := os.ReadDir(f.config.Path)
	if err != nil || len(list) != 1 || f.Stats().Aside > 0 || written == 0 {
		t.Errorf("%d written; left in the folder: %v, %v, %+v", written, list, err, f.Stats())
	}
}

// contents is the file of a folder.
func contents(t *testing.T, f *Folder) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.config.Path, viewFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAside: a file that is damaged, cut short, of another version or of another source is
// put aside, and nothing of it is used.
func TestAside(t *testing.T) {
	v := view(1, 4)
	good := func(t *testing.T) (*Folder, string, []byte) {
		f := folder(t, Config{})
		saved(t, f, v)
		path := filepath.Join(f.config.Path, viewFile)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return f, path, text
	}
	head := func(text []byte) int { return bytes.IndexByte(text, '\n') + 1 }
	for name, damage := range map[string]func([]byte) []byte{
		"empty":             func([]byte) []byte { return nil },
		"head only":         func(b []byte) []byte { return b[:head(b)] },
		"half":              func(b []byte) []byte { return b[:len(b)/2] },
		"a byte less":       func(b []byte) []byte { return b[:len(b)-1] },
		"a byte more":       func(b []byte) []byte { return append(b, 0) },
		"a bit":             func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"another format":    func(b []byte) []byte { return bytes.Replace(b, []byte(magic+" 1 "), []byte(magic+" 2 "), 1) },
		"of something else": func([]byte) []byte { return []byte("apiVersion: v1\n") },
	} {
		t.Run(name, func(t *testing.T) {
			f, path, text := good(t)
			if err := os.WriteFile(path, damage(text), 0o600); err != nil {
				t.Fatal(err)
			}
			wantAside(t, f, path)
		})
	}
	t.Run("another source", func(t *testing.T) {
		f, path, _ := good(t)
		f.config.Source = "another"
		wantAside(t, f, path)
	})
	t.Run("another key", func(t *testing.T) {
		f := folder(t, Config{Key: newKey(t)})
		saved(t, f, v)
		f.config.Key = newKey(t)
		if got := f.Load(); got.Stored().IsZero() || got.Secrets().Len() > 0 || f.Stats().Aside != 1 {
			t.Errorf("%d Secrets, %+v", got.Secrets().Len(), f.Stats())
		}
	})
}

func wantAside(t *testing.T, f *Folder, path string) {
	t.Helper()
	if got := f.Load(); !got.Stored().IsZero() || f.Stats().Aside != 1 {
		t.Errorf("it is used: %d Ingresses; %+v", got.Ingresses().Len(), f.Stats())
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := os.Stat(path + aside); err != nil {
		t.Error(err)
	}
	if _, err := f.store(view(1, 4), time.Now(), 0); err != nil || f.Load().Stored().IsZero() {
		t.Errorf("the next writing: %v", err)
	}
}

// TestSchema: what another version has written is not used, even if it only lacks a field.
func TestSchema(t *testing.T) {
	f := folder(t, Config{})
	text, err := encode(header{Schema: "of another version", Source: f.config.Source}, view(1, 1).Entries(), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := decode(text, f.config.Source, unsealed); !errors.Is(err, errVersion) {
		t.Errorf("got %v", err)
	}
}

// TestPace: what changes all the time is written once a second at most, what does not change
// every five minutes while it is followed, and the last at the end. Its age is when it was
// last known to be right.
func TestPace(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var followed atomic.Bool
		var writes atomic.Int32
		followed.Store(true)
		f := folder(t, Config{Path: path, Followed: followed.Load})
		f.wrap = func(w io.Writer) io.Writer { writes.Add(1); return w } // one for each file of this size
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		step := func(d time.Duration, what string, want int32) {
			t.Helper()
			time.Sleep(d) // of the virtual clock
			synctest.Wait()
			if n := writes.Load(); n != want {
				t.Errorf("%s: %d writings, want %d", what, n, want)
			}
		}
		step(time.Minute, "nothing was offered", 0)
		for i := range 1000 {
			f.Offer(view(uint64(i), 1))
			time.Sleep(10 * time.Millisecond)
		}
		step(0, "10 s of changes", 10)
		step(time.Minute, "a minute of rest", 10)
		followed.Store(false)
		step(time.Hour, "an hour without a source", 10)
		at := folder(t, f.config).Load().Stored()
		if age := time.Since(at); age < time.Hour || age > time.Hour+2*time.Minute {
			t.Errorf("what was last known to be right an hour ago is %v old", age)
		}
		followed.Store(true)
		step(2*time.Second, "the source is back", 11)
		step(confirmed, "five minutes later", 12)
		f.Offer(view(7, 2))
		cancel()
		<-done
		if writes.Load() != 13 || folder(t, f.config).Load().Ingresses().Len() != 2 {
			t.Errorf("the last View is not written at the end: %d writings", writes.Load())
		}
	})
}

// TestOfferWaitsForNothing: while the disk hangs, who offers a View does not notice, and
// allocates nothing.
func TestOfferWaitsForNothing(t *testing.T) {
	f := folder(t, Config{})
	hangs, over := make(chan struct{}), make(chan struct{})
	f.wrap = func(w io.Writer) io.Writer { close(hangs); <-over; return w }
	v := view(1, 2)
	f.Offer(v)
	done := make(chan struct{})
	go func() { f.write(&writing{}, 0); close(done) }()
	<-hangs
	if n := testing.AllocsPerRun(100, func() { f.Offer(v) }); n > 0 {
		t.Errorf("an offer allocates %v times", n)
	}
	close(over)
	<-done
}

// TestStoredIsNotWritten: what was only read from the folder does not get younger.
func TestStoredIsNotWritten(t *testing.T) {
	f := folder(t, Config{})
	f.Offer(view(1, 2).WithStored(time.Now()))
	f.write(&writing{}, 0)
	if got := f.Load(); !got.Stored().IsZero() {
		t.Error("it was written")
	}
}

// TestSweep: what a writing that was cut short has left is deleted, but not that of another
// process that is at it.
func TestSweep(t *testing.T) {
	path := t.TempDir()
	for name, old := range map[string]time.Duration{".view123": time.Hour, ".view456": 0, "notes": time.Hour} {
		file := filepath.Join(path, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-old)); err != nil {
			t.Fatal(err)
		}
	}
	folder(t, Config{Path: path})
	list, err := os.ReadDir(path)
	if got := fmt.Sprint(list); err != nil || len(list) != 2 || strings.Contains(got, "123") {
		t.Errorf("left: %s, %v", got, err)
	}
}

// TestRights: nobody else may read the folder and its files.
func TestRights(t *testing.T) {
	f := folder(t, Config{Path: filepath.Join(t.TempDir(), "new"), Key: newKey(t)})
	saved(t, f, view(1, 2))
	err := filepath.WalkDir(f.config.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestResume: what the first reading could not read is as it was, what it does not have is
// gone.
func TestResume(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 2, Endpoints: 1, Ingresses: 2})
	all := w.All()
	before := input.View{}.With(all...)
	var first []input.Change
	unread, gone := object.Ref{}, object.Ref{}
	for _, c := range all {
		switch {
		case c.Ref.Kind == object.KindIngress && unread == object.Ref{}:
			unread = c.Ref
			c = input.Change{Ref: c.Ref}
		case c.Ref.Kind == object.KindIngress:
			gone = c.Ref
			continue
		}
		first = append(first, c)
	}
	after := before.WithStored(time.Now()).Continue(first)
	if !after.Stored().IsZero() || !after.Has(unread) || after.Has(gone) || after.Services().Digest() != before.Services().Digest() {
		t.Errorf("unread %t, gone %t", after.Has(unread), after.Has(gone))
	}
}

// FuzzFile: whatever is in a file, reading it ends, and what was read can be written and is
// read alike.
func FuzzFile(f *testing.F) {
	h := header{Schema: input.EntrySchema(), Source: "s", Read: time.Unix(1_700_000_000, 0)}
	whole, err := encode(h, view(1, 2).Entries(), plain)
	if err != nil {
		f.Fatal(err)
	}
	body, err := checked(whole)
	if err != nil {
		f.Fatal(err)
	}
	first, entries, _ := bytes.Cut(unpack(body), []byte("\n"))
	f.Add(whole, false)
	f.Add(entries, true)
	f.Add([]byte(`{"kind":"Secret","object":{"Name":"a","Key":1}}`), true)
	f.Add([]byte(`{"frozen":"edge","kind":"Ingress","object":{"Name":"a"}}`+"\n"+`{"kept":{"Host":"x","By":{"Kind":"Ingress"}}}`), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, packed bool) {
		if packed { // else few inputs would get past the checksum and the header
			text = pack(slices.Concat(first, []byte("\n"), text))
		}
		d := folder(t, Config{Path: dir, Source: "s"})
		if err := os.WriteFile(filepath.Join(dir, viewFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		v, _, err := d.read(viewFile, unsealed)
		if err != nil {
			return
		}
		if got := saved(t, d, v); v.Secrets().Len() == 0 && got.Digest() != v.Digest() {
			t.Error("what was read is written as something else")
		}
	})
}

// TestHoldsAreWritten: hosts that leave, and the removal of many that is held, are there for the
// next process with their ages, whatever its clock says, and whatever the clock of this one was set
// to while it held them; Secrets that only they name are there with
// a key, and nothing of them is without.
func TestHoldsAreWritten(t *testing.T) {
	v := withHolds(t)
	secrets := 0
	for range v.KeptSecrets() {
		secrets++
	}
	if secrets == 0 {
		t.Fatal("no Secret is gone")
	}
	for _, set := range []time.Duration{0, time.Hour, -time.Hour} {
		for _, key := range []*Key{nil, newKey(t)} {
			f := folder(t, Config{Key: key})
			written := clock.Set(v.Deletions()[0].Since.Add(3*time.Second), 2*set)
			f.now = func() time.Time { return written }
			f.Offer(v)
			if next, ok := f.newest(); !ok || next.Digest() != v.Digest() {
				t.Fatal("holds are not written")
			}
			if _, err := f.store(v, written, 0); err != nil {
				t.Fatal(err)
			}
			next := folder(t, f.config)
			now := time.Now()
			next.now = func() time.Time { return clock.Set(now, set) }
			got := next.Load()
			left := 0
			for range got.KeptSecrets() {
				left++
			}
			if leaves, want := leavingOf(got), leavingOf(v); !slices.Equal(leaves, want) || len(got.Deletions()) != 1 || (left == secrets) != (key != nil) || key == nil && left > 0 {
				t.Errorf("a key: %t: %q leave, want %q; held %v; %d Secrets that are gone, of %d", key != nil, leaves, want, got.Deletions(), left, secrets)
			}
			if age := next.now().Sub(got.Deletions()[0].Since); age != 3*time.Second {
				t.Errorf("set by %s: a hold of 3 s is %s old", set, age)
			}
			for _, c := range worlds.New(1, worlds.Size{Services: 2, Endpoints: 1, Ingresses: 12, TLS: 1}).All() {
				if s, ok := c.Object.(*input.Secret); ok {
					search(t, f.config.Path, s.Key)
				}
			}
		}
	}
}

// leavingOf are the hosts that leave a View, with the sum of what they are served with.
func leavingOf(v input.View) (list []string) {
	for l := range v.Leaving() {
		list = append(list, fmt.Sprintf("%s %x", l.Host, l.Sum()))
	}
	return list
}
