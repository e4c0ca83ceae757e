package server

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// logBook keeps what a server logs, for tests to read.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// has says whether some line contains all parts.
func (b *logBook) has(parts ...string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}

// newLog is a logger into a book that is shown if the test fails.
func newLog(t *testing.T) (*slog.Logger, *logBook) {
	b := new(logBook)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", b.text.String())
		}
	})
	return slog.New(slog.NewTextHandler(b, nil)), b
}
