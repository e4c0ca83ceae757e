package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"legation.dev/cmd/cli"
	"legation.dev/state"
	"legation.dev/xds/history"
)

// lines is a log that tells of each line.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	told func(all string)
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(b)
	l.told(l.text.String())
	return n, err
}

// serveFolder serves a folder with a state of its own until told ends it, and returns the log.
func serveFolder(t *testing.T, folder, kept string, told func(all string, end func())) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := &lines{told: func(all string) { told(all, cancel) }}
	out := slog.New(slog.NewTextHandler(log, nil))
	from := &sourceFlags{source: folderSource + folder}
	book := history.New(history.Config{})
	stored, err := (&stateFlags{folder: kept, coldStart: 10 * time.Millisecond}).open(from, state.Config{Log: out, Book: book})
	if err != nil {
		t.Fatal(err)
	}
	source, err := from.open(stored.view(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer source.close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &serving{source: source, stored: stored, last: past{view: stored.view()}, xds: listener, history: 1, book: book, log: out}
	if err := s.run(ctx); err != nil {
		t.Error(err)
	}
	return log.text.String()
}

// TestStateOfFolder: a folder that is not there when Legation starts is served from what was
// stored, and read as soon as it is back. A file that does not parse then keeps what it said
// before the start.
func TestStateOfFolder(t *testing.T) {
	folder, kept := copyShop(t, "\n  rules:", "\n  tls: [{hosts: [shop.localhost], secretName: missing}]\n  rules:"), t.TempDir()
	first := serveFolder(t, folder, kept, func(all string, end func()) {
		if strings.Contains(all, "new version") {
			end()
		}
	})
	away := folder + ".away"
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	back := sync.OnceFunc(func() {
		if err := os.Rename(away, folder); err != nil {
			t.Error(err)
		}
	})
	all := serveFolder(t, folder, kept, func(all string, end func()) {
		switch {
		case strings.Contains(all, "the source was read"):
			if before, _, _ := strings.Cut(all, "the source was read"); strings.Contains(before, "msg=problem") {
				t.Errorf("problems of what was only stored are told:\n%s", all)
			}
			end()
		case strings.Contains(all, "are served what an earlier process has stored"):
			back()
		}
	})
	if strings.Count(all, "new version") != 1 {
		t.Errorf("the folder is as it was, and there are other versions than the stored one:\n%s", all)
	}
	if err := os.WriteFile(filepath.Join(folder, "shop.yaml"), []byte("kind: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all = serveFolder(t, folder, kept, func(all string, end func()) {
		if strings.Contains(all, "new version") && strings.Contains(all, "the document is not used") {
			end()
		}
	})
	if !strings.Contains(all, "version=1 ") {
		t.Errorf("what is served as before has another number:\n%s", all)
	}
	if digestIn(all) == "" || digestIn(all) != digestIn(first) {
		t.Errorf("with a file that does not parse something else is served than before:\n%s", all)
	}
	if _, err := os.Stat(filepath.Join(kept, "secrets.age")); err == nil {
		t.Error("Secrets are stored without a key")
	}
}

// digestIn is the digest of the first version in a log.
func digestIn(log string) string {
	_, rest, _ := strings.Cut(log, "digest=")
	digest, _, _ := strings.Cut(rest, "\n")
	return digest
}

// TestStateFlags: what contradicts is said, and a key that is none is not repeated.
func TestStateFlags(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("AGE-SECRET-KEY-1NOTONE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--state-key " + key:                             "--state-key: only with --state",
		"--cold-start-after 3s":                          "--cold-start-after: only with --state",
		"--history-age 0s":                               "--history-age: a time",
		"--history-bytes 1k":                             "--history-bytes \"1k\": want an amount of 1Mi or more",
		"--history-bytes much":                           "--history-bytes \"much\": want",
		"--state x --cold-start-after -3s":               "--cold-start-after: a time, or 0",
		"--state " + t.TempDir() + " --state-key " + key: "want an identity of age",
		"--state " + key:                                 "--state: mkdir ",
	} {
		status, _, stderr := legation(append([]string{"serve", "--source", "dir:" + shop}, strings.Fields(args)...)...)
		if status == cli.OK || !strings.Contains(stderr, want) || strings.Contains(stderr, "NOTONE") {
			t.Errorf("%s: status %d, %q, want %q", args, status, stderr, want)
		}
	}
}
