package main

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// The log goes to a pipe that somebody reads, or nobody: a reader that hangs must not hold
// up a drain, nor may one that is gone end it. So lines are written beside the work, at
// most linesKept of them wait, and what does not fit is dropped and counted.
const (
	linesKept = 1024
	// flushTime is how long the end waits for what is not written yet.
	flushTime = 200 * time.Millisecond
)

// lossy is an io.Writer that never blocks. Close it.
type lossy struct {
	lines chan []byte
	done  chan struct{} // closed when all is written, or nothing can be
	out   io.Writer

	mu      sync.Mutex // guards the fields below
	closed  bool
	dropped int // since the last line that was kept
}

func newLossy(out io.Writer) *lossy {
	l := &lossy{lines: make(chan []byte, linesKept), done: make(chan struct{}), out: out}
	go l.write()
	return l
}

// Write implements io.Writer: it takes a line or drops it.
func (l *lossy) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(line), nil
	}
	text := line
	if l.dropped > 0 {
		text = fmt.Appendf(nil, "{\"level\":\"WARN\",\"msg\":\"lines of the log were dropped, since nobody read it\",\"dropped\":%d}\n%s", l.dropped, line)
	}
	select {
	case l.lines <- append([]byte(nil), text...):
		l.dropped = 0
	default:
		l.dropped++
	}
	return len(line), nil
}

// write is the goroutine that may block. A line that cannot be written is lost, as its
// reader is.
func (l *lossy) write() {
	defer close(l.done)
	for line := range l.lines {
		l.out.Write(line)
	}
}

// Close waits for what is not written yet, but not for long. The goroutine of a writer
// that blocks ends with the process.
func (l *lossy) Close() error {
	l.mu.Lock()
	l.closed = true
	close(l.lines)
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(flushTime):
	}
	return nil
}

// logger writes lines of JSON, and never waits for who reads them. Call the returned
// function at the end.
func logger(w io.Writer) (*slog.Logger, func() error) {
	out := newLossy(w)
	return slog.New(slog.NewJSONHandler(out, nil)), out.Close
}
