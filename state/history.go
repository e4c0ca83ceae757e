package state

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"legation.dev/xds/history"
)

// The history is in a folder of its own, history-0 or, if another process has that, the next
// one. Its files are numbered; each is as file.go says, with history.Lines as its values. The
// newest is replaced by a longer one until it is full; the others do not change. What was
// packed stays packed: a writing adds a gzip member.

const (
	historyFolder = "history-"
	// mostHolders is how many processes may share a folder.
	mostHolders = 16
	// historySchema changes with what a history.Line means. A field more is no change: a
	// process of before puts a file aside that has one it does not know.
	historySchema = "history 1"
	// DefaultHistoryBytes is some days of a busy cluster, and years of a quiet one.
	DefaultHistoryBytes = 64 << 20
	// fileBytes is how long a file of the history may grow beside the states it begins with,
	// and fileAge how long it is written to: what is too old goes file by file.
	fileBytes = 256 << 10
	fileAge   = 12 * time.Hour
	// unwritten is how many times that it may grow while it cannot be written.
	unwritten = 16
	// paced is how many bytes a second the history writes at most, about.
	paced = 128 << 10
)

// past is the history on the disk. All but mu and spans belongs to the goroutine of Run, and
// before that to the one of LoadHistory.
type past struct {
	f    *Folder
	path string
	lock *os.File // holds path while it is open
	full int      // fileBytes, or less in a test

	number  int       // of the file that is written; 0: none is yet
	newest  int       // the highest number that there is, used or not
	body    []byte    // of that file
	states  int       // bytes of body that are states
	began   time.Time // when it was begun
	dirty   bool      // body is not in the file yet
	next    time.Time // when the next writing may begin
	failing bool

	mu    sync.Mutex                // guards spans
	spans map[int]map[string]uint64 // the lowest number of each fleet in files that do not change
}

// LoadHistory reads what an earlier process has left of the history into Config.Book, before
// anything is offered to that. It never fails: what cannot be read is put aside, and a
// folder that cannot be used is not.
func (f *Folder) LoadHistory() {
	if f.config.Book == nil {
		return
	}
	p := &past{f: f, full: fileBytes, spans: map[int]map[string]uint64{}}
	if err := p.hold(); err != nil {
		f.config.Log.Warn("the history is not stored: it ends with this process", "folder", f.config.Path, "err", err)
		return
	}
	f.past = p
	numbers := p.files()
	if len(numbers) > 0 {
		p.newest = numbers[len(numbers)-1]
	}
	for i := len(numbers) - 1; i >= 0; i-- {
		lines, body, began, ok := p.load(numbers[i])
		if !ok {
			continue
		}
		f.config.Book.Keep(p, slices.Values(lines))
		if numbers[i] == p.newest {
			p.number, p.body, p.began = p.newest, body, began
			p.states = len(body) // as if: what is there is not counted
		} else {
			f.config.Book.Lost()
		}
		return
	}
	f.config.Book.Keep(p, slices.Values([]history.Line{}))
}

// hold takes the first folder that no living process has, and sweeps it.
func (p *past) hold() error {
	for i := range mostHolders {
		path := filepath.Join(p.f.config.Path, historyFolder+strconv.Itoa(i))
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		lock, err := os.Open(path)
		if err != nil {
			return err
		}
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			p.path, p.lock = path, lock
			p.sweep()
			return nil
		}
		_ = lock.Close() // nothing was written
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return fmt.Errorf("%d processes use it already", mostHolders)
}

// sweep deletes what writings that were cut short have left: nobody else writes here.
func (p *past) sweep() {
	list, _ := os.ReadDir(p.path) // else there is nothing to sweep
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") && e.Type().IsRegular() {
			_ = os.Remove(filepath.Join(p.path, e.Name())) // it does no harm
		}
	}
}

