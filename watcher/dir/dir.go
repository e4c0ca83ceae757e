// Package dir makes a folder of Kubernetes manifests a source of changes.
//
// All files below the folder whose names end in .yaml, .yml or .json are read;
// names that begin with a dot or a hash, or end in a tilde, belong to editors and
// are left alone. A file that cannot be read, or does not parse, keeps the
// objects it last gave, and so does a link that leads nowhere. A folder in which not
// one of them is left is not believed: it keeps all that it last gave.
//
// A Source belongs to one goroutine. It writes nothing.
//
// Start reading at Source.Take.
package dir

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"

	"legation.dev/object"
	"legation.dev/translator/input"
)

const (
	// quiet is how long the folder must rest before it is read: one command
	// often writes several files.
	quiet = 20 * time.Millisecond
	// patience bounds the wait for quiet when changes never stop.
	patience = 100 * time.Millisecond
	// again is when a folder is read once more in which a file was being written
	// or had just vanished.
	again = 100 * time.Millisecond
	// rounds is how often the folder is read without any notice, for file systems
	// that give none (NFS).
	rounds = 30 * time.Second
	// startPatience is how long the first reading waits for files that somebody
	// is writing. After that it goes on without them.
	startPatience = 10 * time.Second
)

// DefaultMaxFile is the largest file that is read by default, in bytes. 10,000 Ingresses
// of 1 KiB fit; an API server takes no object above 3 MiB.
const DefaultMaxFile = 16 << 20

// Config says how a folder is read. The zero Config is useful.
type Config struct {
	// Claim are controllers whose IngressClasses are ours.
	Claim []string
	// MaxFile is the largest file that is read, in bytes; below 1 it is DefaultMaxFile.
	MaxFile int64
	// AllowEmpty believes a folder without any manifest: at the start it is a new cluster,
	// with the class that a folder without classes has, and later all was deleted.
	AllowEmpty bool
	// Endpoints hears of each change of the endpoints of a Service; nil: nobody. by is empty: a
	// file does not say who has written it. It must not block.
	Endpoints func(service object.Ref, by string)
}

// Source reads a folder again and again. Make it with Open.
type Source struct {
	root    string
	claim   []string                            // controllers whose classes are ours
	told    func(service object.Ref, by string) // Config.Endpoints
	watcher *fsnotify.Watcher
	tree    tree
	taken   state // what Take has handed out
	first   bool  // nothing was handed out yet
	dirty   bool  // there was notice of something that was not read yet
	retry   bool  // the last reading left something out
	read    time.Time
}

// Open watches a folder. An error names what is wrong with it.
func Open(root string, c Config) (*Source, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", root)
	}
	if _, err := os.ReadDir(root); err != nil { // what cannot be read is not empty
		return nil, err
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", root, err)
	}
	s := &Source{root: root, claim: c.Claim, told: c.Endpoints, watcher: watcher, first: true, dirty: true, taken: state{}}
	s.tree = newTree(root, c, func(folder string) { _ = watcher.Add(folder) }) // without notice, rounds find the change
	return s, nil
}

// Recall gives each file what an earlier process has read from it, before the first Take:
// of one that cannot be read or parsed now, that stays. Objects of no file are left out.
func (s *Source) Recall(last []input.Object) {
	for _, o := range last {
		path := input.FileOf(o)
		if path == "" {
			continue
		}
		f := s.tree.files[path]
		if f == nil {
			f = &file{}
			s.tree.files[path] = f
		}
		f.entries = append(f.entries, entry{ref: o.Ref(), object: o})
	}
}

// Close ends the watch.
func (s *Source) Close() error { return s.watcher.Close() }

// Read reads a folder, or a single file, once. An empty folder is one with the class that
// a folder without classes has.
func Read(root string, claim ...string) ([]input.Change, error) {
	if _, err := os.Stat(root); err != nil {
		return nil, err
	}
	t := newTree(root, Config{AllowEmpty: true}, func(string) {})
	t.scan(time.Now())
	return claimed(changes(state{}, t.state()), claim), nil
}

// Take waits for changes and returns all that have come, each object once. The
// first call waits for the first full reading, and returns all objects. When ctx
// ends it returns ctx's error and loses no change.
func (s *Source) Take(ctx context.Context) ([]input.Change, error) {
	begin := time.Now()
	for {
		if err := s.wait(ctx); err != nil {
			return nil, err
		}
		s.read = time.Now()
		s.dirty = false
		s.retry = s.tree.scan(s.read)
		if s.first && s.retry && time.Since(begin) < startPatience {
			continue
		}
		now := s.tree.state()
		if list := claimed(changes(s.taken, now), s.claim); len(list) > 0 {
			s.taken, s.first = now, false
			s.tell(list)
			return list, nil
		}
		s.taken = now
	}
}

// tell tells of the endpoints among changes.
func (s *Source) tell(list []input.Change) {
	for _, c := range list {
		if slice, ok := c.Object.(*input.Slice); ok && slice.Service != "" && s.told != nil {
			s.told(object.Ref{Kind: object.KindService, Namespace: slice.Namespace, Name: slice.Service}, "")
		}
	}
}

// FollowedSince is zero: a folder is always followed.
func (s *Source) FollowedSince(time.Time) time.Time { return time.Time{} }

// wait returns when the folder should be read.
func (s *Source) wait(ctx context.Context) error {
	if !s.dirty {
		if err := s.notice(ctx); err != nil {
			return err
		}
		s.dirty = true
	}
	if s.first && s.read.IsZero() {
		return nil
	}
	return s.rest(ctx)
}

// notice waits until something may have changed.
func (s *Source) notice(ctx context.Context) error {
	wait := rounds
	if s.retry {
		wait = again
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case e := <-s.watcher.Events:
		s.tree.suspect(e.Name)
	case <-s.watcher.Errors: // an overflow: some notice was lost
		s.tree.suspectAll()
	case <-timer.C:
	}
	return nil
}

// rest waits until there is no more notice for a moment.
func (s *Source) rest(ctx context.Context) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	calm := time.NewTimer(quiet)
	defer calm.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-s.watcher.Events:
			s.tree.suspect(e.Name)
			calm.Reset(quiet)
		case <-s.watcher.Errors:
			s.tree.suspectAll()
		case <-calm.C:
			return nil
		case <-limit.C:
			return nil
		}
	}
}

// claimed makes the IngressClasses of controllers ours.
func claimed(list []input.Change, controllers []string) []input.Change {
	for i := range list {
		list[i] = list[i].Claim(controllers)
	}
	return list
}
