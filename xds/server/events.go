package server

import (
	"time"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// note counts and logs what a request turned out to be.
func (st *stream) note(e delta.Event, r *request, now time.Time) {
	c := &st.server.counters
	switch e.Outcome {
	case delta.UnknownType:
		c.unknown.Add(1)
		st.log.Warn("type is not served here", "type", r.URL)
	case delta.Stale:
		c.stale.Add(1)
	case delta.ACK:
		c.count(e.Type, func(t *TypeStats) { t.ACKs++ })
		if published, ok := st.pending[r.Nonce]; ok {
			c.landed(now.Sub(published))
		}
	case delta.NACK:
		c.count(e.Type, func(t *TypeStats) { t.NACKs++ })
		st.rejected(e)
	}
	delete(st.pending, r.Nonce)
}

// rejected logs a NACK with the objects that the resources came from. What was
// rejected alone is remembered: for this Envoy's next stream, and for the others.
func (st *stream) rejected(e delta.Event) {
	if !e.Alone {
		st.log.Warn("envoy rejected a response, which is now split", "type", e.Type, "resources", len(e.Rejected), "error", e.Message)
		return
	}
	for _, r := range e.Rejected {
		st.log.Warn("envoy rejected", "type", r.Type, "name", r.Name, "version", r.Version, "from", r.From, "error", e.Message)
		st.session.Suspect(snapshot.Ref{Type: r.Type, Name: r.Name}, r.Version)
	}
	st.session.Remember(st.conn.Rejects())
}
