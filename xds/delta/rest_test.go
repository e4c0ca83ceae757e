package delta

import (
	"time"

	"legation.dev/xds/snapshot"
)

// notIdle looks for a type that Next passes over as resting although its step
// would send something, set a timer or change what is known.
func notIdle(c *Conn, wake time.Time) (snapshot.Type, bool) {
	for t := range snapshot.Types() {
		st := &c.types[t]
		if !st.first || !c.idle(t) {
			continue
		}
		sent, turn := false, st.turn
		c.step(t, func(*flight) { sent = true })
		c.compact(t)
		if sent || st.turn != turn || !c.wake.Equal(wake) || !c.idle(t) {
			return t, false
		}
	}
	return 0, true
}
