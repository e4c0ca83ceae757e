//go:build real

package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"legation.dev/xds/bootstrap"
)

// targetLabels are those that the monitors of the chart give to what they scrape at a port.
func targetLabels(p *corev1.Pod, port string) map[string]string {
	labels := map[string]string{"namespace": p.Namespace, "pod": p.Name, "instance": p.Status.PodIP + ":" + port, "job": "legation"}
	if fleet := p.Labels["legation.dev/fleet"]; fleet != "" {
		labels["legation_dev_fleet"], labels["job"] = fleet, "legation-envoy"
	}
	return labels
}

// ownNamespace is a label of Envoy that Prometheus renames, as the target has one, too.
var ownNamespace = regexp.MustCompile(`([{,])namespace="`)

// series are those of all pods as Prometheus would store them: name and labels, with the
// values of its start, when each counter is 0, and of now.
func (d *deployed) series() (list []map[string]string) {
	d.Helper()
	for component, ports := range map[string][]string{"envoy": {envoyMetrics, shutdownMetrics}, "control-plane": {ownMetrics}} {
		for _, p := range d.pods(component) {
			for _, port := range ports {
				var labels []string
				for name, value := range targetLabels(&p, port) {
					labels = append(labels, fmt.Sprintf("%s=%q", name, value))
				}
				for line := range strings.Lines(string(d.scraped(&p, port))) {
					name, value, _ := cutLast(strings.TrimSpace(line), " ")
					if strings.HasPrefix(line, "#") || value == "" || value == "NaN" {
						continue
					}
					metric, own, _ := strings.Cut(strings.TrimSuffix(ownNamespace.ReplaceAllString(name, `${1}exported_namespace="`), "}"), "{")
					if own != "" {
						own = "," + own
					}
					list = append(list, map[string]string{"series": metric + "{" + strings.Join(labels, ",") + own + "}", "values": "0 " + value + " " + value})
				}
			}
		}
	}
	return list
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// variables are what Grafana puts into a query before it asks.
var variables = strings.NewReplacer("[$__rate_interval]", "[5m]", `"$job"`, `".+"`, `"$fleet"`, `".+"`, `"$pod"`, `".+"`, `"$namespace"`, `".+"`, `"$service"`, `".+"`)

// queries are those of all dashboards, by where they are, and those of their variables.
func (d *deployed) queries() (all map[string]string, ofVariables []string) {
	d.Helper()
	files, err := filepath.Glob(path(d.T, "deploy", "helm", "legation", "dashboards", "*.json"))
	if err != nil || len(files) != 3 {
		d.Fatalf("%q, %v", files, err)
	}
	all = map[string]string{}
	for _, f := range files {
		var board struct {
			UID        string
			Templating struct {
				List []struct{ Type, Definition string }
			}
			Panels []struct {
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		text, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(text, &board)
		}
		if err != nil {
			d.Fatalf("%s: %v", f, err)
		}
		for _, p := range board.Panels {
			for _, q := range p.Targets {
				all[board.UID+": "+p.Title+", "+q.RefID] = variables.Replace(q.Expr)
			}
		}
		for _, v := range board.Templating.List {
			if v.Type == "query" {
				ofVariables = append(ofVariables, v.Definition)
			}
		}
	}
	return all, ofVariables
}

// secure makes a host with TLS, which the metrics of certificates tell of.
func (d *deployed) secure(ns string) {
	d.Helper()
	pair, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		d.Fatal(err)
	}
	in := ingress(ns, "counted")
	in.Name, in.Spec.Rules[0].Host = "secure", "secure.test"
	in.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"secure.test"}, SecretName: "secure"}}
	d.apply(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "secure"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key}}, in)
	for _, p := range d.pods("control-plane") {
		d.until(func() error {
			if text := string(d.scraped(&p, ownMetrics)); !strings.Contains(text, `legation_host_certificate_end_timestamp_seconds{fleet="legation",host="secure.test"`) {
				return fmt.Errorf("%s tells of no certificate", p.Name)
			}
			return nil
		})
	}
}

// dashboards: no query of a dashboard returns nothing on the metrics of this installation,
// which promtool is given, and each metric that one names exists: in what is scraped, or, if it has not counted
// yet and the query says what to show then, among the statistics that Envoys keep.
func (d *deployed) dashboards(ns string) {
	d.Helper()
	d.secure(ns)
	d.send(http.StatusOK, other, "/counted", "")
	series := d.series()
	exists := map[string]bool{} // metrics, and their labels
	for _, s := range series {
		name, labels, _ := strings.Cut(s["series"], "{")
		exists[name] = true
		for _, l := range labelName.FindAllStringSubmatch(labels, -1) {
			exists[l[1]] = true
		}
	}
	queries, ofVariables := d.queries()
	var tests []any
	for at, q := range queries {
		for _, name := range metricName.FindAllString(q, -1) {
			if !exists[name] && !(strings.Contains(q, "or vector(0)") && d.kept(name)) {
				d.Errorf("%s names %s, which there is not", at, name)
			}
		}
		// What is no number is nothing, too.
		tests = append(tests, map[string]any{"expr": fmt.Sprintf("count((%s) == (%[1]s)) > bool 0", q), "eval_time": "2m",
			"exp_samples": []any{map[string]any{"labels": "{}", "value": 1}}})
	}
	for _, v := range ofVariables {
		for _, name := range metricName.FindAllString(v, -1) {
			if !exists[name] {
				d.Errorf("%s names %s, which there is not", v, name)
			}
		}
	}
	file := filepath.Join(d.TempDir(), "dashboards.yaml")
	text, err := yaml.Marshal(map[string]any{"evaluation_interval": "1m", "tests": []any{map[string]any{"interval": "1m", "input_series": series, "promql_expr_test": tests}}})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		d.Fatal(err)
	}
	out, err := exec.CommandContext(d.ctx, path(d.T, ".tools", "bin", "promtool"), "test", "rules", file).CombinedOutput()
	if err != nil {
		d.Errorf("queries that return nothing: %v: %.4000s", err, out)
	}
	d.Logf("%d queries on %d series", len(tests), len(series))
}

var labelName = regexp.MustCompile(`(?:^|,)([a-z_]+)="`)

var metricName = regexp.MustCompile(`\b(?:legation|envoy|shutdown_manager|process)_[a-z0-9_]+[a-z0-9]\b`)

// kept reports whether the bootstrap lets Envoys keep a statistic of Services' clusters.
func (d *deployed) kept(name string) bool {
	d.Helper()
	stat, ok := strings.CutPrefix(name, "envoy_cluster_")
	if !ok {
		return strings.HasPrefix(name, "envoy_listener_downstream_") || strings.HasPrefix(name, "envoy_filesystem_")
	}
	for _, s := range bootstrap.ClusterStatistics() {
		if strings.ReplaceAll(s, ".", "_") == stat {
			return true
		}
	}
	return false
}
