//go:build real

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/xds/admin/adminv1"
)

// TestTraffic: what clients sent through Envoy is what `legation traffic` shows, from an
// Envoy that reports on the wire of its configuration, by its certificate for that.
func TestTraffic(t *testing.T) {
	c := newCerts(t)
	w := newWired(t, c, "--reports", "1s")
	const good, bad = 41, 7
	w.send(t, good, "/api", "200 api")
	w.send(t, bad, "/api?status=503", "503 api")
	ask := func(args ...string) string {
		args = append([]string{"traffic", "--address", w.xds, "--tls", filepath.Join(c.dir, "legation-xds-operator")}, args...)
		out, err := exec.CommandContext(t.Context(), binary(t), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	var got adminv1.TrafficResponse
	w.until(t, "all of it is shown", func() bool {
		if err := protojson.Unmarshal([]byte(ask("shop/api", "--total", "-o", "json")), &got); err != nil {
			t.Fatal(err)
		}
		return len(got.GetTraffic()) == 1 && got.GetTraffic()[0].GetRequests() >= good+bad
	})
	if api := got.GetTraffic()[0]; api.GetRequests() != good+bad || api.GetErrors() != bad || api.GetConnectFailures() != 0 {
		t.Errorf("%v", api)
	}
	table := ask("--total")
	if row := regexp.MustCompile(fmt.Sprintf(`(?m)^legation +shop/api +- +%d +%d +0 `, good+bad, bad)); !row.MatchString(table) || strings.Contains(table, "legation-xds") {
		t.Errorf("the table is\n%s", table)
	}
	w.until(t, "the reports are counted", func() bool { return w.metric(t, "legation_observed_reports_total") > 0 })
	for _, name := range []string{"legation_observed_reports_refused_total", "legation_observed_points_unknown_total", "legation_observed_points_cut_total"} {
		if n := w.metric(t, name); n != 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
}

// send asks the shop n times.
func (w *wired) send(t *testing.T, n int, path, want string) {
	t.Helper()
	for range n {
		if got, err := w.ask(t.Context(), path); err != nil || got != want {
			t.Fatalf("%s: %s, %v", path, got, err)
		}
	}
}
