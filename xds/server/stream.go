package server

import (
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// stream is one Envoy on one delta ADS stream. All of it belongs to the
// goroutine that runs serve; a second one only reads (see receive). While this
// one waits for a slow Envoy in send, nothing piles up: flow control holds the
// requests back, and of the versions missed meanwhile only the last is looked at.
type stream struct {
	server   *Server
	grpc     grpc.ServerStream
	requests <-chan received[*request]
	session  *fleet.Session
	hello    *helloToken
	log      *slog.Logger
	fleet    string

	conn    *delta.Conn
	view    store.View           // the target of conn
	base    time.Time            // when the target changed; zero until it does while this stream is open
	behind  bool                 // there is a newer one, not yet taken for the sake of pace
	pushed  time.Time            // when a new target last led to a response
	heard   time.Time            // when the last request came
	pending map[string]time.Time // nonce → base when it was sent
	status  delta.Status         // after the last flush
}

// logged is serve between two lines of the log.
func (st *stream) logged(node fleet.Node, first *request) error {
	began := time.Now()
	st.log.Info("envoy connected", "version", node.Version, "zone", node.Zone)
	err := st.serve(first)
	st.log.Info("envoy disconnected", "after", time.Since(began).Round(time.Millisecond), "cause", err)
	return err
}

// serve answers first and what follows, and pushes what changes, until the
// stream ends.
func (st *stream) serve(first *request) error {
	if err := st.awaitFleet(); err != nil {
		return err
	}
	st.conn = delta.Accept(st.session.Rejects())
	st.pending = map[string]time.Time{}
	now := time.Now()
	st.conn.Target(st.view.Snapshot, st.session.Suspects())
	asked, err := st.take(first, now)
	if err != nil {
		return err
	}
	timer := time.NewTimer(helloPatience)
	defer timer.Stop()
	for {
		wake, err := st.flush(now, asked)
		if err != nil {
			return err
		}
		timer.Reset(time.Until(wake))
		if now, asked, err = st.wait(timer); err != nil {
			return err
		}
	}
}

// awaitFleet waits until the fleet of this Envoy exists.
func (st *stream) awaitFleet() error {
	var known bool
	if st.view, known = st.server.store.Watch(st.fleet); known {
		st.session.Serve()
		return nil
	}
	st.hello.give()
	st.server.counters.waiting.Add(1)
	defer st.server.counters.waiting.Add(-1)
	st.log.Warn("envoy names an unknown fleet and waits", "fleets", st.server.store.Fleets())
	for !known {
		select {
		case <-st.view.Changed:
			st.view, known = st.server.store.Watch(st.fleet)
		case <-st.grpc.Context().Done():
			return st.grpc.Context().Err()
		case <-st.server.stopping:
			return errStopping
		}
	}
	st.session.Serve()
	return nil
}

// take gives the Conn one request. It reports whether Envoy asked for
// something: what is sent then is no push.
func (st *stream) take(r *request, now time.Time) (asked bool, err error) {
	if r.err != nil {
		return false, st.server.refuse(st.log, r)
	}
	st.heard = now
	if r.URL == snapshot.VirtualHost.URL() {
		st.hello.give() // the last of the first requests
	}
	if r.Error != nil {
		r.Error.Message = redactError(r.URL, r.Error.Message)
	}
	e := st.conn.Receive(r.Request, now)
	r.release()
	st.note(e, r, now)
	return r.Nonce == "" || r.Subscribe != nil, nil
}

// wait sleeps until there is something to do. A request it hands on at once.
func (st *stream) wait(timer *time.Timer) (now time.Time, asked bool, err error) {
	newer := st.view.Changed
	if st.lingers() {
		newer = st.view.Refreshed
	}
	if st.behind {
		newer = nil // it is known already; the timer ends the pause
	}
	select {
	case r := <-st.requests:
		if r.err != nil {
			return now, false, r.err
		}
		st.server.counters.requests.Add(1)
		now = time.Now()
		asked, err = st.take(r.message, now)
		return now, asked, err
	case <-newer:
		st.behind = true
	case <-timer.C:
	case <-st.server.stopping:
		return now, false, errStopping
	}
	return time.Now(), false, nil
}

// flush sends what may be sent now and says when there may be more.
func (st *stream) flush(now time.Time, asked bool) (wake time.Time, err error) {
	pushing := st.retarget(now)
	responses, wake := st.conn.Next(now)
	for i := range responses {
		if err := st.send(&responses[i], asked); err != nil {
			return wake, err
		}
	}
	if pushing && len(responses) > 0 {
		st.pushed = now
	}
	st.status = st.conn.Status()
	st.session.Report(st.status)
	return st.earliest(wake, now), nil
}

// retarget looks at the newest version, unless this Envoy got a push too
// recently.
func (st *stream) retarget(now time.Time) bool {
	if !st.behind || now.Before(st.due()) {
		return false
	}
	st.behind = false
	before := st.view.Number
	st.view, _ = st.server.store.Watch(st.fleet)
	if st.base = now; st.view.Number != before {
		st.base = st.view.Time
	}
	st.conn.Target(st.view.Snapshot, st.session.Suspects())
	return true
}

// lingers says whether Envoy may have clusters that are not in the target:
// their endpoints change without a new version.
func (st *stream) lingers() bool {
	return !st.status.Types[snapshot.Cluster].Have.Same(st.view.Snapshot.Of(snapshot.Cluster))
}

// due is when the next push may go out.
func (st *stream) due() time.Time {
	return st.pushed.Add(gap(st.server.counters.streams.Load()))
}

// earliest is when the stream must look again: when its Conn says so (never, if
// wake is zero), when a push is due, when its patience for first requests ends.
func (st *stream) earliest(wake, now time.Time) time.Time {
	if wake.IsZero() {
		wake = now.Add(time.Hour)
	}
	if st.behind && st.due().Before(wake) {
		wake = st.due()
	}
	if !st.hello.held {
		return wake
	}
	end := st.heard.Add(helloPatience)
	if !now.Before(end) {
		st.hello.give()
		return wake
	}
	if end.Before(wake) {
		return end
	}
	return wake
}

// send writes one response. It waits as long as Envoy does not read.
func (st *stream) send(r *delta.Response, asked bool) error {
	data := encodeResponse(r)
	st.server.counters.count(r.Type, func(c *TypeStats) {
		c.Responses++
		c.Resources += uint64(len(r.Resources))
		c.Removed += uint64(len(r.Removed))
		c.Bytes += uint64(data.Len())
	})
	if !st.base.IsZero() && !asked && len(r.Resources) > 0 {
		st.pending[r.Nonce] = st.base
	}
	return st.grpc.SendMsg(frame(data))
}
