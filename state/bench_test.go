package state

import (
	"context"
	"slices"
	"testing"
	"time"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
)

// BenchmarkFile writes and reads a View of 10,000 Ingresses, in memory.
func BenchmarkFile(b *testing.B) {
	v := view(1, 10_000)
	h := header{Schema: input.EntrySchema(), Source: "s", Read: time.Unix(0, 0)}
	text, err := encode(h, v.Entries(), plain)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := encode(h, v.Entries(), plain); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(text)), "bytes")
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := decoded(text, h.Source); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkChange is what a change of endpoints takes in a View of 10,000 Ingresses, from its
// coming to the result of translation, while the View is written and while it is not. It is
// for a machine that has nothing else to do, each run beside the other one of its turn:
// for i in $(seq 9); do go test ./state -run NONE -bench Change -benchtime 10s; done
func BenchmarkChange(b *testing.B) {
	const n = 10_000
	for _, kept := range []bool{false, true} {
		b.Run(map[bool]string{false: "not written", true: "written"}[kept], func(b *testing.B) {
			w := worlds.New(1, worlds.Size{Services: n, Endpoints: 2, Ingresses: n}) // its endpoints become more
			start := input.View{}.With(w.All()...)
			first := translator.Translate(translator.Result{}, start)
			f, err := Open(Config{Path: b.TempDir(), Source: "s"})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				if kept {
					f.Run(ctx)
				}
			}()
			view, result, took := start, first, []time.Duration(nil)
			for b.Loop() {
				time.Sleep(time.Millisecond) // a benchmark of latency, not of throughput
				begin := time.Now()
				view = view.With(w.Endpoint(len(took) % n))
				result = translator.Translate(result, view)
				f.Offer(view)
				took = append(took, time.Since(begin))
			}
			cancel()
			<-done
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// decoded is the View of a file.
func decoded(text []byte, source string) (input.View, error) {
	_, entries, err := decode(text, source, unsealed)
	if err != nil {
		return input.View{}, err
	}
	return lower.Stored(entries)
}
