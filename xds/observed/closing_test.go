package observed

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// kept is a number as a histogram of Envoy has it: two digits, and the middle to the next.
func kept(n float64) float64 {
	if n <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(n))-1)
	return (math.Floor(n/unit) + 0.5) * unit
}

// seen is a connection that ended.
type seen struct {
	age      time.Duration
	requests int
}

// ended are the points of a report by which connections to a Service ended, so many of them
// closed by servers.
func ended(cluster string, remote int, list ...seen) []Point {
	ages, requests := 0.0, 0.0
	for _, c := range list {
		ages += kept(float64(c.age.Milliseconds()))
		requests += kept(float64(c.requests))
	}
	n := uint64(len(list))
	return []Point{{Cluster: cluster, Stat: CxDestroyRemote, Value: uint64(remote)},
		{Cluster: cluster, Stat: CxLength, Lengths: Lengths{n, uint64(ages)}, Buckets: new(Buckets)},
		{Cluster: cluster, Stat: CxRequests, Lengths: Lengths{n, uint64(requests)}}}
}

// play has an Envoy report for so many windows, and says what is known then.
func play(windows int, report func(window int) []Point) Closing {
	b := book(Config{})
	at := noon
	for i := range windows {
		b.Add(Report{Fleet: "edge", Envoy: "a", Points: report(i)}, at)
		at = at.Add(DefaultWindow)
	}
	if list := b.Closing(at); len(list) > 0 {
		return list[0]
	}
	return Closing{}
}

const web = "shop/web/http"

