package load

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// examplesKept is how many failures are kept in full.
const examplesKept = 20

// Results is what the clients met.
type Results struct {
	Clients int
	// Requests is the number of requests, messages and handshakes of WebSockets
	// that ended, failed ones included.
	Requests uint64
	// Failed is the number of those that failed, Failures the same by kind:
	// "reset", "closed" (no answer, or a part), "timeout", "dial", "refused",
	// "handshake", "stream" (an HTTP/2 stream was reset), "broken" (not HTTP,
	// a wrong echo), "status 503", "wrong answer".
	Failed   uint64
	Failures map[string]uint64
	Examples []Failure // the first 20
	// Dials is how many connections were tried.
	Dials uint64
	// Closed is how many connections the peer ended, under a request or between
	// two, ConnectionClose how many answers said `Connection: close`, GoAways
	// how many GOAWAY frames came.
	Closed, ConnectionClose, GoAways uint64
	Forgiven                         uint64 // by Client.Forgive
	// P50, P99 and Max are times from a request to the end of its answer, the
	// first two to 1/16 of their value.
	P50, P99, Max time.Duration
}

// Failure is a request that failed.
type Failure struct {
	At         time.Time
	Dialled    time.Time // when the connection was
	Answered   time.Time // the last answer on that connection before; zero: none
	Client     string
	Host, Path string // empty when no connection came about
	Kind       string
	Err        string
	Status     int         // 0: no answer
	Header     http.Header // of the answer, Envoy's flags included if it sends any
	Body       string      // its beginning
}

func (f Failure) String() string {
	s := fmt.Sprintf("%s %s: %s%s: %s: %s%s", f.At.Format("15:04:05.000"), f.Client, f.Host, f.Path, f.Kind, f.Err, f.age())
	if f.Status == 0 {
		return s
	}
	var header strings.Builder
	f.Header.Write(&header) // sorted
	return fmt.Sprintf("%s\n  %d %q\n  %q", s, f.Status, header.String(), f.Body)
}

// age tells of the connection, if there was one.
func (f Failure) age() string {
	switch {
	case f.Dialled.IsZero() || f.Host == "":
		return ""
	case f.Answered.IsZero():
		return fmt.Sprintf(" (dialled %s before, never answered)", round(f.At.Sub(f.Dialled)))
	}
	return fmt.Sprintf(" (dialled %s before, answered %s before)", round(f.At.Sub(f.Dialled)), round(f.At.Sub(f.Answered)))
}

// Disturbed says what would have disturbed a client: any failure, any
// connection closed, or announced to be closed, or dialled a second time. Nil
// if nothing did.
func (r Results) Disturbed() error {
	var found []error
	note := func(n uint64, what string) {
		if n != 0 {
			found = append(found, fmt.Errorf("%d %s", n, what))
		}
	}
	note(r.Failed, "of the requests failed"+r.byKind())
	note(r.Closed, "connections were closed by the peer")
	note(r.ConnectionClose, "answers said Connection: close")
	note(r.GoAways, "GOAWAY frames came")
	if r.Dials != uint64(r.Clients) {
		found = append(found, fmt.Errorf("%d dials by %d clients", r.Dials, r.Clients))
	}
	for _, f := range r.Examples {
		found = append(found, errors.New(f.String()))
	}
	return errors.Join(found...)
}

// byKind is " (2 reset, 1 timeout)"; empty without failures.
func (r Results) byKind() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Failures)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.Failures[kind], kind))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (r Results) String() string {
	return fmt.Sprintf("%d requests, %d failed%s; %d clients, %d dials, %d closed, %d Connection: close, %d GOAWAY; p50 %s, p99 %s, max %s",
		r.Requests, r.Failed, r.byKind(), r.Clients, r.Dials, r.Closed, r.ConnectionClose, r.GoAways,
		round(r.P50), round(r.P99), round(r.Max))
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// recorder counts. All clients write to it at once.
type recorder struct {
	clients                                                     int // set before the first client starts
	requests, dials, closed, connectionClose, goAways, forgiven atomic.Uint64
	latency                                                     histogram

	mu       sync.Mutex // guards the fields below
	failures map[string]uint64
	examples []Failure
}

func (r *recorder) fail(f *Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == nil {
		r.failures = make(map[string]uint64)
	}
	r.failures[f.Kind]++
	if len(r.examples) < examplesKept {
		r.examples = append(r.examples, *f)
	}
}

func (r *recorder) results() Results {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := Results{
		Clients: r.clients, Requests: r.requests.Load(), Dials: r.dials.Load(), Closed: r.closed.Load(),
		ConnectionClose: r.connectionClose.Load(), GoAways: r.goAways.Load(), Forgiven: r.forgiven.Load(),
		Failures: maps.Clone(r.failures), Examples: slices.Clone(r.examples),
		Max: time.Duration(r.latency.max.Load()),
	}
	res.P50, res.P99 = r.latency.quantile(0.5), r.latency.quantile(0.99)
	for _, n := range r.failures {
		res.Failed += n
	}
	return res
}

const (
	// subBuckets is how many buckets of a histogram lie between two powers of two.
	subBuckets = 16
	subBits    = 4 // log2(subBuckets)
)

// histogram counts durations in buckets of 1/16 of their value.
type histogram struct {
	buckets [64 * subBuckets]atomic.Uint64
	max     atomic.Int64 // nanoseconds
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucket(d)].Add(1)
	for {
		old := h.max.Load()
		if int64(d) <= old || h.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// bucket is the number of d's bucket: the position of its highest bit and the
// subBits bits that follow.
func bucket(d time.Duration) int {
	n := uint64(max(d, subBuckets))
	shift := bits.Len64(n) - 1 - subBits
	return shift*subBuckets + int(n>>shift)
}

// bound is the largest duration of a bucket.
func bound(bucket int) time.Duration {
	shift := max(0, bucket/subBuckets-1)
	return time.Duration((bucket-shift*subBuckets+1)<<shift - 1)
}

// quantile is a duration that the share q of the durations does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	var total, seen uint64
	for i := range h.buckets {
		total += h.buckets[i].Load()
	}
	for i := range h.buckets {
		seen += h.buckets[i].Load()
		if total > 0 && float64(seen) >= q*float64(total) {
			return min(bound(i), time.Duration(h.max.Load()))
		}
	}
	return 0
}

// Answer is an answer that an oracle allows.
type Answer struct {
	Status  int
	Service string // empty: the answer names none
}

func (a Answer) String() string {
	return fmt.Sprintf("%d from %q", a.Status, cmp.Or(a.Service, "none"))
}
