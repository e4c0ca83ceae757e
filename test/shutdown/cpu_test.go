//go:build real

package shutdown

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

const (
	// cpuChanges and cpuRequests each use far more than the hundredths of a second in
	// which the kernel counts.
	cpuChanges  = 400
	cpuRequests = 10_000
	// cpuRatio is how many times more those threads must use that do the work.
	cpuRatio = 3
)

// TestCPU: of the CPU time that shutdown-manager tells of its Envoy, configuration
// raises that of other threads, and requests that of workers, by which fleets are
// scaled.
func TestCPU(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.start(t, "one")
	w.churn(t, 0, warm)
	workers, others := p.cpu(t, func() { w.churn(t, warm, warm+cpuChanges) })
	t.Logf("%d changes: %.2f s of workers, %.2f s of others", cpuChanges, workers, others)
	if others < cpuRatio*workers || others == 0 {
		t.Errorf("%d changes used %.2f s of workers and only %.2f s of others", cpuChanges, workers, others)
	}
	workers, others = p.cpu(t, func() { w.request(t, cpuRequests) })
	t.Logf("%d requests: %.2f s of workers, %.2f s of others", cpuRequests, workers, others)
	if workers < cpuRatio*others || workers == 0 {
		t.Errorf("%d requests used only %.2f s of workers and %.2f s of others", cpuRequests, workers, others)
	}
}

// cpu is the seconds of CPU time that are told of some work.
func (p *proxy) cpu(t *testing.T, work func()) (workers, others float64) {
	t.Helper()
	const name = `envoy_cpu_seconds_total{threads=%q}`
	before := p.scrape(t)
	work()
	after := p.scrape(t)
	used := func(kind string) float64 {
		series := fmt.Sprintf(name, kind)
		if _, ok := after[series]; !ok {
			t.Fatalf("no series %s", series)
		}
		return after[series] - before[series]
	}
	return used("worker"), used("other")
}

// request sends requests over one connection.
func (w *suite) request(t *testing.T, n int) {
	t.Helper()
	client := fresh()
	defer client.CloseIdleConnections()
	for range n {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.http("one")+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
}
