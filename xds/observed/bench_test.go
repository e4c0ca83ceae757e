package observed

import (
	"fmt"
	"runtime"
	"testing"

	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// busy is what an Envoy reports of n busy Services whose servers close connections, as
// the requests that it takes for that.
func busy(b *testing.B, n int) (requests [][]byte) {
	b.Helper()
	var all []*metricsv1.Metric
	for i := range n {
		of := fmt.Sprintf("cluster.team-%02d/service-%04d/http.", i%40, i)
		all = append(all, counter(of+"upstream_rq_completed", 17, delta), counter(of+"upstream_rq_5xx", 0, delta), counter(of+"upstream_cx_destroy_remote", 3, delta),
			lengths(of+"upstream_cx_length_ms", 6000, LengthBounds[:], 0, 3, 0, 0, 0, 0, 0, 0), lengths(of+"upstream_rq_per_cx", 9, RequestBounds[:], 1, 2),
			lengths(of+"upstream_rq_time", 300, TimeBounds[:], 5, 9, 2, 1, 0, 0, 0, 0))
	}
	for len(all) > 0 {
		k := min(len(all), PointsOfRequest)
		text, err := proto.Marshal(request(all[:k]...))
		if err != nil {
			b.Fatal(err)
		}
		requests, all = append(requests, text), all[k:]
	}
	return requests
}

// BenchmarkReport is what the whole report of one Envoy of 1,000 takes, from bytes to sums,
// and what a Book keeps of a window of 1,000 Envoys.
func BenchmarkReport(b *testing.B) {
	for _, services := range []int{50, 1000} {
		b.Run(fmt.Sprint(services), func(b *testing.B) {
			texts, size := busy(b, services), 0
			for _, t := range texts {
				size += len(t)
			}
			before := heap()
			book := New(Config{Known: func(string) func(string) bool { return func(string) bool { return true } }})
			add := func(envoy int) {
				for _, text := range texts {
					var m metricsv1.MetricsData
					if err := proto.Unmarshal(text, &m); err != nil {
						b.Fatal(err)
					}
					r, err := ReportOf(&m)
					if err != nil {
						b.Fatal(err)
					}
					r.Envoy = fmt.Sprint("envoy-", envoy)
					book.Add(r, noon)
				}
			}
			for envoy := range 1000 {
				add(envoy)
			}
			kept, pairs := heap()-before, book.now.pairs
			for i := 0; b.Loop(); i++ {
				add(i % 1000)
			}
			b.ReportMetric(float64(size), "B/report")
			b.ReportMetric(float64(len(texts)), "requests/report")
			b.ReportMetric(float64(kept)/(1<<20), "MiB/window")
			b.ReportMetric(float64(pairs), "pairs")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
