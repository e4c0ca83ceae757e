package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"legation.dev/xds/admin"
)

// TestDebugSocket: only the owner may use the socket; by it the level is read and set, and
// a profile is taken. One that a process left behind is taken over.
func TestDebugSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "debug.sock")
	for range 2 {
		l, err := listenDebug(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if at, err := os.Stat(path); err != nil || at.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", at.Mode(), err)
		}
		level := new(slog.LevelVar)
		server := admin.HTTP{Level: level}.Debug()
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		for _, c := range []struct{ args, want string }{
			{"/loglevel", "info"}, {"--set=debug /loglevel", "debug"}, {"/debug/pprof/goroutine?debug=1", "goroutine profile"},
		} {
			var out, errs bytes.Buffer
			if status := run(append([]string{"debug", "--socket", path}, strings.Fields(c.args)...), &out, &errs); status != 0 || !strings.Contains(out.String(), c.want) {
				t.Errorf("%s: %d %q %q", c.args, status, out.String(), errs.String())
			}
		}
		if status := run([]string{"debug", "--socket", path, "--set=loud"}, &bytes.Buffer{}, &bytes.Buffer{}); status == 0 || level.Level() != slog.LevelDebug {
			t.Errorf("loud: %d, %v", status, level.Level())
		}
	}
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}
