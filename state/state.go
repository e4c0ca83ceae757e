// Package state keeps in a folder what a process was served by its source, for the process
// that comes after it: the objects of the last View, as they were reduced, and, only if
// there is a key, the Secrets among them, encrypted.
//
// A file is replaced as a whole: what a process finds is what was written last, or, if that
// writing failed or was cut short, what was written before. A file that is damaged, of
// another version or of another source is put aside, and nothing of it is used.
//
// Beside it is the history of what was published (xds/history), without anything of a Secret,
// in files of which the newest grows; history.go has these.
//
// Nobody waits for the disk: who publishes only leaves a View (Folder.Offer), and a version
// with the Book, and one goroutine (Folder.Run) writes the newest.
//
// Start reading at Folder.Load and Folder.Run; file.go has the format.
package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/history"
)

const (
	// viewFile has all objects but Secrets, secretsFile has those.
	viewFile    = "view"
	secretsFile = "secrets.age"
	// aside is the end of the name of a file that is not used.
	aside = ".aside"

	// every is how often a change is written at most.
	every = time.Second
	// share is the part of its time that writing may take: after a writing that took long,
	// the next one waits so many times as long.
	share = 4
	// inARow is how many entries are written before the processor is left to others for
	// breath: a View does not change, so nobody waits for its writing, and what translates
	// and publishes is delayed by the time of so many at most, half a millisecond.
	inARow = 64
	breath = time.Millisecond
	// confirmed is how often a View that does not change is written again, so that its age
	// says when it was last known to be right.
	confirmed = 5 * time.Minute
	// abandoned is how old the rest of a writing that was cut short must be before it is
	// deleted: another process may be at it.
	abandoned = time.Minute
)

// Config of a Folder. Path must be set.
type Config struct {
	Path string
	// Source says what is read, and what of it. What was written for another one is not
	// used.
	Source string
	// Key encrypts what comes from Secrets; nil: that is not written.
	Key *Key
	// Followed reports whether the View is as its source is now; nil: always.
	Followed func() bool
	// Book is the history that is kept, too; nil: none is.
	Book *history.Book
	// HistoryBytes is how much of it is kept on the disk, unless it is too old before; 0
	// means DefaultHistoryBytes.
	HistoryBytes int64
	// Log gets a line when writing begins to fail, and when it works again; nil means
	// slog.Default().
	Log *slog.Logger
}

// Folder is the folder of a process. Make it with Open.
type Folder struct {
	config Config
	now    func() time.Time
	wrap   func(io.Writer) io.Writer // a test's failing disk
	past   *past                     // nil: no history is written. LoadHistory sets it

	mu      sync.Mutex // guards the fields below
	offered input.View // the newest; Run takes it
	has     bool
	stats   Stats
}

// Stats is what is known of the folder.
type Stats struct {
	// Written is when what is in the folder was right, as far as this process has written
	// it; zero if it has not.
	Written time.Time
	// Bytes are those of all files that were written last.
	Bytes int
	// History are the bytes of all files of the history.
	History int64
	// Failures counts writings that failed, and Aside files that were put aside.
	Failures, Aside int
	// Unwritten is why the last writing of what is served failed, and Forgotten why that of the
	// history did; nil if it did not.
	Unwritten, Forgotten error
}

// Open makes the folder, if it is not there, and deletes what a writing that was cut short
// has left.
func Open(c Config) (*Folder, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := os.MkdirAll(c.Path, 0o700); err != nil {
		return nil, err
	}
	f := &Folder{config: c, now: time.Now, wrap: func(w io.Writer) io.Writer { return w }}
	return f, f.sweep()
}

// sweep deletes the temporary files of writings that were cut short.
func (f *Folder) sweep() error {
	list, err := os.ReadDir(f.config.Path)
	if err != nil {
		return err
	}
	for _, e := range list {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), ".") && info.Mode().IsRegular() && f.now().Sub(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(f.config.Path, e.Name())) // it does no harm
		}
	}
	return nil
}

// Load is the View that was written last, with its Secrets if there is a key for them;
// the zero View if there is none. Its Stored time is when it was last known to be right.
func (f *Folder) Load() input.View {
	view, h, ok := f.load(viewFile, unsealed)
	if !ok {
		return input.View{}
	}
	if f.config.Key != nil {
		if secrets, _, ok := f.load(secretsFile, f.config.Key.open); ok {
			view = withSecrets(view, secrets)
		}
	}
	return aged(view, h, f.now())
}

// withSecrets is a View with the Secrets of another one.
func withSecrets(v, from input.View) input.View {
	for _, s := range from.Secrets().All() {
		v = v.With(input.Change{Ref: s.Ref(), Object: s})
	}
	for _, o := range from.Left().All() {
		v = v.WithLeft(o)
	}
	return v.WithCertificates(from.Certificates())
}

// load reads one file, and puts it aside if it cannot be used.
func (f *Folder) load(name string, open opener) (input.View, header, bool) {
	view, h, err := f.read(name, open)
	switch {
	case err == nil:
		return view, h, true
	case errors.Is(err, fs.ErrNotExist):
		return input.View{}, h, false
	}
	path := filepath.Join(f.config.Path, name)
	f.config.Log.Warn("what was stored is not used, and put aside", "file", path, "aside", path+aside, "err", err)
	f.putAside(path)
	return input.View{}, h, false
}

