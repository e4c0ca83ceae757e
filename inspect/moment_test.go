package inspect

import (
	"testing"
	"time"
)

// TestMoment: what people write for a moment, in a zone that is none of ours.
func TestMoment(t *testing.T) {
	zone := time.FixedZone("there", 2*60*60)
	now := time.Date(2026, 11, 28, 12, 30, 0, 0, time.UTC) // 14:30 there
	for text, want := range map[string]time.Time{
		"14:02":                time.Date(2026, 11, 28, 12, 2, 0, 0, time.UTC),
		"14:02:30":             time.Date(2026, 11, 28, 12, 2, 30, 0, time.UTC),
		"14:45":                time.Date(2026, 11, 27, 12, 45, 0, 0, time.UTC), // yesterday
		"2026-11-01 00:30":     time.Date(2026, 10, 31, 22, 30, 0, 0, time.UTC),
		"2026-11-28T14:02:00Z": time.Date(2026, 11, 28, 14, 2, 0, 0, time.UTC),
		"30m":                  now.Add(-30 * time.Minute),
	} {
		if got, err := Moment(text, now, zone); err != nil || !got.AsTime().Equal(want) {
			t.Errorf("%s: %v, %v, want %v", text, got.AsTime(), err, want)
		}
	}
	for _, text := range []string{"soon", "-30m", "25:00", "2026-11-28"} {
		if got, err := Moment(text, now, zone); err == nil {
			t.Errorf("%s is taken as %v", text, got.AsTime())
		}
	}
	if got, err := Moment("", now, zone); got != nil || err != nil {
		t.Errorf("nothing is %v, %v", got, err)
	}
}
