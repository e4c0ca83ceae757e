package cli_test

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"legation.dev/cmd/cli"
)

// TestWriteFile: a file that does not fit leaves the old one, and nothing else.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "envoy.yaml")
	if err := cli.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	full := before
	full.Cur = 4096
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	wrong := cli.WriteFile(path, bytes.Repeat([]byte("new"), 4096), 0o600)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if wrong == nil || err != nil || string(text) != "old" {
		t.Errorf("%v; %q, %v", wrong, text, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}

	link := filepath.Join(dir, "link")
	if err := os.Symlink("envoy.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := cli.WriteFile(link, []byte("newer"), 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if text, _ := os.ReadFile(path); string(text) != "newer" || err != nil || info.Mode().IsRegular() {
		t.Errorf("%q, %v, %v", text, info, err)
	}
	if err := cli.WriteFile("/dev/null", []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}
