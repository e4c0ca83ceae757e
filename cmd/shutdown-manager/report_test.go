package main

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"legation.dev/drain"
	"legation.dev/drain/api"
	"legation.dev/drain/event"
)

// silent is an API server that takes a question and never answers it; asked is closed then.
func silent(t *testing.T) (client *api.Client, asked chan struct{}) {
	t.Helper()
	asked, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(asked)
		<-release
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	dir := t.TempDir()
	for name, text := range map[string]string{"token": "x", "ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &api.Client{URL: s.URL, Credentials: dir}, asked
}

// TestReportUnanswered: an API server that does not answer keeps no drain from ending, and its
// report is in the file before anybody is asked. The server waits for the end of the test.
func TestReportUnanswered(t *testing.T) {
	client, asked := silent(t)
	var log strings.Builder
	file := filepath.Join(t.TempDir(), "report")
	r := &reporter{path: file, pod: event.Pod{Namespace: "edge", Name: "envoy", UID: "1"}, api: client, within: 100 * time.Millisecond, log: slog.New(slog.NewTextHandler(&log, nil))}
	r.leave(t.Context(), drain.Report{Reason: drain.ReasonDone})
	select {
	case <-asked:
	default: // it did not get that far
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"reason":"done"`) {
		t.Errorf("the file has %q, %v", text, err)
	}
	if !strings.Contains(log.String(), "no Event has the report") {
		t.Errorf("the log has %q", log.String())
	}
}

// TestReportAtTheEnd: nor is it asked when an Envoy that hangs is to be killed.
func TestReportAtTheEnd(t *testing.T) {
	client, _ := silent(t)
	client.Credentials = "" // whoever asks says that there is no token
	var log strings.Builder
	p := &parent{log: slog.New(slog.NewTextHandler(&log, nil)), plan: drain.Plan{Grace: drain.MinGrace}}
	p.report = &reporter{pod: event.Pod{Namespace: "edge", Name: "envoy", UID: "1"}, api: client, within: time.Hour, log: p.log}
	p.leaveReport(t.Context(), drain.Report{}, time.Now().Add(-time.Hour))()
	if !strings.Contains(log.String(), "token") {
		t.Errorf("the log has %q", log.String())
	}
}
