package server

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/limits"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// stream is one Envoy on one delta ADS stream. Three goroutines work on it:
//
//	           requests                        versions of the fleet
//	Envoy ───────────────▶ reader           broadcaster  (one for each core; it
//	  ▲                      │                 │     serves many streams)
//	  │               answer │                 │ offer
//	  │                      ▼                 ▼
//	  │            ┌──── the holder of turn does all of it ────┐
//	  └────────────│ take a request, prepare, send, set alarm  │
//	   responses   └───────────────────────────────────────────┘
//	                                   ▲
//	                                   │ catchUp
//	                                handler ◀── look: a nudge by one of the others
//	                                        ◀── its timer, view.Refreshed
//
// The reader waits for requests. It does what follows from one itself, so that an ACK
// wakes one goroutine and not two.
//
// The broadcaster hands over each new version. It must never wait, so it sends only if
// Envoy has answered everything, and no more than gRPC takes without waiting. Whatever
// may have to wait, and a stream whose turn is taken, it leaves to the handler, by a
// nudge.
//
// The handler is the goroutine in which gRPC called us; the stream ends when it
// returns. It waits for timers, for what only refreshes a version, and for nudges.
//
// A fourth, of people who look (CSDS, the admin interface), only reads the status.
//
// Who may touch which fields, and when:
//
//	fields                     reader   broadcaster   handler  people   guarded by
//	server ... look            read     read     read     no       nothing: they never change
//	missed                     no       write    write    no       nothing: it is atomic
//	left ... held              both     both     both     no       turn
//	conn                       both     both     both     status   seen; and turn, to change it
//
// Until begin there is only the handler, which needs no lock. begin tells broadcaster and
// people of the stream, with turn held.
//
// Locks are taken in the order turn, seen. Sending happens with turn held, and may
// wait for an Envoy that does not read. Nothing piles up meanwhile: the reader then
// waits for turn, so that flow control holds requests back; the broadcaster finds turn
// taken, and of all versions that it brought only the newest is looked at. seen is
// never held while sending, so people do not wait for such an Envoy.
type stream struct {
	// Set by meet, and never changed. admission and Session have locks of their own;
	// on grpc, only the holder of turn sends, and only the reader receives.
	server    *Server
	grpc      grpc.ServerStream
	call      *limits.Call
	session   *fleet.Session
	admission *admission
	log       *slog.Logger
	fleet     string
	node      fleet.Node
	look      chan struct{} // a nudge for the handler; it has room for one

	// missed says that a broadcaster came while turn was taken. The broadcaster sets it, catchUp
	// takes it back.
	missed atomic.Bool

	// turn is held by the one that works on the stream, until all it sends is sent. It
	// guards all fields down to held.
	turn sync.Mutex
	left bool // the handler returns, and nothing may be sent any more; answer and offer look at it first

	// What conn is to bring Envoy to.
	view   store.View // its target
	base   time.Time  // when that changed; zero until it does while this stream is open
	behind bool       // there is a newer version, which prepare takes when the pace allows
	pushed time.Time  // when a new target last led to a response; the pace counts from it

	// What was sent, or is to be.
	unsent  []delta.Response
	flying  int    // responses that were sent and have no answer
	pending []push // those of them that a new target led to; their ACK tells the delay

	// What the handler waits for. The others change it by nudging the handler.
	alarm time.Time // when it looks again by itself
	wide  bool      // it waits for view.Refreshed, too

	held int64 // names kept for this stream, as its party was told

	// seen guards conn. The holder of turn takes it to change conn, people to look.
	seen sync.Mutex
	conn *delta.Conn
}

// testedEnvoy is how the versions of Envoy begin that all tests run with.
const testedEnvoy = "1.40."

