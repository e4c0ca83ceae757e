package load

import (
	"testing"
	"time"
)

func TestHistogramIsWithinASixteenth(t *testing.T) {
	var h histogram
	for d := time.Microsecond; d <= time.Second; d += time.Microsecond {
		h.add(d)
	}
	for _, tc := range []struct {
		q    float64
		want time.Duration
	}{
		{0.5, 500 * time.Millisecond},
		{0.99, 990 * time.Millisecond},
		{1, time.Second},
	} {
		got := h.quantile(tc.q)
		if got < tc.want || got > tc.want+tc.want/subBuckets {
			t.Errorf("quantile %g is %s, want %s to a sixteenth", tc.q, got, tc.want)
		}
	}
	if h.max.Load() != int64(time.Second) {
		t.Errorf("max is %d", h.max.Load())
	}
}

func TestBucketsHoldTheirBounds(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 15, 16, 17, 31, 32, 33, 1023, 1024, time.Hour, 1<<63 - 1} {
		b := bucket(d)
		if d > bound(b) || b > 0 && d > 16 && d <= bound(b-1) {
			t.Errorf("%d is in bucket %d, which ends at %d, after %d", d, b, bound(b), bound(max(0, b-1)))
		}
	}
}
