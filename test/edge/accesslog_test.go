//go:build real

package edge

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
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
