package inspect

import (
	"testing"

	"legation.dev/xds/admin/adminv1"
)

// TestPercentile: the request whose place it is decides, and what is beyond the last bound is
// said to be so.
func TestPercentile(t *testing.T) {
	bounds := []float64{5, 25, 1000, 5000}
	for name, c := range map[string]struct {
		buckets []uint64
		percent uint64
		want    string
	}{
		"one request":      {[]uint64{0, 1, 0, 0, 0}, 50, "5 to 25 ms"},
		"half":             {[]uint64{50, 50, 0, 0, 0}, 50, "at most 5 ms"},
		"more than half":   {[]uint64{49, 51, 0, 0, 0}, 50, "5 to 25 ms"},
		"one of a hundred": {[]uint64{0, 99, 1, 0, 0}, 99, "5 to 25 ms"},
		"two of a hundred": {[]uint64{0, 98, 2, 0, 0}, 99, "25 ms to 1 s"},
		"seconds":          {[]uint64{0, 0, 0, 7, 0}, 99, "1 to 5 s"},
		"beyond":           {[]uint64{0, 0, 0, 0, 7}, 99, "above 5 s"},
	} {
		if got := Percentile(&adminv1.Lengths{BoundsMs: bounds, Buckets: c.buckets}, c.percent).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for _, l := range []*adminv1.Lengths{nil, {BoundsMs: bounds}, {BoundsMs: bounds, Buckets: make([]uint64, 5)}, {Buckets: []uint64{1, 2}}} {
		if got := Percentile(l, 99); got != (Span{}) {
			t.Errorf("%v: %v", l, got)
		}
	}
}
