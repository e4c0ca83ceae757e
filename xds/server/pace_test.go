package server

import (
	"runtime"
	"testing"
	"time"
)

func TestGap(t *testing.T) {
	cores := int64(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		streams int64
		want    time.Duration
	}{
		{0, 0},
		{100 * cores, 5 * time.Millisecond},
		{1000000 * cores, 50 * time.Millisecond},
	} {
		if got := gap(c.streams); got != c.want {
			t.Errorf("gap(%d) = %v, want %v", c.streams, got, c.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	var d Durations
	if d.Quantile(0.5) != 0 {
		t.Error("nothing counted has a quantile")
	}
	for i := range 100 {
		d.add(time.Duration(i+1) * time.Millisecond)
	}
	if d.Count != 100 || d.Max != 100*time.Millisecond || d.Sum != 5050*time.Millisecond {
		t.Errorf("count %d, max %v, sum %v", d.Count, d.Max, d.Sum)
	}
	for q, exact := range map[float64]time.Duration{0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond, 1: 100 * time.Millisecond} {
		if got := d.Quantile(q); got < exact || got > 2*exact {
			t.Errorf("quantile %v is %v, want %v up to twice that", q, got, exact)
		}
	}
}
