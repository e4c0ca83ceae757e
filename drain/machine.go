package drain

import (
	"time"

	"legation.dev/drain/admin"
)

// Order is what is to be done next.
type Order int

// The orders, in the order in which they are given.
const (
	Wait Order = iota
	FailHealth
	DrainListeners
	Quit
	PassHealth // of a Leaver only: takes FailHealth back
)

func (o Order) String() string {
	return [...]string{"wait", "fail the health checks", "drain the listeners", "quit", "pass the health checks again"}[o]
}

const (
	// Quiet is how long no request may have begun or been active before Envoy is
	// ended, and no connection: a request that arrives at the same moment, or whose client
	// is in its handshake, would be cut.
	Quiet = 300 * time.Millisecond
	// QuietAtMost is for how long after Plan.Min such a pause is looked for.
	// Balancers that probe the data ports make requests, too, and never pause.
	QuietAtMost = 5 * time.Second
)

// Machine is the state of a drain. It reads no clock and does no I/O. Times are
// those of the caller's clock.
type Machine struct {
	Plan Plan
	// Start is when the drain began, DrainTime the --drain-time-s of Envoy.
	Start     time.Time
	DrainTime time.Duration
	// Failing is since when the health checks fail, if that is before Start: balancers have
	// noticed since then. Zero: they do not.
	Failing time.Time

	failed  bool
	drained time.Time // when the listeners were told; zero: not yet
	busy    time.Time // when a request was last seen, or somebody who comes with one
	began   uint64    // requests that had begun then
	opened  uint64    // connections, likewise
	known   bool      // whether began is
}

// Next says what to do now. err is why there is no Reading: then nothing is
// known of who is active, and Envoy is not ended before the deadline. An order
// is repeated until Did says that it was carried out.
func (m *Machine) Next(now time.Time, r admin.Reading, err error) Order {
	if err == nil {
		m.see(now, r)
	}
	age := now.Sub(m.Start)
	switch {
	case age >= m.Plan.Max:
		return Quit
	case !m.failed:
		return FailHealth
	case err == nil && r.Listeners == 0:
		return Quit // no client was ever served
	case age < m.Plan.Min && (m.Failing.IsZero() || now.Sub(m.Failing) < m.Plan.Min):
		return Wait
	case m.drained.IsZero():
		return DrainListeners
	case err != nil || m.awaits(r) > 0 || r.Unsent > 0 || !m.told(now, r) || !m.quiet(now):
		return Wait
	}
	return Quit
}

// Did notes that an order was carried out.
func (m *Machine) Did(o Order, now time.Time) {
	switch o {
	case FailHealth:
		m.failed = true
	case DrainListeners:
		m.drained = now
	}
}

func (m *Machine) see(now time.Time, r admin.Reading) {
	if m.awaits(r) > 0 || r.Unsent > 0 || !m.known || r.Began != m.began || r.Opened != m.opened || r.Arriving > 0 {
		m.busy = now
	}
	m.began, m.opened, m.known = r.Began, r.Opened, true
}

// awaits is the number of requests that are waited for.
func (m *Machine) awaits(r admin.Reading) uint64 {
	if m.Plan.Upgrades == Hold {
		return r.Requests
	}
	return r.Requests - min(r.Upgrades, r.Requests)
}

// quiet reports whether no request is likely to arrive just now.
func (m *Machine) quiet(now time.Time) bool {
	return now.Sub(m.busy) >= Quiet || now.Sub(m.drained) >= QuietAtMost
}

// told reports whether idle clients know that they are to leave, or learn it by the
// end of Envoy, which closes what is idle in good order.
func (m *Machine) told(now time.Time, r admin.Reading) bool {
	return m.Plan.Upgrades == Hold || r.Connections == 0 || now.Sub(m.drained) >= m.DrainTime
}
