//go:build real

package deploy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
)

// scraped is what Prometheus reads at a port of a pod.
func (d *deployed) scraped(p *corev1.Pod, port string) []byte {
	d.Helper()
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, "http://"+net.JoinHostPort(p.Status.PodIP, port)+"/metrics", nil)
	if err != nil {
		d.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		d.Fatalf("%s of %s: %s, %v", port, p.Name, answer.Status, err)
	}
	return text
}

// sum adds up a counter of all Envoys, or the count of a histogram, over the series that
// have the labels.
func (d *deployed) sum(name string, labels map[string]string) (n float64) {
	d.Helper()
	for _, p := range d.pods("envoy") {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(d.scraped(&p, envoyMetrics)))
		if err != nil {
			d.Fatal(err)
		}
		for _, m := range families[name].GetMetric() {
			if has(m, labels) {
				n += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return n
}

func has(m *dto.Metric, labels map[string]string) bool {
	found := 0
	for _, l := range m.GetLabel() {
		if want, ok := labels[l.GetName()]; ok && want == l.GetValue() {
			found++
		}
	}
	return found == len(labels)
}

// The ports that metrics are read at, by whose they are.
const (
	envoyMetrics    = "9904"
	shutdownMetrics = "9902"
	ownMetrics      = "18080"
)

// counted: the requests of a Service, its errors and how long they took are in Envoy's
// metrics under the names of the Service and its namespace, exactly as clients sent them.
func (d *deployed) counted(ns string) {
	d.Helper()
	const good, bad = 30, 5
	for range good {
		d.send(http.StatusOK, other, "/counted", "")
	}
	for range bad {
		d.send(http.StatusInternalServerError, other, "/counted?status=500", "")
	}
	for _, c := range []struct {
		name, class string
		want        float64
	}{
		{"envoy_cluster_upstream_rq_total", "", good + bad},
		{"envoy_cluster_upstream_rq_xx", "2", good},
		{"envoy_cluster_upstream_rq_xx", "5", bad},
		{"envoy_cluster_upstream_rq_time", "", good + bad},
	} {
		labels := map[string]string{"namespace": ns, "service": "counted"}
		if c.class != "" {
			labels["envoy_response_code_class"] = c.class
		}
		d.until(func() error { // histograms come with Envoy's next flush
			if got := d.sum(c.name, labels); got != c.want {
				return fmt.Errorf("%s%v is %v, want %v", c.name, labels, got, c.want)
			}
			return nil
		})
	}
}

// readable: promtool reads what each process of both pods tells, and finds nothing to
// say about the names of what is ours: those of Envoy are Envoy's. The control plane has
// fewer than 1,000 series.
func (d *deployed) readable() {
	d.Helper()
	lints := map[string]string{envoyMetrics: "none", shutdownMetrics: "all", ownMetrics: "all"}
	for component, ports := range map[string][]string{"envoy": {envoyMetrics, shutdownMetrics}, "control-plane": {ownMetrics}} {
		p := d.pods(component)[0]
		for _, port := range ports {
			text := d.scraped(&p, port)
			check := exec.CommandContext(d.ctx, path(d.T, ".tools", "bin", "promtool"), "check", "metrics", "--extended", "--lint="+lints[port])
			check.Stdin = bytes.NewReader(text)
			if out, err := check.CombinedOutput(); err != nil {
				d.Errorf("promtool on :%s of %s: %v: %.2000s", port, p.Name, err, out)
			}
			series := 0
			for one := range strings.Lines(string(text)) {
				if !strings.HasPrefix(one, "#") {
					series++
				}
			}
			d.Logf("%d series at :%s of %s", series, port, p.Name)
			if port == ownMetrics && series >= 1000 {
				d.Errorf("the control plane has %d series", series)
			}
		}
	}
}
