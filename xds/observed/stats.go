package observed

// Stat is a statistic of a cluster of which Envoys report.
type Stat int

// The statistics.
const (
	RqCompleted     Stat = iota // requests that were answered, by an endpoint or by Envoy in its place; retries are not counted
	Rq5xx                       // of these, with a status of 500 or above
	CxConnectFail               // connections to endpoints that did not come about
	CxDestroyRemote             // connections that an endpoint closed
	CxDestroyActive             // of these, with a request under way
	CxLength                    // how old connections were that ended
	Ejected                     // endpoints that outlier detection keeps out now
	CheckFailed                 // health checks that failed
	CxRequests                  // how many requests connections carried that ended
	RqTimeout                   // requests that no endpoint answered within request-timeout
	RqOverflow                  // requests that were refused, as the Service was at its limit
	RqTime                      // how long endpoints took to answer requests, all of the answer
	NumStats
	// Announced is no statistic of a cluster: how often an endpoint said after how many
	// seconds it closes (translator/render makes that of its answers).
	Announced
	// Connections are those of clients that a listener has open now.
	Connections
)

// names are Envoy's, within a cluster. It reports a counter only after it was first
// counted up, so what is well costs nothing: that is why the health of endpoints is
// told by what is wrong, and not by membership_healthy, which each cluster always has.
var names = [NumStats]string{"upstream_rq_completed", "upstream_rq_5xx", "upstream_cx_connect_fail", "upstream_cx_destroy_remote",
	"upstream_cx_destroy_remote_with_active_rq", "upstream_cx_length_ms", "outlier_detection.ejections_active", "health_check.failure",
	"upstream_rq_per_cx", "upstream_rq_timeout", "upstream_rq_pending_overflow", "upstream_rq_time"}

// String is Envoy's name of it.
func (s Stat) String() string {
	switch s {
	case Announced:
		return announced
	case Connections:
		return connections
	}
	return names[s]
}

// Connections are those of all workers: Envoy also counts them by worker, one word longer.
const ofListener, connections = "listener.", "downstream_cx_active"

// The name of Announced has its cluster and the seconds as labels:
// server_keepalive.announced.envoy.cluster_name.shop/web/80.seconds.5.
const announced, ofCluster, ofSeconds = "server_keepalive.announced", ".envoy.cluster_name.", ".seconds."

// LengthBounds are the upper bounds of the buckets of Lengths, in ms; one more bucket has
// what is older. Each but the last is somewhat above a time after which servers close an
// idle connection: gunicorn 2 s, Node (that closes at 6 s) and Apache 5 s, Tomcat 20 s,
// many 60 s and nginx 75 s.
var LengthBounds = [numBounds]float64{1000, 2500, 6500, 21000, 62000, 77000, 600000}

// TimeBounds are those of RqTime, in ms: what a person feels, and then what timeouts are
// set to. Prometheus has the same.
var TimeBounds = [numBounds]float64{5, 25, 100, 250, 1000, 5000, 30000}

// numBounds is how many bounds a histogram has that is reported in buckets.
const numBounds = 7

// RequestBounds are those of CxRequests: that of connections which carried one request only
// is enough beside the sum.
var RequestBounds = [...]float64{1}

// Buckets count connections that ended by how old they were: up to each of LengthBounds,
// and older; or requests by how long they took, in the same way by TimeBounds.
type Buckets [numBounds + 1]uint64

// Lengths is how old connections were that ended, or how many requests they carried. Envoy
// keeps two digits of each, so the sum is up to a twentieth too large.
type Lengths struct {
	Count uint64
	Sum   uint64 // of all ages, in ms, or of requests
}

// mean is that of one connection.
func (l Lengths) mean() float64 { return float64(l.Sum) / float64(max(l.Count, 1)) }

// Counts are the numbers of a Service.
type Counts struct {
	Requests, Errors        uint64 // RqCompleted, Rq5xx
	ConnectFailures         uint64 // CxConnectFail
	RemoteCloses            uint64 // CxDestroyRemote
	RemoteClosesInUse       uint64 // CxDestroyActive
	Lengths                 Lengths
	Carried                 Lengths // CxRequests
	Ejections, FailedChecks uint64  // Ejected, which is not a sum over time but the most at one of the Envoys; CheckFailed
	Timeouts, Overflows     uint64  // RqTimeout, RqOverflow
}

func (c *Counts) add(p Point) {
	switch p.Stat {
	case RqCompleted:
		c.Requests += p.Value
	case Rq5xx:
		c.Errors += p.Value
	case CxConnectFail:
		c.ConnectFailures += p.Value
	case CxDestroyRemote:
		c.RemoteCloses += p.Value
	case CxDestroyActive:
		c.RemoteClosesInUse += p.Value
	case CxLength:
		c.Lengths.Count += p.Lengths.Count
		c.Lengths.Sum += p.Lengths.Sum
	case CxRequests:
		c.Carried.Count += p.Lengths.Count
		c.Carried.Sum += p.Lengths.Sum
	case Ejected:
		c.Ejections = max(c.Ejections, p.Value)
	case CheckFailed:
		c.FailedChecks += p.Value
	case RqTimeout:
		c.Timeouts += p.Value
	case RqOverflow:
		c.Overflows += p.Value
	}
}

func (b *Buckets) add(more Buckets) {
	for i, n := range more {
		b[i] += n
	}
}

// Histograms are what is kept of a Service in buckets.
type Histograms struct {
	Buckets Buckets // divides Counts.Lengths
	Times   Buckets // of RqTime
}

func (h *Histograms) add(p Point) {
	switch {
	case p.Buckets == nil:
	case p.Stat == RqTime:
		h.Times.add(*p.Buckets)
	default:
		h.Buckets.add(*p.Buckets)
	}
}

// zero reports whether a point says that nothing happened.
func (p Point) zero() bool { return p.Value == 0 && p.Lengths.Count == 0 }