// TestClosing: servers that close are named by what they do, after four windows; after seven
// where these had few connections.
func TestClosing(t *testing.T) {
	const second = time.Second
	random := rand.New(rand.NewPCG(1, 2))
	short := func() time.Duration { return time.Duration(random.IntN(50)) * time.Millisecond }
	for name, c := range map[string]struct {
		windows int
		report  func(int) []Point
		want    Closing
	}{
		"one request on each": {7, func(int) []Point { return ended(web, 2, seen{2 * second, 1}, seen{2*second + short(), 1}) }, Closing{Rest: 2 * second}},
		"a third window is too few": {3, func(int) []Point {
			return ended(web, 4, seen{2 * second, 1}, seen{2 * second, 1}, seen{2 * second, 1}, seen{2 * second, 1})
		}, Closing{}},
		"six windows with one connection each": {6, func(int) []Point { return ended(web, 1, seen{2 * second, 1}) }, Closing{}},
		"some with several": {4, func(i int) []Point {
			return ended(web, 4, seen{2 * second, 1}, seen{2 * second, 1}, seen{2 * second, 1}, seen{time.Duration(2+i%2) * second, 1 + i%2})
		}, Closing{Rest: 2 * second}},
		"after 100 requests": {7, func(i int) []Point {
			return ended(web, 2, seen{time.Duration(3+7*i) * second, 100}, seen{time.Duration(4+9*i) * second, 100})
		}, Closing{Requests: 100}},
		"after 3 s of age":              {7, func(i int) []Point { return ended(web, 2, seen{3 * second, 4 + 50*i}, seen{3 * second, 9}) }, Closing{Age: 3 * second}},
		"even load":                     {7, func(i int) []Point { return ended(web, 1, seen{3 * second, 30}) }, Closing{Age: 3 * second, Requests: 30}},
		"few requests, few connections": {4, func(i int) []Point { return ended(web, 1, seen{time.Duration(4+9*i) * second, 3}) }, Closing{}},
		"Envoy closes some":             {9, func(int) []Point { return ended(web, 1, seen{2 * second, 1}, seen{3 * second, 1}) }, Closing{}},
		"closed in use": {9, func(int) []Point {
			return append(ended(web, 1, seen{2 * second, 1}), Point{Cluster: web, Stat: CxDestroyActive, Value: 1})
		}, Closing{}},
		"nobody listens sometimes": {9, func(int) []Point {
			return append(ended(web, 1, seen{2 * second, 1}), Point{Cluster: web, Stat: CxConnectFail, Value: 1})
		}, Closing{}},
		"an older bootstrap": {9, func(int) []Point { return ended(web, 1, seen{2 * second, 1})[:2] }, Closing{}},
		"restarts":           {9, func(i int) []Point { return ended(web, 1, seen{time.Duration(7+31*i) * second, 1}) }, Closing{}},
		"restarts of a busy Service": {9, func(i int) []Point {
			return ended(web, 2, seen{time.Duration(7+31*i) * second, 400 * (i + 1)}, seen{time.Duration(11+31*i) * second, 900 * (i + 1)})
		}, Closing{}},
	} {
		got := play(c.windows, c.report)
		if got.Requests != c.want.Requests || !within(got.Rest, c.want.Rest) || !within(got.Age, c.want.Age) || len(got.Announced) > 0 {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// within reports whether a time is known to a fifth.
func within(got, want time.Duration) bool { return (got-want).Abs()*5 <= want }

// TestRest: whatever clients do, a server that closes what rested for a time is named with
// that time, to an eighth, or not at all.
func TestRest(t *testing.T) {
	named := 0
	rapid.Check(t, func(t *rapid.T) {
		rest := time.Duration(rapid.IntRange(300, 120_000).Draw(t, "rest")) * time.Millisecond
		windows := rapid.IntRange(1, 10).Draw(t, "windows")
		most := rapid.IntRange(1, 6).Draw(t, "requests of a connection")
		got := play(windows, func(int) []Point {
			var list []seen
			for range rapid.IntRange(0, 5).Draw(t, "connections") {
				c := seen{rest, 1}
				for range rapid.IntRange(0, most-1).Draw(t, "more requests") {
					c.age += time.Duration(rapid.Float64Range(0, 0.99).Draw(t, "pause") * float64(rest))
					c.requests++
				}
				list = append(list, c)
			}
			return ended(web, len(list), list...)
		})
		if got.Rest > 0 {
			named++
			if (got.Rest-rest).Abs()*8 > rest {
				t.Errorf("%v is taken for %v", rest, got.Rest)
			}
		}
	})
	if named == 0 {
		t.Error("no server was named")
	}
}

// TestAnnounced: of what servers say the shortest time of each cluster is known, for half an
// hour after it was last said, and there is no room for endless new ones.
func TestAnnounced(t *testing.T) {
	b := book(Config{})
	say := func(at time.Time, cluster string, seconds uint32) {
		b.Add(Report{Fleet: "edge", Envoy: "a", Points: []Point{{Cluster: cluster, Stat: Announced, Value: 1, Seconds: seconds}}}, at)
	}
	for n := range uint32(1000) {
		say(noon, web, 2000-n)
	}
	say(noon, web, 0)
	say(noon, "shop/web/other", 5)
	say(noon, web, 7)
	want := "[{shop/web/http 7s} {shop/web/other 5s}]"
	if got := b.Closing(noon.Add(time.Minute)); len(got) != 1 || fmt.Sprint(got[0].Announced) != want {
		t.Errorf("%+v, want %s", got, want)
	}
	say(noon.Add(20*time.Minute), web, 9)
	if got := b.Closing(noon.Add(40 * time.Minute)); len(got) != 1 || fmt.Sprint(got[0].Announced) != "[{shop/web/http 9s}]" {
		t.Errorf("%+v", got)
	}
	if got := b.Closing(noon.Add(60 * time.Minute)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestClosingEnds: what was seen long ago names nobody, nor what was seen before a process
// was started.
func TestClosingEnds(t *testing.T) {
	b := book(Config{})
	for i := range 100 {
		b.Add(Report{Fleet: "edge", Envoy: fmt.Sprint("envoy-", i%3), Points: ended(web, 1, seen{2 * time.Second, 1})}, noon.Add(time.Duration(i)*time.Minute))
	}
	end := noon.Add(100 * time.Minute)
	if got := b.Closing(end); len(got) != 1 || !within(got[0].Rest, 2*time.Second) {
		t.Errorf("%+v", got)
	}
	if n := len(b.total["edge"]["shop/web"].closes); n > memory {
		t.Errorf("%d windows are kept", n)
	}
	if got := b.Closing(end.Add(memory * time.Minute)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
