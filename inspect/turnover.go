package inspect

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
)

const (
	// restless is how many changes of the endpoints of a Service within restlessTime are more
	// than a roll-out of a few pods makes.
	restless     = 20
	restlessTime = 10 * time.Minute
	// mostRestless bounds the Services that are remembered, those that changed within
	// restlessTime: 250 bytes each, 1 MiB.
	mostRestless = 4096
	// mostWriters bounds who is named for a Service.
	mostWriters = 3
)

// Turnover counts how often the endpoints of Services change, and who changes them. The zero
// one is ready; nil has none. Its methods may be called from any goroutine.
type Turnover struct {
	mu      sync.Mutex
	of      map[object.Ref]*turns // guarded by mu
	swept   time.Time             // guarded by mu: when those that rest were last forgotten
	Ignored int                   // guarded by mu: changes of Services that were too many
}

// turns are the changes of one Service.
type turns struct {
	at      []time.Time // the last restless+1 of them, oldest first
	writers map[string]time.Time
	named   bool // it is a Problem
}

// Add counts a change of the endpoints of a Service, which by has written; empty if that is not
// known.
func (t *Turnover) Add(service object.Ref, by string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of[service]
	if one == nil {
		if one = t.meet(service, now); one == nil {
			t.Ignored++
			return
		}
	}
	one.at = append(one.at[max(0, len(one.at)-restless):], now)
	if _, known := one.writers[by]; by != "" && (known || len(one.writers) < mostWriters) {
		one.writers[by] = now
	}
}

// meet begins to count for a Service; nil if there are too many. t.mu is held.
func (t *Turnover) meet(service object.Ref, now time.Time) *turns {
	if len(t.of) >= mostRestless && now.Sub(t.swept) >= time.Minute {
		t.sweep(now)
	}
	if len(t.of) >= mostRestless {
		return nil
	}
	if t.of == nil {
		t.of = map[object.Ref]*turns{}
	}
	one := &turns{writers: map[string]time.Time{}}
	t.of[service] = one
	return one
}

// sweep forgets what did not change for restlessTime. t.mu is held.
func (t *Turnover) sweep(now time.Time) {
	t.swept = now
	old := now.Add(-restlessTime)
	maps.DeleteFunc(t.of, func(_ object.Ref, one *turns) bool {
		maps.DeleteFunc(one.writers, func(_ string, at time.Time) bool { return !at.After(old) })
		return !one.at[len(one.at)-1].After(old)
	})
}

// judge says whether it is a Problem at now: it begins with more than restless changes, and
// ends with half as many, so that it does not come and go.
func (o *turns) judge(now time.Time) bool {
	recent := 0
	for _, at := range o.at {
		if now.Sub(at) < restlessTime {
			recent++
		}
	}
	o.named = recent > restless || o.named && recent > restless/2
	return o.named
}

// problems are those of Services that a fleet leads to.
func (t *Turnover) problems(r translator.Result, now time.Time) (list []finding.Problem) {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	for ref, one := range t.of {
		if one.judge(now) && leads(r, ref.Key()) {
			list = append(list, finding.EndpointsRestless.Of(object.Origin{Object: ref}, "", restless, int(restlessTime.Minutes()), by(one.writers)))
		}
	}
	slices.SortFunc(list, finding.Problem.Compare)
	return list
}

// leads reports whether a fleet leads to a Service.
func leads(r translator.Result, service string) bool {
	for f := range r.Fleets() {
		if len(f.Lifetimes(service)) > 0 {
			return true
		}
	}
	return false
}

// by names writers, in the same order as long as they are the same.
func by(writers map[string]time.Time) string {
	if len(writers) == 0 {
		return ""
	}
	return ", by " + strings.Join(slices.Sorted(maps.Keys(writers)), ", ")
}
