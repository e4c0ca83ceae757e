//go:build real

package edge

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"legation.dev/test/envoy"
	"legation.dev/translator/policy"
)

// lines are those of an access log, after the end of its Envoy.
func (w *suite) lines(t *testing.T, file string) (list []map[string]any) {
	t.Helper()
	if err := w.envoy.Stop(); err != nil { // writes the rest
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, one)
	}
	return list
}

// expectLine wants fields of a line.
func expectLine(t *testing.T, line map[string]any, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if line[name] != value {
			t.Errorf("%s is %v, want %v, in %v", name, line[name], value, line)
		}
	}
}

// TestAccessLog: a line says what became of a request, why, and whose it was; each
// field that a line may have is one that Envoy knows.
func TestAccessLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	w := shop(t)
	w.settings["access-log"], w.settings["access-log-fields"] = file, "all"
	w.start(t)
	w.want(t, "a page", get("shop.example.com", "/page?a=b", "X-Request-Id: 7", "User-Agent: test"), 200, "web")
	w.want(t, "nobody's host", get("nobody.test", "/"), 404, "")
	lines := w.lines(t, file)
	if len(lines) != 2 {
		t.Fatalf("got %d lines: %v", len(lines), lines)
	}
	expectLine(t, lines[0], map[string]any{"method": "GET", "host": "shop.example.com", "path": "/page?a=b", "protocol": "HTTP/1.1", "status": 200.0,
		"details": "via_upstream", "client": "127.0.0.1", "cluster": "shop/web/80", "request_id": "7", "user_agent": "test", "tries": 1.0, "flags": "-"})
	if route, _ := lines[0]["route"].(string); !strings.HasPrefix(route, "shop/") {
		t.Errorf("the route %q does not begin with its Ingress", route)
	}
	for _, name := range []policy.LogField{"time", "duration", "upstream", "sent", "upstream_duration"} {
		if lines[0][string(name)] == nil {
			t.Errorf("no %s in %v", name, lines[0])
		}
	}
	expectLine(t, lines[1], map[string]any{"status": 404.0, "host": "nobody.test"})
}

// TestAccessLogErrors: with the filter a line is written for what failed only, and
// has the fields that were asked for.
func TestAccessLogErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	w := shop(t)
	w.settings["access-log"], w.settings["access-log-fields"], w.settings["access-log-filter"] = file, "status, path", "errors"
	w.start(t)
	w.want(t, "a page", get("shop.example.com", "/good"), 200, "web")
	w.want(t, "an error of the application", get("shop.example.com", "/bad?status=500"), 500, "web")
	lines := w.lines(t, file)
	if len(lines) != 1 || len(lines[0]) != 2 || lines[0]["status"] != 500.0 || lines[0]["path"] != "/bad?status=500" {
		t.Errorf("got %v", lines)
	}
}

// TestAccessLogLost: lines that cannot be written are counted as the alert
// LegationAccessLogLost reads it, and the requests are answered.
func TestAccessLogLost(t *testing.T) {
	w := shop(t)
	w.settings["access-log"] = "/dev/full"
	w.start(t)
	w.want(t, "a page", get("shop.example.com", "/page"), 200, "web")
	if err := w.envoy.WaitStat(t.Context(), "filesystem.write_failed", envoy.AtLeast(1)); err != nil {
		t.Error(err)
	}
}

// TestAccessLogUnread: of a pipe that nobody reads, as the standard output of a container may
// be, Envoy keeps what it would write, and no request waits. That is memory without a bound, so
// the alert LegationAccessLogStuck goes by the gauge that grows with it. When it is read at
// last, no line is lost and the memory comes back.
func TestAccessLogUnread(t *testing.T) {
	const requests, path = 500, 16 << 10 // of so many bytes
	file := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(file, os.O_RDWR, 0) // Envoy's own opening would wait for somebody to read
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	w := shop(t)
	w.settings["access-log"], w.settings["access-log-fields"] = file, "path"
	w.start(t)
	const gauge = "filesystem.write_total_buffered"
	before := w.allocated(t)
	long := "/" + strings.Repeat("x", path)
	for range requests {
		w.want(t, "a page", get("shop.example.com", long), 200, "web")
	}
	if err := w.envoy.WaitStat(t.Context(), gauge, envoy.AtLeast((requests-8)*path)); err != nil { // a pipe holds 64 KiB, and so much is being written
		t.Error(err)
	}
	full := w.allocated(t)
	if grown := full - before; grown < requests*path/2 {
		t.Errorf("Envoy has %d bytes more than before: is it bounded now? Then say so in docs/shutdown.md", grown)
	}
	in := bufio.NewReaderSize(pipe, 2*path)
	for i := range requests {
		if line, err := in.ReadString('\n'); err != nil || len(line) < path {
			t.Fatalf("line %d of %d: %d bytes, %v", i, requests, len(line), err)
		}
	}
	if err := w.envoy.WaitStat(t.Context(), gauge, func(n uint64) bool { return n == 0 }); err != nil {
		t.Error(err)
	}
	if after := w.allocated(t); after-before > (full-before)/2 {
		t.Errorf("%d bytes before, %d while nobody read, %d after", before, full, after)
	}
}

// allocated is the memory that Envoy has allocated, in bytes.
func (w *suite) allocated(t *testing.T) (n int64) {
	t.Helper()
	text, err := w.envoy.Get(t.Context(), "/memory")
	if err != nil {
		t.Fatal(err)
	}
	var memory struct {
		Allocated int64 `json:",string"`
	}
	if err := json.Unmarshal(text, &memory); err != nil {
		t.Fatal(err)
	}
	return memory.Allocated
}
