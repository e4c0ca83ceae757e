package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/cmd/cli"
	"legation.dev/drain"
)

// TestUsage: what is wrong with a command line is told, with status 2.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"stop"}, `no command "stop"`},
		{[]string{"run"}, "0 arguments are given; what it wants: shutdown-manager run"},
		{[]string{"run", "--", "envoy"}, "--admin is required"},
		{[]string{"drain", "--admin", "unix:admin.sock"}, "must be absolute"},
		{[]string{"drain", "--admin", "9901"}, "want unix:PATH or HOST:PORT"},
		{[]string{"serve", "--admin", "127.0.0.1:9901", "--grace-period", "1s"}, "--grace-period=1s"},
		{[]string{"drain", "--admin", "127.0.0.1:9901", "--min-drain=-1s"}, "--min-drain=-1s: must not be negative"},
		{[]string{"run", "--admin", "127.0.0.1:9901", "--max-drain=-1ns", "--", "envoy"}, "--max-drain=-1ns: must not be negative"},
		{[]string{"run", "--admin", "127.0.0.1:9901", "--", "envoy", "--drain-time-s", "soon"}, `"soon" is not a number of seconds`},
		{[]string{"check"}, "--connections is required"},
		{[]string{"check", "--backlog=-1"}, "--backlog=-1"},
		{[]string{"copy"}, "what it wants: shutdown-manager copy DIRECTORY"},
		{[]string{"serve", "--nothing"}, "unknown flag"},
	} {
		var out, err bytes.Buffer
		if status := run(c.args, &out, &err); status != cli.Wrong || !strings.Contains(err.String(), c.want) {
			t.Errorf("%v: status %d, %s; want %q", c.args, status, &err, c.want)
		}
	}
}

// TestHelp: each command has a short and a long help, and an example.
func TestHelp(t *testing.T) {
	for _, c := range rootCommand().Commands() {
		if c.Name() != "version" && (c.Short == "" || c.Long == "" || c.Example == "") {
			t.Errorf("%s: help is missing", c.Name())
		}
	}
	for _, args := range [][]string{{"--help"}, {"version"}, {"completion", "bash"}} {
		var out, err bytes.Buffer
		if status := run(args, &out, &err); status != cli.OK || out.Len() == 0 {
			t.Errorf("%v: status %d, %s", args, status, &err)
		}
	}
}

func TestWithDrainTime(t *testing.T) {
	plan := drain.Plan{Grace: 30 * time.Second, Min: 5 * time.Second, Max: 27 * time.Second, Upgrades: drain.Hold}
	for _, c := range []struct{ args, want []string }{
		{[]string{"envoy"}, []string{"envoy", "--drain-time-s", "27"}},
		{[]string{"envoy", "--drain-time-s", "60", "-c", "x"}, []string{"envoy", "--drain-time-s", "60", "-c", "x"}},
		{[]string{"envoy", "--drain-time-s=60"}, []string{"envoy", "--drain-time-s=60"}},
	} {
		if got, err := withDrainTime(c.args, plan); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, %v", c.args, got, err)
		}
	}
	if _, err := withDrainTime([]string{"envoy", "--drain-time-s", "3601"}, plan); err == nil {
		t.Error("3601 s are not refused")
	}
}

func TestCopy(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // a container that is started again
		if err := copyTo(dir); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	copied, err := os.Stat(filepath.Join(dir, "shutdown-manager"))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil || copied.Size() != self.Size() || copied.Mode() != executable {
		t.Errorf("copied %d bytes of %d, mode %v", copied.Size(), self.Size(), copied.Mode())
	}
	if err := copyTo(filepath.Join(dir, "none")); err == nil {
		t.Error("copied into no directory")
	}
}
