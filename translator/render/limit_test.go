package render

import (
	"fmt"
	"testing"
	"time"
)

// TestLimits: a full bucket holds what nginx lets through at once with its own
// multiplier; with others not more. The rate is the one that was asked for, but for a
// little.
func TestLimits(t *testing.T) {
	for _, u := range units {
		for rate := uint32(1); rate <= 2000; rate++ {
			if got, want := atOnce(u, rate, 5), 5*rate+1; got != want {
				t.Errorf("%d in a %s: %d at once, want %d", rate, u.name, got, want)
			}
			high := 1.0
			if u.length == time.Minute && rate <= 64 {
				high = 1.02
			}
			if got := perUnit / float64(cost(u.sizeFor(rate, 5), rate, 5)) / float64(rate); got < 0.996 || got > high+1e-4 {
				t.Errorf("%d in a %s: the rate is %.4f of that", rate, u.name, got)
			}
			for _, m := range []uint32{0, 1, 2, 3, 4, 7, 10, 20} {
				if got := atOnce(u, rate, m); got > m*rate+1 && m > 0 {
					t.Errorf("%d in a %s, multiplier %d: %d at once", rate, u.name, m, got)
				}
			}
		}
	}
}

func atOnce(u unit, rate, multiplier uint32) uint32 {
	size := u.sizeFor(rate, multiplier)
	return bucket(u.name, u.length, size).TokenBucket.MaxTokens / cost(size, rate, multiplier)
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
		"second 321 1":            {PerSecond: 4e9, Burst: 5},
	} {
		for unit, v := range l.metadata().FilterMetadata[limitNamespace].Fields {
			said := v.GetStructValue().Fields
			size := unit + " " + said["size"].GetStringValue()
			if got := fmt.Sprint(size, " ", said["cost"].GetNumberValue()); got != want || !there[size] {
				t.Errorf("%+v: got %s, want %s; there is such a size: %t", l, got, want, there[size])
			}
		}
	}
	if m := (Limits{Of: "shop/web", Burst: 5}).metadata(); m != nil {
		t.Errorf("no limits are %v", m)
	}
}
