//go:build real

package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"testing"

	"legation.dev/test/inprocess"
	"legation.dev/xds/bootstrap"
)

// series are the lines that Prometheus would read, by the Service that they are of.
func (w *suite) series() map[string][]string {
	w.t.Helper()
	text, err := w.Envoy.Get(w.t.Context(), "/stats/prometheus?usedonly")
	if err != nil {
		w.t.Fatal(err)
	}
	of := map[string][]string{}
	service := regexp.MustCompile(`namespace="` + inprocess.Namespace + `".*service="([^"]+)"|service="([^"]+)".*namespace="` + inprocess.Namespace + `"`)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if m := service.FindStringSubmatch(lines.Text()); m != nil {
			of[m[1]+m[2]] = append(of[m[1]+m[2]], lines.Text())
		}
	}
	return of
}

// TestSeries: with 1,000 Services that are all in use, Envoy has few series for each,
// with namespace and Service as labels; among them how many requests, how they were
// answered, and how long it took.
func TestSeries(t *testing.T) {
	const services, clients = 1000, 40
	w := newSuite(t, inprocess.Options{})
	oracle := w.many(services)
	running, end := w.everyHost(services, clients, oracle)
	w.more(running, 2*services)
	end()
	var of map[string][]string
	err := w.Await(t.Context(), func() error { // histograms come with the next flush
		of = w.series()
		for _, name := range []string{"s0", fmt.Sprint("s", services-1)} {
			for _, series := range []string{"envoy_cluster_upstream_rq_total{", "envoy_cluster_upstream_rq_xx{", "envoy_cluster_upstream_rq_time_count{"} {
				if !has(of[name], series) {
					return fmt.Errorf("%s has no %s: %.2000q", name, series, of[name])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(of) != services {
		t.Errorf("series of %d Services, want %d", len(of), services)
	}
	most := 0
	for name, lines := range of {
		if most = max(most, len(lines)); len(lines) > bootstrap.SeriesOfService {
			t.Fatalf("%s has %d series: %q", name, len(lines), lines)
		}
	}
	t.Logf("at most %d series for each of %d Services", most, len(of))
}

func has(lines []string, prefix string) bool {
	for _, l := range lines {
		if len(l) > len(prefix) && l[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}
