package drain

import "time"

// Leaver is the state of an Envoy whose node may be about to leave, before anybody told
// Envoy to end. It reads no clock and does no I/O. Envoy is not ended: who ends it comes
// later, with the pod or with the node, and finds its clients gone.
//
//	the node leaves    FailHealth, and after Min DrainListeners
//	it stays after all before that: PassHealth, and all is as before; after: Quit, since an
//	                   Envoy that drains cannot be told to stop, and a new one takes its place
type Leaver struct {
	Min time.Duration // as in Plan

	failing time.Time // since when the health checks fail; zero: they do not
	drained bool
}

// Next says what to do now, if the node is leaving or stays. An order is repeated until Did
// says that it was carried out.
func (l *Leaver) Next(now time.Time, leaving bool) Order {
	switch {
	case leaving && l.failing.IsZero():
		return FailHealth
	case leaving && !l.drained && now.Sub(l.failing) >= l.Min:
		return DrainListeners
	case !leaving && l.drained:
		return Quit
	case !leaving && !l.failing.IsZero():
		return PassHealth
	}
	return Wait
}

// Did notes that an order was carried out.
func (l *Leaver) Did(o Order, now time.Time) {
	switch o {
	case FailHealth:
		l.failing = now
	case PassHealth:
		l.failing = time.Time{}
	case DrainListeners:
		l.drained = true
	}
}

// Failing is since when the health checks fail; zero: they do not.
func (l *Leaver) Failing() time.Time { return l.failing }
