package render

import (
	"fmt"
	"testing"
)

// TestLimits: a full bucket holds what nginx lets through at once with its own
// multiplier, and hardly less at high rates; with others not more.
func TestLimits(t *testing.T) {
	for rate := uint32(1); rate <= 1000; rate++ {
		want := 5*rate + 1
		if rate > 127 {
			want--
		}
		if got := atOnce(rate, 5); got != want {
			t.Errorf("rate %d: %d at once, want %d", rate, got, want)
		}
		for _, m := range []uint32{1, 2, 3, 4, 7, 10, 20} {
			if got := atOnce(rate, m); got > m*rate+1 {
				t.Errorf("rate %d, multiplier %d: %d at once", rate, m, got)
			}
		}
	}
}

func atOnce(rate, multiplier uint32) uint32 {
	return bucket("second", 0, sizeFor(rate, multiplier)).TokenBucket.MaxTokens / cost(rate)
}

// TestLimitsOdd: whatever is asked for has a size that the listener has, and a cost
// that Envoy takes: otherwise it would limit nobody, or refuse all.
func TestLimitsOdd(t *testing.T) {
	there := map[string]bool{}
	for _, d := range limiter().Descriptors {
		there[d.Entries[0].Key+" "+d.Entries[0].Value] = true
	}
	for want, l := range map[string]Limits{
		"second 384 1.2e+08":      {PerSecond: 1, Burst: 5},
		"second 64 1.7142857e+07": {PerSecond: 7, Burst: 0},
		"minute 321 1.2e+06":      {PerMinute: 100, Burst: 5},
		"minute 640 937500":       {PerMinute: 128, Burst: 1000},
		"second 320 1":            {PerSecond: 4e9, Burst: 5},
	} {
		for unit, v := range l.Metadata().FilterMetadata[limitNamespace].Fields {
			said := v.GetStructValue().Fields
			size := unit + " " + said["size"].GetStringValue()
			if got := fmt.Sprint(size, " ", said["cost"].GetNumberValue()); got != want || !there[size] {
				t.Errorf("%+v: got %s, want %s; there is such a size: %t", l, got, want, there[size])
			}
		}
	}
	if m := (Limits{Of: "shop/web", Burst: 5}).Metadata(); m != nil {
		t.Errorf("no limits are %v", m)
	}
}