// files are the numbers of the files, in order. Whatever else is there is left alone.
func (p *past) files() (numbers []int) {
	list, _ := os.ReadDir(p.path) // else there are none
	for _, e := range list {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && e.Type().IsRegular() && p.file(n) == filepath.Join(p.path, e.Name()) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

func (p *past) file(n int) string { return filepath.Join(p.path, fmt.Sprintf("%08d", n)) }

// load reads a file, and puts it aside if it cannot be used.
func (p *past) load(n int) (lines []history.Line, body []byte, began time.Time, ok bool) {
	text, err := whole(p.file(n))
	if err == nil {
		if body, err = checked(text); err == nil {
			lines, began, err = p.f.linesOf(body)
		}
	}
	switch {
	case err == nil:
		return lines, body, began, true
	case !errors.Is(err, fs.ErrNotExist):
		p.f.config.Log.Warn("a part of the history is not used, and put aside", "file", p.file(n), "err", err)
		p.f.putAside(p.file(n))
	}
	return nil, nil, began, false
}

// linesOf are those of a body: all, or an error.
func (f *Folder) linesOf(body []byte) (list []history.Line, began time.Time, err error) {
	h, lines, err := unpacked(body, header{Schema: historySchema, Source: f.config.Source}, unsealed)
	if err != nil {
		return nil, began, err
	}
	for l, err := range rest[history.Line](lines) {
		switch {
		case err != nil:
			return nil, began, err
		case l.Fleet == "" || l.First == 0 || l.First > l.Number:
			return nil, began, fmt.Errorf("%w: a line is of no version", errDamaged)
		}
		list = append(list, l)
	}
	return list, h.Read, nil
}

// Older implements history.Keeper.
func (p *past) Older(fleet string, before uint64) iter.Seq[history.Entry] {
	return func(yield func(history.Entry) bool) {
		for _, n := range p.files() {
			if !p.concerns(n, fleet, before) {
				continue
			}
			lines, _, _, ok := p.load(n)
			if !ok {
				continue
			}
			p.note(n, lines)
			for _, l := range lines {
				if !l.State && l.Fleet == fleet && l.Number < before && !yield(l.Entry) {
					return
				}
			}
		}
	}
}

// concerns reports whether a file may have entries of a fleet below before.
func (p *past) concerns(n int, fleet string, before uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	lowest, known := p.spans[n]
	first, has := lowest[fleet]
	return !known || has && first < before
}

// note remembers which entries are in a file, if that does not change any more.
func (p *past) note(n int, lines []history.Line) {
	lowest := map[string]uint64{}
	for _, l := range lines {
		if first, has := lowest[l.Fleet]; !l.State && (!has || l.Number < first) {
			lowest[l.Fleet] = l.Number
		}
	}
	numbers := p.files()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(numbers) > 0 && n < numbers[len(numbers)-1] {
		p.spans[n] = lowest
	}
	maps.DeleteFunc(p.spans, func(n int, _ map[string]uint64) bool { return !slices.Contains(numbers, n) })
}

// writeHistory writes what is new of the history if it is due, with rests of that length;
// without them it is due.
func (f *Folder) writeHistory(rest time.Duration) {
	book, p, now := f.config.Book, f.past, f.now()
	switch {
	case book == nil:
		return
	case p == nil:
		book.Settle()
		return
	case now.Before(p.next) && rest > 0, !p.dirty && !book.Any():
		return
	}
	anew := p.anew(now)
	err := p.add(book.Take(anew, len(p.body)), anew, now, rest)
	if err == nil {
		err = f.put(p.file(p.number), summed(p.body))
	}
	p.dirty = err != nil
	p.next = now.Add(every + share*f.now().Sub(now) + time.Duration(len(p.body))*time.Second/paced)
	p.tell(err)
	if err == nil {
		p.prune(now)
	}
}

// anew reports whether a new file is begun. What could not be written yet stays in its file,
// as long as that does not take too much memory.
func (p *past) anew(now time.Time) bool {
	grown := len(p.body) - p.states
	return p.number == 0 || !p.dirty && (grown > p.full || now.Sub(p.began) > fileAge) || grown > unwritten*p.full || len(p.body) > maxFile/2
}

// add packs lines behind those of the file that is written, or into a new one.
func (p *past) add(lines []history.Line, anew bool, now time.Time, rest time.Duration) error {
	if anew {
		p.newest++
		p.number, p.body, p.states, p.began = p.newest, nil, 0, now
		if err := p.pack(slices.Values([]any{header{Schema: historySchema, Source: p.f.config.Source, Read: now.UTC()}})); err != nil {
			return err
		}
	}
	n := slices.IndexFunc(lines, func(l history.Line) bool { return l.State }) // states are the last
	if n < 0 {
		n = len(lines)
	}
	if err := p.pack(slowly(values(lines[:n]), rest)); err != nil {
		return err
	}
	before := len(p.body)
	err := p.pack(slowly(values(lines[n:]), rest))
	p.states += len(p.body) - before
	return err
}

func values(lines []history.Line) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, l := range lines {
			if !yield(l) {
				return
			}
		}
	}
}

// pack adds values to the body. One that would be too long for who reads it is left out: what
// comes after it says that something is missing.
func (p *past) pack(list iter.Seq[any]) error {
	var packed, text bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	values := json.NewEncoder(&text)
	values.SetEscapeHTML(false)
	n := 0
	for v := range list {
		text.Reset()
		if err := values.Encode(v); err != nil {
			return err
		}
		if text.Len() > maxLine {
			continue
		}
		n++
		if _, err := w.Write(text.Bytes()); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil || n == 0 {
		return err
	}
	p.body = append(p.body, packed.Bytes()...)
	return nil
}

// tell notes how a writing went.
func (p *past) tell(err error) {
	p.f.mu.Lock()
	if p.f.stats.Forgotten = err; err != nil {
		p.f.stats.Failures++
	}
	p.f.mu.Unlock()
	switch {
	case err != nil && !p.failing:
		p.f.config.Log.Warn("the history cannot be stored: a restart does not know of what is published now", "folder", p.path, "err", err)
	case err == nil && p.failing:
		p.f.config.Log.Info("the history is stored again", "folder", p.path)
	}
	p.failing = err != nil
}

// prune deletes what is too old, and the oldest while there is too much, files that were put
// aside among them. The one that is written stays.
func (p *past) prune(now time.Time) {
	limit, early := p.f.config.HistoryBytes, now.Add(-p.f.config.Book.Age())
	if limit <= 0 {
		limit = DefaultHistoryBytes
	}
	list, _ := os.ReadDir(p.path) // in order of names, and so of numbers; else there is nothing
	var infos []fs.FileInfo
	var sum int64
	for _, e := range list {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			infos, sum = append(infos, info), sum+info.Size()
		}
	}
	for _, info := range infos {
		path := filepath.Join(p.path, info.Name())
		if path == p.file(p.number) || sum <= limit && !info.ModTime().Before(early) {
			continue
		}
		if err := os.Remove(path); err == nil {
			sum -= info.Size()
		}
	}
	p.f.mu.Lock()
	p.f.stats.History = sum
	p.f.mu.Unlock()
}
