package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"legation.dev/drain"
)

// TestEarlierReport: a report that was read before Envoy answered is forgotten once that
// turns out to be another Envoy; one of the Envoy that was seen stays.
func TestEarlierReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "drain.json")
	text, err := json.Marshal(drain.Report{Reason: drain.ReasonDeadline, RequestsCut: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	written := time.Now().Add(-10 * time.Second)
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
	s := &sidecar{path: path, log: slog.New(slog.DiscardHandler), since: written.Add(-time.Minute)}
	s.readReport()
	s.forget()
	if got := s.progress.State(); got.Report.RequestsCut != 3 {
		t.Fatalf("its own report was not kept: %+v", got)
	}
	s.since = written.Add(5 * time.Second) // an Envoy that started after it
	s.forget()
	s.readReport()
	if got := s.progress.State(); got.Begun || got.Report.Reason != "" {
		t.Errorf("the report of an earlier Envoy is told: %+v", got)
	}
}
