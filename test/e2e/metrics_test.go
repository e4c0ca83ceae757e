//go:build real

package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/xds/bootstrap"
)

// TestMetrics: promtool finds nothing to say about the metrics of a Legation with an
// Envoy; all that there is to tell is told, in fewer than 1,000 series.
func TestMetrics(t *testing.T) {
	w := newWired(t, newCerts(t))
	w.write(t, "tls.yaml", secure(t))
	w.apiTo(t, "web")
	w.await(t, "/api", "200 web")
	w.until(t, "the change is acknowledged", func() bool {
		return w.metric(t, `legation_fleet_envoys_current{fleet="legation"}`) == 1 && w.metric(t, `legation_input_objects{kind="Secret"}`) == 1 && w.metric(t, "legation_xds_update_to_ack_duration_seconds_count") > 0
	})
	answer, err := http.Get("http://" + w.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), filepath.Join(root, ".tools", "bin", "promtool"), "check", "metrics")
	check.Stdin = bytes.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v: %s", err, out)
	}
	documented(t, root, string(text))
	alerts := filepath.Join(root, "deploy", "helm", "legation", "alerts")
	for _, name := range []string{"control-plane", "envoy"} {
		for _, args := range [][]string{{"check", "rules", name + ".yaml"}, {"test", "rules", name + "_test.yaml"}} {
			cmd := exec.CommandContext(t.Context(), filepath.Join(root, ".tools", "bin", "promtool"), args...)
			cmd.Dir = alerts
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("promtool %v: %v: %s", args, err, out)
			}
		}
	}
	series := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			series++
		}
	}
	if series >= 1000 {
		t.Errorf("%d series", series)
	}
	t.Logf("%d series", series)
	for name, want := range map[string]float64{
		`legation_fleet_unacknowledged_change_age_seconds{fleet="legation"}`: 0,
		`legation_fleet_rejected_resources{fleet="legation"}`:                0,
		`legation_fleet_envoys_bootstrap_behind{fleet="legation"}`:           0,
		`legation_input_objects{kind="Ingress"}`:                             2,
		`legation_xds_streams`:                                               1,
		`legation_xds_nacks_total{type="CDS"}`:                               0,
	} {
		if got := w.metric(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	w.legation.end(t)
}

// secure is a host with TLS, as manifests.
func secure(t *testing.T) string {
	t.Helper()
	pair, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: secure, namespace: shop}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: secure, namespace: shop}
spec:
  ingressClassName: legation
  tls: [{hosts: [secure.localhost], secretName: secure}]
  rules:
  - host: secure.localhost
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
`, base64.StdEncoding.EncodeToString(pair.Certificate), base64.StdEncoding.EncodeToString(pair.Key))
}

// documented wants each metric of ours in docs/metrics.md, and each that an alert names
// among those that there are.
func documented(t *testing.T, root, text string) {
	t.Helper()
	read := func(parts ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{root}, parts...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	docs, names := read("docs", "metrics.md"), map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (legation_\w+) `).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
		if !strings.Contains(docs, "`"+m[1]) {
			t.Errorf("docs/metrics.md lacks %s", m[1])
		}
	}
	alerts := read("deploy", "helm", "legation", "alerts", "control-plane.yaml") + read("deploy", "helm", "legation", "alerts", "envoy.yaml")
	for _, name := range regexp.MustCompile(`\blegation_\w+`).FindAllString(alerts, -1) {
		if !names[name] && !strings.HasPrefix(name, "legation_status_") && name != "legation_dev_fleet" { // of a cluster; a label of the pod
			t.Errorf("an alert names %s, which there is not", name)
		}
	}
}
