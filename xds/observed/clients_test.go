package observed

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

func opened(listener string, n uint64) Point {
	return Point{Listener: listener, Stat: Connections, Value: n}
}

// TestOpen: of each listener of each Envoy it is known how many connections it had when it was last
// told, and when that was; of an Envoy that tells nothing more, for at most two windows.
func TestOpen(t *testing.T) {
	b := book(Config{})
	if got := b.Open(noon, ""); got != nil {
		t.Errorf("before anything was reported: %v", got)
	}
	add := func(fleet, envoy string, at time.Duration, points ...Point) {
		t.Helper()
		b.Add(Report{Fleet: fleet, Envoy: envoy, Points: points}, noon.Add(at))
	}
	of := func(envoy, listener string, n uint64, at time.Duration) Open {
		return Open{"edge", envoy, listener, n, noon.Add(at)}
	}
	check := func(at time.Duration, want ...Open) {
		t.Helper()
		if got := b.Open(noon.Add(at), "edge"); !reflect.DeepEqual(got, want) {
			t.Errorf("after %s: %v, want %v", at, got, want)
		}
	}
	const s = time.Second
	add("edge", "a", 10*s, opened("https", 1200), opened("http", 7))
	add("edge", "b", 20*s, opened("https", 5))
	add("nobody", "a", 20*s, opened("https", 9))
	check(20*s, of("a", "http", 7, 10*s), of("a", "https", 1200, 10*s), of("b", "https", 5, 20*s))
	add("edge", "a", 40*s, opened("https", 0))                        // the rest of this report comes to another replica
	add("edge", "a", 70*s, opened("https", 3), requests("shop/x", 1)) // in the next window
	check(100*s, of("a", "http", 7, 10*s), of("a", "https", 3, 70*s), of("b", "https", 5, 20*s))
	check(130*s, of("a", "https", 3, 70*s))
	check(180 * s)
	if got := b.Open(noon.Add(130*s), "other"); got != nil {
		t.Errorf("of another fleet: %v", got)
	}
	if got := b.Total(Asked{}); len(got) != 1 || got[0].Requests != 1 {
		t.Errorf("connections of clients count as traffic of Services: %v", got)
	}
}

// TestOpenBounds: an Envoy may have a few listeners, and others are counted.
func TestOpenBounds(t *testing.T) {
	b := book(Config{})
	for i := range 1000 {
		b.Add(Report{Fleet: "edge", Envoy: "a", Points: []Point{opened(fmt.Sprint("made-up-", i), 1)}}, noon)
	}
	if got, want := b.Stats(), (Stats{Reports: 1000, Points: maxListeners, Cut: 1000 - maxListeners}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := b.Open(noon, ""); len(got) != maxListeners {
		t.Errorf("%d listeners are kept", len(got))
	}
}
