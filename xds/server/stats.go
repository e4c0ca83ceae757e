package server

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// Stats is what a Server has counted since it was made. It is a value.
type Stats struct {
	Streams       int64  // delta streams that are open now
	StreamsOpened uint64 // delta streams ever
	Waiting       int64  // of Streams, those whose fleet does not exist yet
	Requests      uint64 // delta requests read
	Undecodable   uint64 // requests whose bytes were no DeltaDiscoveryRequest
	StaleNonces   uint64 // ACKs and NACKs whose response this stream did not send, or that was answered before
	UnknownTypes  uint64 // requests for a type that is not served here
	Types         [snapshot.NumTypes]TypeStats
	// UpdateToACK is the time from the publication of a version to the ACK of
	// each response with resources that it caused, on streams that were open
	// when it was published. What Envoy asked for itself, and removals, which
	// are late on purpose, do not count.
	UpdateToACK Durations
}

// TypeStats counts what was sent of one resource type.
type TypeStats struct {
	Responses uint64
	Resources uint64
	Removed   uint64 // names in removed_resources
	Bytes     uint64 // encoded responses, without gRPC's own framing
	ACKs      uint64
	NACKs     uint64
}

// Total is the sum over all types.
func (s Stats) Total() TypeStats {
	var sum TypeStats
	for _, t := range s.Types {
		sum.Responses += t.Responses
		sum.Resources += t.Resources
		sum.Removed += t.Removed
		sum.Bytes += t.Bytes
		sum.ACKs += t.ACKs
		sum.NACKs += t.NACKs
	}
	return sum
}

// buckets is the number of buckets of Durations. Bucket 0 counts durations below 1 µs,
// bucket i those from 1 µs << (i-1) to below 1 µs << i, and the last bucket all from
// 67 s up.
const buckets = 28

// Durations is a histogram with a bucket for each power of two of a microsecond.
type Durations struct {
	Count   uint64
	Sum     time.Duration
	Max     time.Duration
	Buckets [buckets]uint64
}

func (d *Durations) add(x time.Duration) {
	x = max(x, 0)
	d.Count++
	d.Sum += x
	d.Max = max(d.Max, x)
	d.Buckets[min(bits.Len64(uint64(x/time.Microsecond)), buckets-1)]++
}

// Quantile is an upper bound of the q-quantile (0 < q ≤ 1), at most twice the
// true value; 0 if nothing was counted.
func (d Durations) Quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(d.Count)))
	var seen uint64
	for i, n := range d.Buckets {
		if seen += n; n > 0 && seen >= rank {
			return min(time.Microsecond<<i, d.Max)
		}
	}
	return 0
}

// counters are the live Stats. Streams add to them from their own goroutines.
type counters struct {
	streams, waiting                       atomic.Int64
	opened, requests, undecodable, unknown atomic.Uint64
	stale                                  atomic.Uint64

	mu          sync.Mutex // guards what follows
	types       [snapshot.NumTypes]TypeStats
	updateToACK Durations
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Streams: c.streams.Load(), Waiting: c.waiting.Load(), StreamsOpened: c.opened.Load(),
		Requests: c.requests.Load(), Undecodable: c.undecodable.Load(),
		StaleNonces: c.stale.Load(), UnknownTypes: c.unknown.Load(),
		Types: c.types, UpdateToACK: c.updateToACK,
	}
}

// rejected counts a NACK.
func (c *counters) rejected(t snapshot.Type) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.types[t].NACKs++
}

// sent counts a response of so many bytes.
func (c *counters) sent(r *delta.Response, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.types[r.Type]
	n.Responses++
	n.Resources += uint64(len(r.Resources))
	n.Removed += uint64(len(r.Removed))
	n.Bytes += uint64(bytes)
}

// acknowledged counts the ACK of a response. If a new target led to it, took is
// the time since then; else it is negative.
func (c *counters) acknowledged(t snapshot.Type, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.types[t].ACKs++
	if took >= 0 {
		c.updateToACK.add(took)
	}
}
