package drain

import (
	"log/slog"
	"time"

	"legation.dev/drain/admin"
)

// Why a drain ended.
const (
	ReasonDone      = "done"       // nothing was left that is waited for
	ReasonDeadline  = "deadline"   // what was left was cut
	ReasonUnserved  = "unserved"   // Envoy had no listener yet
	ReasonEnvoyGone = "envoy-gone" // Envoy ended meanwhile
	ReasonAborted   = "aborted"    // the drain was told to stop
)

// Report is what became of those who were connected. Counts are of data
// listeners; they end with the last Reading, less than half a second before the end.
type Report struct {
	Reason  string  `json:"reason"`
	Seconds float64 `json:"seconds"`
	// RequestsFinished ended during the drain, ClosedGracefully is connections
	// that ended without a request under way, those that were idle at the end
	// included. IdleAtEnd is the part that heard of it by the end alone; at least so many,
	// since one of HTTP/2 may have had several requests.
	RequestsFinished uint64 `json:"requests_finished"`
	ClosedGracefully uint64 `json:"connections_closed_gracefully"`
	IdleAtEnd        uint64 `json:"connections_idle_at_end"`
	// LeftInUse is connections that ended under a request before the end, mostly
	// by the client.
	LeftInUse uint64 `json:"connections_ended_in_use"`
	// RequestsCut and UpgradesCut were active at the end.
	RequestsCut uint64 `json:"requests_cut"`
	UpgradesCut uint64 `json:"upgrades_cut"`
	// AnswersCut is connections whose client had not taken all of an answer at the end.
	// Some of RequestsCut and UpgradesCut may be among them: nobody knows which.
	AnswersCut uint64 `json:"answers_cut"`
	// CutFrom is the endpoints that these were with, at most maxHosts, and
	// CutFromOthers the number of such requests at further endpoints. Of an Envoy that ended
	// by itself they are those of the last look at them, which is a second old or, where it
	// takes long, 20 times as old as it took.
	CutFrom       []admin.Upstream `json:"cut_from,omitempty"`
	CutFromOthers uint64           `json:"cut_from_others,omitempty"`
	// Unread counts looks at Envoy's statistics that failed. If all failed, the
	// counts above are not known.
	Unread int  `json:"unread"`
	Known  bool `json:"known"`
}

// maxHosts is how many endpoints a report names: it must fit into the 4096 bytes
// that Kubernetes keeps of a termination message.
const maxHosts = 20

// Level is that of a line of the log about it: an Envoy that ended by itself is an error.
func (r Report) Level() slog.Level {
	if r.Reason == ReasonEnvoyGone {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// LogValue implements slog.LogValuer.
func (r Report) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("reason", r.Reason), slog.Float64("seconds", r.Seconds), slog.Bool("known", r.Known),
		slog.Uint64("requests_finished", r.RequestsFinished), slog.Uint64("connections_closed_gracefully", r.ClosedGracefully),
		slog.Uint64("connections_idle_at_end", r.IdleAtEnd), slog.Uint64("connections_ended_in_use", r.LeftInUse),
		slog.Uint64("requests_cut", r.RequestsCut), slog.Uint64("upgrades_cut", r.UpgradesCut), slog.Uint64("answers_cut", r.AnswersCut), slog.Int("unread", r.Unread),
	}
	if len(r.CutFrom) > 0 {
		attrs = append(attrs, slog.Any("cut_from", r.CutFrom), slog.Uint64("cut_from_others", r.CutFromOthers))
	}
	return slog.GroupValue(attrs...)
}

// tally is what a Report is made of.
type tally struct {
	first, last admin.Reading
	known       bool
	unread      int
}

func (t *tally) add(r admin.Reading, err error) {
	switch {
	case err != nil:
		t.unread++
	case !t.known:
		t.first, t.last, t.known = r, r, true
	default:
		t.last = r
	}
}

// report is pure.
func (t *tally) report(took time.Duration) Report {
	a, b := t.first, t.last
	inUse := less(b.ClosedInUse, a.ClosedInUse)
	idle := less(b.Connections, b.Requests) // a connection of HTTP/2 may hold more than one
	return Report{
		Seconds: took.Seconds(), Known: t.known, Unread: t.unread,
		RequestsFinished: less(b.Began+a.Requests, a.Began+b.Requests),
		ClosedGracefully: less(less(b.Closed, a.Closed), inUse) + idle,
		IdleAtEnd:        idle,
		LeftInUse:        inUse,
		RequestsCut:      less(b.Requests, b.Upgrades),
		UpgradesCut:      b.Upgrades,
		AnswersCut:       b.Unsent,
	}
}

// less is a - b, or 0: counters of a listener that is gone go with it.
func less(a, b uint64) uint64 { return a - min(a, b) }

// name adds the endpoints that were cut, those with the most first.
func (r *Report) name(busy []admin.Upstream) {
	for _, u := range busy[min(maxHosts, len(busy)):] {
		r.CutFromOthers += u.Requests
	}
	r.CutFrom = busy[:min(maxHosts, len(busy))]
}