// logged is serve between two lines of the log.
func (st *stream) logged(node fleet.Node, first *request) error {
	began := time.Now()
	st.log.Info("envoy connected", "version", node.Version, "zone", node.Zone)
	if !strings.HasPrefix(node.Version, testedEnvoy) {
		st.log.Warn("this version of Envoy is not the one that the rules here were measured on", "version", node.Version, "measured", testedEnvoy+"x")
	}
	err := st.serve(first)
	st.log.Info("envoy disconnected", "after", time.Since(began).Round(time.Millisecond), "cause", err)
	return err
}

// serve answers first and what follows, and pushes what changes, until the
// stream ends.
func (st *stream) serve(first *request) error {
	if err := st.awaitFleet(first.Initial != nil); err != nil {
		return err
	}
	defer st.begin()()
	if err := st.answer(first); err != nil {
		return err
	}
	failed := make(chan error, 1) // so that the reader does not wait for us
	st.server.readers.Go(func() { failed <- st.read() })
	return st.work(failed)
}

// begin subscribes the stream to new versions. Call the returned function to
// unsubscribe; nothing is sent after it returns.
func (st *stream) begin() (leave func()) {
	st.turn.Lock()
	defer st.turn.Unlock()
	broadcaster := st.server.join(st)
	st.view, _ = st.server.store.Watch(st.fleet)
	st.conn = delta.Accept(st.session.Rejects())
	st.conn.Target(st.node.Of(st.view.Snapshot), st.session.Suspects())
	st.session.Serve(st.status)
	return func() {
		broadcaster.leave(st)
		st.turn.Lock()
		defer st.turn.Unlock()
		st.left = true
		_ = st.hold(0) // less is no error
	}
}

// awaitFleet waits until the fleet of this Envoy exists and, if Envoy has returned with a
// configuration, until what is served comes from the source: of what an earlier process
// stored it is not known whether it is newer than what Envoy runs. An Envoy that has said much
// does so no longer than Limits.Introduction, since that is kept meanwhile (see xds/limits):
// then it comes again.
func (st *stream) awaitFleet(returned bool) error {
	if st.served(returned) {
		return nil
	}
	st.admission.give()
	st.server.counters.waiting.Add(1)
	defer st.server.counters.waiting.Add(-1)
	if st.view.Number == 0 {
		st.log.Warn("envoy names an unknown fleet and waits", "fleets", st.server.store.Fleets())
	} else {
		st.log.Info("envoy keeps what it has: the source was not read yet, and what is stored may be older", "age", time.Since(st.view.Snapshot.Stored()).Round(time.Second))
	}
	for {
		select {
		case <-st.view.Changed:
		case <-st.view.Refreshed:
		case <-st.grpc.Context().Done():
			return st.grpc.Context().Err()
		case <-st.server.stopping:
			return errStopping
		}
		if st.served(returned) {
			return nil
		}
	}
}

// served looks whether there is something to serve to this Envoy.
func (st *stream) served(returned bool) (known bool) {
	st.view, known = st.server.store.Watch(st.fleet)
	return known && (!returned || st.view.Snapshot.Stored().IsZero())
}

// status is for people, from any goroutine.
func (st *stream) status() delta.Status {
	st.seen.Lock()
	defer st.seen.Unlock()
	return st.conn.Status()
}

// read answers requests until there are no more.
func (st *stream) read() error {
	r := new(request)
	for {
		if err := st.grpc.RecvMsg(r); err != nil { // fails when the handler has returned
			return err
		}
		st.server.counters.requests.Add(1)
		if err := st.answer(r); err != nil {
			return err
		}
	}
}

// answer gives the Conn one request and sends what follows. What is sent to an
// Envoy that asked for something is no push.
func (st *stream) answer(r *request) error {
	st.turn.Lock()
	defer st.turn.Unlock()
	if st.left {
		return nil
	}
	now := time.Now()
	if err := st.take(r, now); err != nil {
		return err
	}
	asked := r.Nonce == "" || r.Subscribe != nil
	wake := st.prepare(now, asked)
	err := st.send()
	st.tell(wake)
	return err
}

