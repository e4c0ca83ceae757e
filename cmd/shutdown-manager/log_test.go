package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestUnreadLog: whoever logs goes on while nobody reads, and is told what was lost.
func TestUnreadLog(t *testing.T) {
	in, out := io.Pipe()
	log := newLossy(out)
	const lines = linesKept + 500
	for i := range lines {
		if n, err := fmt.Fprintf(log, "%d\n", i); n == 0 || err != nil {
			t.Fatal(n, err)
		}
	}
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(in)
		read <- string(text)
	}()
	for log.dropped > 0 { // until the reader has made room
		fmt.Fprintln(log, "last")
	}
	log.Close()
	out.Close()
	if text := <-read; !strings.HasPrefix(text, "0\n1\n") || !strings.Contains(text, `"dropped":`) || !strings.HasSuffix(text, "last\n") {
		t.Errorf("%d bytes were read, which end in %q", len(text), text[max(0, len(text)-200):])
	}
	fmt.Fprintln(log, "after the end")
}

// TestHangingLog: the end does not wait for a reader that never comes.
func TestHangingLog(t *testing.T) {
	_, out := io.Pipe()
	log, end := logger(out)
	log.Info("nobody reads this")
	end()
}

// TestLog: what is read is complete.
func TestLog(t *testing.T) {
	var text bytes.Buffer
	log, end := logger(&text)
	for range 100 {
		log.Info("line")
	}
	end()
	if n := strings.Count(text.String(), "\n"); n != 100 {
		t.Errorf("%d lines", n)
	}
}
