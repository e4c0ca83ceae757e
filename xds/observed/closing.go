package observed

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A server that closes a connection just when Envoy sends a request on it fails the request.
// Which servers do is told by two things: what they announce, and how old the connections
// were that they closed, and how many requests these had carried.
//
// Let a server close what has rested for T. A connection that carried r requests then lived
// at least T, and at most r times T: between two requests it never rested as long. So each
// Envoy, in each window in which all connections of a Service that ended were closed by its
// servers, says that T is between the mean age divided by the mean of requests, and the mean
// age. Where these ranges agree and are narrow, T is known. Servers that are restarted close
// connections of any age: their ranges do not agree, and so name nobody.

const (
	// memory is for how many windows what was seen counts.
	memory = 30
	// announcements is how many different times of one Service are kept, the shortest.
	announcements = 4
	// leastWindows is in how many windows a server must have closed connections; with less than
	// leastConnections of them, surelyWindows. The restart of a Service is seen in one window,
	// and restarts at random times agree by chance: four once in 200 times, seven once in
	// 30,000. Where load is low, each may have closed one connection alone.
	leastWindows, leastConnections, surelyWindows = 4, 12, 7
	// fewRequests are met by chance; for a limit as low, more connections must agree on it.
	fewRequests, manyCloses = 20, 10
	// agree is by what factor means that ought to be equal may differ.
	agree = 1.05
	// narrow is how much further than its beginning a range may reach, for its middle to be a
	// tenth away from both ends at most.
	narrow = 1.2
)

// Closing is what is known of when the servers of a Service close connections. Zero is
// unknown.
type Closing struct {
	Fleet, Service string
	Announced      []Announcement // by cluster; of each the shortest time
	// Rest is after how long without a request they close, as far as could be seen.
	Rest time.Duration
	// Age and Requests are of a connection when they close it. Where load is even, both are
	// known although only one of them is the reason.
	Age      time.Duration
	Requests uint32
}

// Announcement is what servers of a cluster say: after how long they close.
type Announcement struct {
	Cluster string
	After   time.Duration
}

type announcement struct {
	Announcement
	last time.Time // the window in which it was last heard; zero: never
}

// announce notes what a server says. If there are too many times, the shortest stay.
func (t *total) announce(p Point, at, since time.Time) {
	said := Announcement{p.Cluster, time.Duration(p.Seconds) * time.Second}
	longest := &t.says[0]
	for i := range t.says {
		a := &t.says[i]
		if a.Announcement == said {
			a.last = at
			return
		}
		if !a.last.After(since) {
			*a = announcement{Announcement: Announcement{After: math.MaxInt64}}
		}
		if a.After > longest.After {
			longest = a
		}
	}
	if said.After > 0 && said.After < longest.After {
		*longest = announcement{said, at}
	}
}

// span is the least and the most of a number.
type span struct{ least, most float64 }

func (s span) with(o span) span { return span{min(s.least, o.least), max(s.most, o.most)} }

// equal reports whether it is about one number.
func (s span) equal() bool { return s.most <= s.least*agree }

// closes is what servers of a Service closed in a window, or in several.
type closes struct {
	from          time.Time
	windows       int
	connections   uint64
	above         float64 // rests were at least so long, in ms
	ages, carried span    // ms, requests: means of Envoys
}

// closesOf is what an Envoy saw; false if other connections ended, too, or something else was
// wrong with the servers.
func closesOf(c Counts, from time.Time) (closes, bool) {
	n := c.RemoteCloses
	all := func(m uint64) bool { return m >= n-n/20 && m <= n+n/20 } // they are not read at the same moment
	if n == 0 || c.ConnectFailures > 0 || c.RemoteClosesInUse*10 > n || !all(c.Lengths.Count) || !all(c.Carried.Count) || c.Lengths.Sum == 0 {
		return closes{}, false
	}
	age, requests := c.Lengths.mean(), max(c.Carried.mean(), 1)
	return closes{from: from, windows: 1, connections: n, above: age / requests, ages: span{age, age}, carried: span{requests, requests}}, true
}

// and has both.
func (c closes) and(o closes) closes {
	return closes{c.from, c.windows + o.windows, c.connections + o.connections, max(c.above, o.above), c.ages.with(o.ages), c.carried.with(o.carried)}
}

// learn takes from a window that is over what servers closed.
func (b *Book) learn(w *window) {
	for _, f := range w.fleets {
		in := map[*sum]closes{}
		for _, at := range f.envoys {
			for s, counts := range at.counts {
				one, ok := closesOf(*counts, w.from)
				if !ok {
					continue
				}
				if before, more := in[s]; more {
					one = one.and(before)
					one.windows = 1
				}
				in[s] = one
			}
		}
		for s, c := range in {
			t := s.total
			t.closes = append(t.closes[max(0, len(t.closes)+1-memory):], c)
		}
	}
}

// Closing is what is known by now of servers that announce when they close connections, or
// that close them, by fleet and Service.
func (b *Book) Closing(now time.Time) (list []Closing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now != nil {
		b.turn(now)
	}
	since := b.since(now)
	for fleet, services := range b.total {
		for service, t := range services {
			one := judge(t.closes, since)
			one.Announced = t.announced(since)
			if one.Rest > 0 || one.Age > 0 || one.Requests > 0 || len(one.Announced) > 0 {
				one.Fleet, one.Service = fleet, service
				list = append(list, one)
			}
		}
	}
	slices.SortFunc(list, func(a, b Closing) int {
		return cmp.Or(cmp.Compare(a.Fleet, b.Fleet), cmp.Compare(a.Service, b.Service))
	})
	return list
}

// since is from when on what was seen counts.
func (b *Book) since(now time.Time) time.Time { return now.Add(-memory * b.cfg.Window) }

// announced are the shortest times, by cluster.
func (t *total) announced(since time.Time) (list []Announcement) {
	for _, a := range t.says {
		if a.last.After(since) {
			list = append(list, a.Announcement)
		}
	}
	slices.SortFunc(list, func(a, b Announcement) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.After, b.After))
	})
	return slices.CompactFunc(list, func(a, b Announcement) bool { return a.Cluster == b.Cluster })
}

// judge says what windows since then have in common.
func judge(list []closes, since time.Time) (c Closing) {
	var all closes
	for _, one := range list {
		if !one.from.After(since) {
			continue
		}
		if all.windows > 0 {
			one = all.and(one)
		}
		all = one
	}
	if all.windows < leastWindows || all.windows < surelyWindows && all.connections < leastConnections {
		return Closing{}
	}
	below := all.ages.least // rests were at most so long
	if all.above <= below*agree && below <= all.above*narrow {
		c.Rest = milliseconds(math.Sqrt(all.above * below))
		return c
	}
	if all.ages.equal() {
		c.Age = milliseconds((all.ages.least + all.ages.most) / 2)
	}
	if all.carried.equal() && (all.carried.least >= fewRequests || all.connections >= manyCloses) {
		c.Requests = uint32(twoDigits(all.carried.least))
	}
	return c
}

func milliseconds(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

// twoDigits is what Envoy was told of a number of which it keeps two digits and the middle
// between them and the next.
func twoDigits(n float64) float64 {
	unit := math.Pow(10, max(0, math.Floor(math.Log10(n))-1))
	return math.Floor(n/unit) * unit
}