// offer tells the stream of a newer version. A broadcaster calls it and must not wait: so
// it sends only if Envoy has answered everything, and no more than gRPC takes without
// waiting. The rest is left to the handler.
func (st *stream) offer(view store.View) {
	if !st.turn.TryLock() {
		st.missed.Store(true)
		st.nudge()
		return
	}
	defer st.turn.Unlock()
	if st.left || st.view.Number >= view.Number {
		return
	}
	st.behind = true
	if st.flying > 0 || len(st.unsent) > 0 {
		st.nudge()
		return
	}
	wake := st.prepare(time.Now(), false)
	if size(st.unsent) > atOnce {
		st.nudge()
	} else if err := st.send(); err != nil {
		st.nudge() // the reader finds the same
	}
	st.tell(wake)
}

// tell wakes the handler if what it waits for has changed: it must now wake at an
// earlier time, or follow the endpoints of clusters that are no longer in any version.
func (st *stream) tell(wake time.Time) {
	if sooner := st.setAlarm(wake); sooner || st.conn.Lingers() && !st.wide {
		st.nudge()
	}
}

func (st *stream) nudge() {
	select {
	case st.look <- struct{}{}:
	default: // it is about to look
	}
}

// take gives the Conn one request.
func (st *stream) take(r *request, now time.Time) error {
	if r.err != nil {
		return st.server.refuse(st.log, r)
	}
	st.admission.heard()
	if r.URL == snapshot.VirtualHost.URL() {
		st.admission.give() // the last of the first requests
	}
	if r.Error != nil {
		r.Error.Message = redactError(r.URL, r.Error.Message)
	}
	if r.Initial != nil {
		r.Past = st.past()
	}
	st.seen.Lock()
	e := st.conn.Receive(r.Request, now)
	st.seen.Unlock()
	r.release()
	st.call.Done()
	st.note(e, r, now)
	return st.hold(int64(st.conn.Held()))
}

// past is the versions of the fleet before that of the target, newest first.
func (st *stream) past() (list []snapshot.Snapshot) {
	for _, v := range slices.Backward(st.server.store.History(st.fleet)) {
		if v.Number < st.view.Number {
			list = append(list, st.node.Of(v.Snapshot))
		}
	}
	return list
}

// work is the handler: it sends what reader and broadcaster leave to it, until the reader
// fails or the server stops.
func (st *stream) work(failed <-chan error) error {
	next, err := st.catchUp(false)
	if err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(next.alarm))
	defer timer.Stop()
	for {
		newer, rings := false, next.alarm
		select {
		case <-next.version:
			newer = true
		case <-timer.C:
			rings = time.Time{}
		case <-st.look:
		case err := <-failed:
			return err
		case <-st.server.stopping:
			return errStopping
		}
		if next, err = st.catchUp(newer); err != nil {
			return err
		}
		if next.alarm != rings {
			timer.Reset(time.Until(next.alarm))
		}
	}
}

// waiting is what the handler waits for, beside a nudge.
type waiting struct {
	version <-chan struct{} // nil if a broadcaster will tell
	alarm   time.Time
}

// catchUp sends what may be sent now, and says what to wait for.
func (st *stream) catchUp(newer bool) (waiting, error) {
	st.turn.Lock()
	defer st.turn.Unlock()
	now := time.Now()
	if st.missed.Swap(false) || newer {
		st.behind = true
	}
	if !now.Before(st.alarm) {
		st.alarm = now.Add(time.Hour) // for there is always one
	}
	wake := st.prepare(now, false)
	err := st.send()
	st.setAlarm(wake)
	next := waiting{alarm: st.alarm}
	if st.wide = st.conn.Lingers(); st.wide && !st.behind {
		next.version = st.view.Refreshed
	}
	return next, err
}

// setAlarm has the handler look at wake, unless it looks before that or wake is
// zero. It reports whether that is sooner than it knows.
func (st *stream) setAlarm(wake time.Time) (sooner bool) {
	if wake.IsZero() || !wake.Before(st.alarm) {
		return false
	}
	st.alarm = wake
	return true
}
