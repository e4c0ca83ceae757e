package dir

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// tree is what was read of all files, and what of that is out of date.
type tree struct {
	root       string
	maxFile    int64 // bytes
	allowEmpty bool
	watch      func(folder string)
	files      map[string]*file // by path
	suspects   map[string]bool  // paths of which there was notice
	all        bool             // any file may have changed without notice
	broken     map[string]error // folders and links that could not be read: what is below stays
	ownClass   bool             // an IngressClass was there at some time
}

// file is what is known of one file. It stays as it last was while the file
// cannot be read.
type file struct {
	stamp   stamp
	hash    [sha256.Size]byte
	entries []entry // each Ref once
	trouble error   // why its present contents were not read
	busy    time.Time
	missing time.Time // since when the file is gone; zero if it is there
}

// stamp tells two contents of a file apart, except within the clock tick of the
// file system.
type stamp struct {
	size     int64
	modified time.Time
}

// entry is one object of a file: its last good state, nil if there never was
// one, and what is wrong with its present one.
type entry struct {
	ref      object.Ref
	object   input.Object
	problems []finding.Problem
}

func newTree(root string, c Config, watch func(string)) tree {
	if c.MaxFile < 1 {
		c.MaxFile = DefaultMaxFile
	}
	return tree{root: root, maxFile: c.MaxFile, allowEmpty: c.AllowEmpty, watch: watch, files: map[string]*file{}, suspects: map[string]bool{}}
}

// suspect says that there was notice of a path.
func (t *tree) suspect(path string) { t.suspects[path] = true }

// suspectAll says that some notice was lost.
func (t *tree) suspectAll() { t.all = true }

// vanishing is how long a file must be gone before its objects are: editors move
// a file away before they write it anew.
const vanishing = 100 * time.Millisecond

// hesitation is after how long it is worth a Problem that somebody still has a
// file open for writing.
const hesitation = 10 * time.Second

// scan reads what is new. It reports whether something was left out that time will
// tell: a file that somebody is writing, or that has just vanished.
func (t *tree) scan(now time.Time) (again bool) {
	suspects, all := t.suspects, t.all
	t.suspects, t.all, t.broken = map[string]bool{}, false, map[string]error{}
	found := t.list()
	for _, path := range slices.Sorted(maps.Keys(found)) {
		f := t.files[path]
		if f == nil {
			f = &file{}
			t.files[path] = f
		}
		f.missing = time.Time{}
		if f.stamp != found[path] || suspects[path] || all || f.trouble != nil {
			again = !f.read(path, found[path], now, t.maxFile) || again
		}
	}
	return t.forget(found, now) || again
}

// forget drops the files that are gone. It reports whether one has just vanished, which
// time will tell. If no file is left at all, they stay.
func (t *tree) forget(found map[string]stamp, now time.Time) (again bool) {
	var gone []string
	for path, f := range t.files {
		if _, ok := found[path]; ok || t.hidden(path) {
			continue
		}
		if f.missing.IsZero() {
			f.missing = now
		}
		if now.Sub(f.missing) < vanishing {
			again = true
			continue
		}
		gone = append(gone, path)
	}
	if len(found) == 0 && len(t.files) == len(gone) && !t.allowEmpty && len(t.broken) == 0 {
		t.broken[t.root] = errEmpty
		return again
	}
	for _, path := range gone {
		delete(t.files, path)
	}
	return again
}

// errEmpty is the trouble of a folder without files. It may be one that is not mounted
// yet, or not any more: nobody deletes all of them in so short a time.
var errEmpty = errors.New("there is not one manifest in the folder, which --allow-empty believes")

// errDangling is the trouble of a link to what is not there, as while a mounted ConfigMap
// is replaced, or when the folder behind it was unmounted.
var errDangling = errors.New("the link leads nowhere")

// hidden reports whether path, or a folder above it, could not be read.
func (t *tree) hidden(path string) bool {
	for folder := range t.broken {
		if folder == path || strings.HasPrefix(path, folder+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// list finds the files and watches the folders. Links to files are followed, as a
// mounted ConfigMap has them, links to folders are not.
func (t *tree) list() map[string]stamp {
	found := map[string]stamp{}
	// The error of WalkDir is what this function returns: none.
	_ = filepath.WalkDir(t.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != t.root:
			return nil // it went while we looked
		case err != nil:
			t.broken[path] = err
			return nil
		case d.IsDir() && path != t.root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			t.watch(path)
			return nil
		case path != t.root && !manifest(d.Name()):
			return nil
		}
		switch info, err := os.Stat(path); {
		case errors.Is(err, fs.ErrNotExist):
			if d.Type() == fs.ModeSymlink {
				t.broken[path] = errDangling
			} // else it went while we looked
		case err != nil:
			t.broken[path] = err
		case info.Mode().IsRegular():
			found[path] = stamp{info.Size(), info.ModTime()}
		}
		return nil
	})
	return found
}

// manifest reports whether a file of this name is read.
func manifest(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") {
		return false
	}
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// errWriting is the trouble of a file that somebody has open for writing.
var errWriting = errors.New("somebody has the file open for writing; it is read when that is closed")

// read takes over the contents of a file of at most max bytes; false if it is to be tried
// again.
func (f *file) read(path string, s stamp, now time.Time, max int64) bool {
	text, err := contents(path, max)
	switch {
	case errors.Is(err, errWriting):
		if f.busy.IsZero() {
			f.busy = now
		}
		if now.Sub(f.busy) >= hesitation {
			f.trouble = err
		}
		return false
	case err != nil:
		f.trouble = err
		return true
	}
	f.trouble, f.busy = nil, time.Time{}
	f.stamp = s
	if hash := sha256.Sum256(text); hash != f.hash {
		f.hash = hash
		f.decode(path, text)
	}
	return true
}

// contents reads a file of at most max bytes that no process is writing.
func contents(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	release, err := lease(f)
	if err != nil {
		return nil, err
	}
	defer release()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > max {
		return nil, fmt.Errorf("the file has %d bytes, and at most %d are read (--max-file-size)", info.Size(), max)
	}
	// Room for all of it at once: a buffer that grows takes more than twice as much.
	text := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = text.ReadFrom(io.LimitReader(f, max)) // what is appended now is read when it is whole
	return text.Bytes(), err
}

// decode replaces the file's objects with those in text. An object that is now
// invalid keeps its last good version. If some document cannot be identified (no
// kind or name), it might be any object that has disappeared from the file: so no
// object is removed until that is mended, and the other changes still apply.
func (f *file) decode(path string, text []byte) {
	last := map[object.Ref]entry{}
	for _, e := range f.entries {
		last[e.ref] = e
	}
	lost := false
	f.entries = nil
	for _, c := range lower.Manifests(path, text) {
		e := entry{ref: c.Ref, object: c.Object, problems: c.Problems}
		if e.object == nil {
			e.object = last[c.Ref].object
		}
		lost = lost || c.Ref.Kind == object.KindFile
		f.entries = append(f.entries, e)
		delete(last, c.Ref)
	}
	if !lost {
		return
	}
	for _, ref := range slices.SortedFunc(maps.Keys(last), object.Ref.Compare) {
		if e := last[ref]; e.object != nil {
			f.entries = append(f.entries, entry{ref: ref, object: e.object})
		}
	}
}
