package state

import (
	"testing"
	"time"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
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

// decoded is the View of a file.
func decoded(text []byte, source string) (input.View, error) {
	_, entries, err := decode(text, source, unsealed)
	if err != nil {
		return input.View{}, err
	}
	return lower.Stored(entries)
}
