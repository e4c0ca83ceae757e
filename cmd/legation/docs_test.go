package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write the pages of docs/cli")

// TestCommandPages: docs/cli has a page for each command, made of what --help says.
func TestCommandPages(t *testing.T) {
	t.Setenv(tlsVariable, "")
	t.Setenv(socketVariable, "")
	const folder = "../../docs/cli"
	made := t.TempDir()
	root := rootCommand()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd() // as when it is run
	if err := doc.GenMarkdownTree(root, made); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(made, "*.md"))
	if err != nil || len(pages) < len(root.Commands()) {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	there, _ := filepath.Glob(filepath.Join(folder, "*.md"))
	if *update {
		for _, old := range there {
			_ = os.Remove(old)
		}
		_ = os.MkdirAll(folder, 0o755)
	} else if len(there) != len(pages) {
		t.Errorf("docs/cli has %d pages, want %d: go test ./cmd/legation -run TestCommandPages -update", len(there), len(pages))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.TrimRight(string(text), "\n") + "\n")
		at := filepath.Join(folder, filepath.Base(page))
		if *update {
			if err := os.WriteFile(at, text, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if old, err := os.ReadFile(at); err != nil || !bytes.Equal(old, text) {
			t.Errorf("%s is not what the command says: go test ./cmd/legation -run TestCommandPages -update", at)
		}
	}
}
