package drain

import (
	"fmt"
	"time"
)

// Upgrades says what becomes of WebSockets.
type Upgrades string

const (
	// Hold waits for them as for requests, to the deadline if need be.
	Hold Upgrades = "hold"
	// Close does not wait for them. Envoy itself closes them, as it does idle
	// connections, in the last third of its drain time, if its bootstrap and its
	// listeners say the same.
	Close Upgrades = "close"
)

const (
	// MinGrace is the shortest grace period that leaves room for a sequence.
	MinGrace = 5 * time.Second
	// DefaultGrace is what Kubernetes gives a pod that asks for nothing
	// (terminationGracePeriodSeconds).
	DefaultGrace = 30 * time.Second
	// minReserve and maxReserve bound what is left between the deadline and the
	// end of the grace period: to ask who is cut, to end Envoy, to report.
	minReserve = time.Second
	maxReserve = 5 * time.Second
	// maxMinDrain is the time of three looks of a balancer that looks each 5 s;
	// kube-proxy needs less.
	maxMinDrain = 15 * time.Second
	// HoldLimit is the longest drain time of Envoy that holds WebSockets: more is a
	// mistake in the unit rather than somebody's promise.
	HoldLimit = time.Hour
)

// Times are what an operator sets. Negative ones follow from Grace.
type Times struct {
	// Grace is terminationGracePeriodSeconds: from SIGTERM (or the start of the
	// preStop hook) to SIGKILL.
	Grace time.Duration
	// Min is how long new connections are awaited, since balancers go on sending
	// for a while; Max is when what is left is cut. Both count from the start.
	Min, Max time.Duration
	// Upgrades; empty: Hold.
	Upgrades Upgrades
}

// Plan is Times that can work.
type Plan struct {
	Grace, Min, Max time.Duration
	Upgrades        Upgrades
}

// NewPlan fills in what t leaves open. An error names the flag that is wrong,
// and why it cannot work.
func NewPlan(t Times) (Plan, error) {
	p := Plan(t)
	if p.Upgrades == "" {
		p.Upgrades = Hold
	}
	if p.Upgrades != Hold && p.Upgrades != Close {
		return Plan{}, fmt.Errorf("--upgrades=%s: want hold or close", p.Upgrades)
	}
	if p.Grace < MinGrace {
		return Plan{}, fmt.Errorf("--grace-period=%s: a drain needs at least %s; terminationGracePeriodSeconds of the pod says the same", p.Grace, MinGrace)
	}
	if p.Max < 0 {
		p.Max = p.Grace - min(max(p.Grace/10, minReserve), maxReserve)
	}
	if p.Min < 0 {
		p.Min = min(p.Grace/6, maxMinDrain)
	}
	if p.Max > p.Grace-minReserve {
		return Plan{}, fmt.Errorf("--max-drain=%s: must end %s before --grace-period=%s, when the process is killed", p.Max, minReserve, p.Grace)
	}
	if p.Min >= p.Max {
		return Plan{}, fmt.Errorf("--min-drain=%s: must be below --max-drain=%s (of --grace-period=%s)", p.Min, p.Max, p.Grace)
	}
	return p, nil
}

// EnvoyDrainTime is the --drain-time-s that fits, in whole seconds. With Hold it
// is as long as a request may take, since Envoy cuts at its end whatever is in
// flight on a filter chain that was replaced. With Close it ends half-way.
func (p Plan) EnvoyDrainTime() time.Duration {
	if p.Upgrades == Close {
		return max(((p.Max - p.Min) / 2).Truncate(time.Second), time.Second)
	}
	return min(max(p.Max.Truncate(time.Second), time.Second), HoldLimit)
}

// Fits says why a --drain-time-s of Envoy does not fit the plan.
func (p Plan) Fits(drainTime time.Duration) error {
	switch {
	case p.Upgrades == Hold && drainTime > HoldLimit:
		return fmt.Errorf("--drain-time-s=%.0f of Envoy: at most %.0f fits --upgrades=hold", drainTime.Seconds(), HoldLimit.Seconds())
	case p.Upgrades == Close && p.Min+drainTime > p.Max:
		return fmt.Errorf("--drain-time-s=%.0f of Envoy: idle connections are closed by the end of it, which is %s after --min-drain=%s began and later than --max-drain=%s; at most %.0f fits",
			drainTime.Seconds(), p.Min+drainTime, p.Min, p.Max, p.EnvoyDrainTime().Seconds())
	}
	return nil
}
