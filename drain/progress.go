package drain

import (
	"sync"
	"time"

	"legation.dev/drain/admin"
)

// Progress is how far a drain is, for metrics. The zero Progress is one that has
// not begun. Its methods may be called from any goroutine, and on nil.
type Progress struct {
	mu    sync.Mutex // guards state
	state State
}

// State of a drain.
type State struct {
	Begun    bool
	Start    time.Time
	Deadline time.Time
	// Last is the last Reading; LastKnown is false if it failed.
	Last      admin.Reading
	LastKnown bool
	Report    Report // so far; Reason is empty before the end
}

// State is how far it is.
func (p *Progress) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *Progress) set(start time.Time, plan Plan, report Report, last admin.Reading, known bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = State{Begun: true, Start: start, Deadline: start.Add(plan.Max), Last: last, LastKnown: known, Report: report}
}

// Reset forgets a drain that was none of this Envoy.
func (p *Progress) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = State{}
}

// Finish notes the Report of a drain that has ended.
func (p *Progress) Finish(report Report) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Begun, p.state.Report = true, report
}
