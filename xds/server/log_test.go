package server

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"legation.dev/xds/snapshot"
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

// has reports whether some line contains all parts.
func (b *logBook) has(parts ...string) bool { return b.count(parts...) > 0 }

// count is how many lines contain all parts.
func (b *logBook) count(parts ...string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			n++
		}
	}
	return n
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

// TestOtherEnvoy: an Envoy of a version that nothing was measured on is served, and
// named in the log.
func TestOtherEnvoy(t *testing.T) {
	h := serve(t)
	h.store.Publish("edge", world(t, 1, 0), "start")
	for id, version := range map[string]string{"known": "1.40.3", "newer": "1.41.0"} {
		e := h.envoy(id, "edge")
		e.node.UserAgentVersionType = &corev3.Node_UserAgentVersion{UserAgentVersion: version}
		e.ask(snapshot.Cluster)
		h.until(id+" is connected", func() bool { return h.log.has("envoy connected", "version="+version) })
	}
	h.until("the newer one is named", func() bool { return h.log.has("not the one", "newer", "version=1.41.0") })
	if h.log.has("not the one", "version=1.40.3") {
		t.Error("a patch of the measured version is warned of")
	}
}
