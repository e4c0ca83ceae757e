package server

import (
	"time"

	"legation.dev/xds/delta"
)

// This file has what a stream sends, and when. Who calls it holds turn.

// push is a response that a new target led to.
type push struct {
	nonce string
	base  time.Time // when the target changed
}

// prepare finds out what may be sent now, and says when there may be more; zero,
// if only after something else.
func (st *stream) prepare(now time.Time, asked bool) (wake time.Time) {
	st.seen.Lock()
	pushing := st.retarget(now)
	responses, wake := st.conn.Next(now)
	st.seen.Unlock()
	if pushing && len(responses) > 0 {
		st.pushed = now
	}
	for _, r := range responses {
		if !st.base.IsZero() && !asked && len(r.Resources) > 0 {
			st.pending = append(st.pending, push{r.Nonce, st.base})
		}
	}
	if len(st.unsent) == 0 {
		st.unsent = responses
	} else {
		st.unsent = append(st.unsent, responses...)
	}
	return st.earliest(wake)
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
	st.conn.Target(st.node.Of(st.view.Snapshot), st.session.Suspects())
	return true
}

// due is when the next push may go out.
func (st *stream) due() time.Time {
	return st.pushed.Add(gap(st.server.counters.streams.Load()))
}

// earliest is when the stream must look again: when its Conn says so, when a
// push is due; zero for never.
func (st *stream) earliest(wake time.Time) time.Time {
	if st.behind {
		wake = sooner(wake, st.due())
	}
	return wake
}

// sooner is the earlier of two times, of which a may be zero for never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// send writes what is to be sent. It waits as long as Envoy does not read.
func (st *stream) send() error {
	for len(st.unsent) > 0 {
		r := &st.unsent[0]
		data := encodeResponse(r)
		st.server.counters.sent(r, data.Len())
		st.unsent = st.unsent[1:]
		st.flying++
		if err := st.grpc.SendMsg(frame(data)); err != nil {
			return err
		}
	}
	st.unsent = nil
	return nil
}

// atOnce is how many bytes of resources offer may send: gRPC takes that much without
// blocking, provided that it has written out all earlier responses. gRPC's write quota
// for a stream is 64 KiB; atOnce stays below half of it.
const atOnce = 24 << 10

func size(responses []delta.Response) (n int) {
	for _, r := range responses {
		for _, x := range r.Resources {
			n += len(x.Wire())
		}
		for _, name := range r.Removed {
			n += len(name)
		}
	}
	return n
}
