package envoy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStats(t *testing.T) {
	text := "cluster_manager.warming_clusters: 0\n" +
		"listener.127.0.0.1_80.downstream_cx_total: 7\n" +
		"cluster.a.upstream_rq_time: P0(nan,1) P25(nan,1.025)\n" +
		"server.version: \"text\"\n"
	want := map[string]uint64{
		"cluster_manager.warming_clusters":          0,
		"listener.127.0.0.1_80.downstream_cx_total": 7,
	}
	if d := cmp.Diff(want, parseStats([]byte(text))); d != "" {
		t.Error(d)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	line := strings.Repeat("x", 1023) + "\n"
	for range 3 * logKept / len(line) {
		log.Write([]byte(line))
	}
	log.Write([]byte("one\ntwo\n"))
	if got := log.last(2); got != "one\ntwo" {
		t.Errorf("last lines: %q", got)
	}
	if n := len(log.String()); n > logKept {
		t.Errorf("kept %d bytes, more than %d", n, logKept)
	}
}

func TestBinary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my-envoy")
	t.Setenv("ENVOY", path)
	if _, err := Binary(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("ENVOY names no file: error %v does not name it", err)
	}
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := Binary(); got != path || err != nil {
		t.Errorf("Binary() = %q, %v", got, err)
	}
}

func TestMissingBinarySaysWhatToDo(t *testing.T) {
	t.Setenv("ENVOY", "")
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("go.mod", []byte("module legation.dev\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Binary(); err == nil || !strings.Contains(err.Error(), "make envoy") {
		t.Errorf("error is %v", err)
	}
}