// putAside gives a file that cannot be used another name, so that it is not read again.
func (f *Folder) putAside(path string) {
	f.mu.Lock()
	f.stats.Aside++
	f.mu.Unlock()
	if err := os.Rename(path, path+aside); err != nil {
		f.config.Log.Warn("it cannot be put aside", "file", path, "err", err)
	}
}

func (f *Folder) read(name string, open opener) (view input.View, h header, err error) {
	defer func() {
		if r := recover(); r != nil { // its text could contain what the file contains
			err = fmt.Errorf("%w: an object cannot be read", errDamaged)
		}
	}()
	text, err := whole(filepath.Join(f.config.Path, name))
	if err != nil {
		return view, h, err
	}
	h, entries, err := decode(text, f.config.Source, open)
	if err != nil {
		return view, h, err
	}
	view, err = lower.Stored(entries)
	return view, h, err
}

// whole is the text of a file, if that is not too large.
func whole(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%w: it has more than %d bytes", errDamaged, maxFile)
	}
	return text, err
}

// Offer leaves a View to be written. It does not wait, and writes nothing itself. A View
// that was itself stored is not written: that would make it look younger than it is.
func (f *Folder) Offer(v input.View) {
	if !v.Stored().IsZero() {
		return
	}
	f.mu.Lock()
	f.offered, f.has = v, true
	f.mu.Unlock()
}

// Stats is what is known of the folder now.
func (f *Folder) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Run writes what is offered until ctx ends, and then once more. Nobody else may call it.
func (f *Folder) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var w writing
	for {
		select {
		case <-ctx.Done():
			w.next = time.Time{}
			f.write(&w, 0)
			f.writeHistory(0)
			return
		case <-tick.C:
			f.write(&w, breath)
			f.writeHistory(breath)
		}
	}
}

// writing is what the goroutine that writes knows. It belongs to that.
type writing struct {
	view    input.View // as it was written last
	at      time.Time  // when that was; zero: not yet
	next    time.Time  // when the next writing may begin
	failing bool
}

// write writes the newest View if it is due, with rests of that length.
func (f *Folder) write(w *writing, rest time.Duration) {
	now := f.now()
	v, ok := f.newest()
	if !ok || now.Before(w.next) || !f.due(w, v, now) {
		return
	}
	at := f.known(now)
	n, err := f.store(v, at, rest)
	took := f.now().Sub(now)
	w.next = now.Add(took + max(every-took, share*took))
	if err == nil {
		w.view, w.at = v, now
	}
	f.tell(w, at, n, err)
}

// newest is the View that was offered last.
func (f *Folder) newest() (input.View, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.offered, f.has
}

// due reports whether v is to be written: it is another one than was written last, or that
// was long ago.
func (f *Folder) due(w *writing, v input.View, now time.Time) bool {
	if w.at.IsZero() || !v.SameEntries(w.view) || f.config.Key != nil && !v.SameSecrets(w.view) {
		return true
	}
	return now.Sub(w.at) >= confirmed && f.followed()
}

func (f *Folder) followed() bool { return f.config.Followed == nil || f.config.Followed() }

// known is when the View that is written was last known to be right.
func (f *Folder) known(now time.Time) time.Time {
	if f.followed() {
		return now
	}
	if at := f.Stats().Written; !at.IsZero() {
		return at
	}
	return now
}

// tell notes how a writing went.
func (f *Folder) tell(w *writing, at time.Time, n int, err error) {
	f.mu.Lock()
	if f.stats.Unwritten = err; err != nil {
		f.stats.Failures++
	} else {
		f.stats.Written, f.stats.Bytes = at, n
	}
	f.mu.Unlock()
	switch {
	case err != nil && !w.failing:
		f.config.Log.Warn("what is served cannot be stored: a restart begins with what was stored before", "folder", f.config.Path, "err", err)
	case err == nil && w.failing:
		f.config.Log.Info("what is served is stored again", "folder", f.config.Path)
	}
	w.failing = err != nil
}

// store writes the files of a View, and says how many bytes they have.
func (f *Folder) store(v input.View, at time.Time, rest time.Duration) (int, error) {
	h, v := told(f.config.Source, v, at, f.now())
	n, err := f.replace(viewFile, h, slowly(v.Entries(), rest), plain)
	if err != nil {
		return 0, err
	}
	if f.config.Key == nil {
		err := os.Remove(filepath.Join(f.config.Path, secretsFile)) // of a process that had a key
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return n, err
	}
	more, err := f.replace(secretsFile, h, slowly(v.SecretEntries(), rest), f.config.Key.seal)
	return n + more, err
}

// slowly yields entries, with a rest after each inARow of them.
func slowly[E any](entries iter.Seq[E], rest time.Duration) iter.Seq[E] {
	return func(yield func(E) bool) {
		n := 0
		for e := range entries {
			if n++; n%inARow == 0 && rest > 0 {
				time.Sleep(rest)
			}
			if !yield(e) {
				return
			}
		}
	}
}

// replace writes a file whole, or leaves it as it is.
func (f *Folder) replace(name string, h header, entries iter.Seq[input.Entry], seal sealer) (int, error) {
	text, err := encode(h, entries, seal)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxFile {
		return 0, fmt.Errorf("%s: it would have %d bytes, and may have %d", name, len(text), maxFile)
	}
	return len(text), f.put(filepath.Join(f.config.Path, name), text)
}
