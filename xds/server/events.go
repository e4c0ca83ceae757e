package server

import (
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// note counts and logs a request by its outcome: ACK, NACK, stale or of an unknown type.
func (st *stream) note(e delta.Event, r *request, now time.Time) {
	c := &st.server.counters
	took := st.landed(r.Nonce, now)
	switch e.Outcome {
	case delta.UnknownType:
		c.unknown.Add(1)
		st.log.Warn("type is not served here", "type", r.URL)
	case delta.Stale:
		c.stale.Add(1)
	case delta.ACK:
		st.flying--
		st.prove(e.Type)
		c.acknowledged(e.Type, took)
	case delta.None:
		st.prove(e.Type)
	case delta.NACK:
		st.flying--
		c.rejected(e.Type)
		st.rejected(e)
	}
}

// landed takes the response with this nonce out of pending, now that Envoy has
// answered it. It returns how long ago the target changed that the response was sent
// for. The result is negative if the nonce is not in pending, for example because the
// response answered a request of Envoy instead of a new target.
func (st *stream) landed(nonce string, now time.Time) time.Duration {
	for i, p := range st.pending {
		if p.nonce == nonce {
			st.pending = slices.Delete(st.pending, i, i+1)
			return max(now.Sub(p.base), 0)
		}
	}
	return -1
}

// rejected logs a NACK with the Kubernetes objects that the resources came from. If the
// response had one resource, that is the bad one, but for a listener or a secret that was
// rejected for another secret (M15, M27). It becomes a suspect of the fleet, and what the
// Conn then counts as rejected is remembered for the next stream of this Envoy.
func (st *stream) rejected(e delta.Event) {
	if !e.Alone {
		st.log.Info("envoy rejected a response, which is now split", "type", e.Type, "resources", len(e.Rejected), "error", e.Message)
		return
	}
	for _, r := range e.Rejected {
		st.log.Warn("envoy rejected", "type", r.Type, "name", r.Name, "version", r.Version, "from", object.Texts(r.From), "error", e.Message)
		st.session.Suspect(snapshot.Ref{Type: r.Type, Name: r.Name}, r.Version)
	}
	st.session.Remember(st.conn.Rejects())
}

// prove tells the fleet which listeners and HTTP configurations this Envoy runs, when that
// may have changed.
func (st *stream) prove(t snapshot.Type) {
	if t != snapshot.ExtensionConfig && t != snapshot.Listener {
		return
	}
	for _, r := range st.conn.Proves(t) {
		st.session.Prove(r)
	}
	if len(st.session.Rejects()) > 0 { // what Envoy took when it was tried again is forgiven on its next stream, too
		st.session.Remember(st.conn.Rejects())
	}
}
