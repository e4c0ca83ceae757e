package inspect

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/fleet"
	"legation.dev/xds/observed"
	"legation.dev/xds/snapshot"
)

// lookEvery is how often Problems are looked for that come from time, as an
// expired certificate does, or from Envoys.
const lookEvery = time.Second

// Problems keeps what is wrong by the newest result, with what Envoys reject, and
// logs each Problem when it appears and when it is gone.
type Problems struct {
	log     *slog.Logger
	fleets  *fleet.Registry
	closing func(now time.Time) []observed.Closing
	results chan translator.Result // holds the newest one
	// Tell hears of each result, and of all Problems, if set. It must not block.
	Tell func(translator.Result, []finding.Problem)
	// Turnover is how often endpoints change; nil: that is not known.
	Turnover *Turnover

	known map[finding.Problem]known // by identity; owned by Run

	mu       sync.Mutex
	list     []known           // guarded by mu: those of the last look
	seen     []finding.Problem // guarded by mu: of these, what Envoys told
	changes  int               // guarded by mu: how often a look found something else
	overview func() *Overview  // guarded by mu: of list, made when it is asked for
}

// known is a Problem, and since when it is known.
type known struct {
	finding.Problem
	since time.Time
	told  bool // in the log
}

// NewProblems makes one; it does nothing before Run. seen is what Envoys saw of servers that
// close connections.
func NewProblems(log *slog.Logger, fleets *fleet.Registry, seen func(now time.Time) []observed.Closing) *Problems {
	return &Problems{log: log, fleets: fleets, closing: seen, results: make(chan translator.Result, 1), known: map[finding.Problem]known{}, overview: func() *Overview { return overviewOf(nil) }}
}

// Report takes a new result. It does not wait. Only one goroutine may call it.
func (p *Problems) Report(r translator.Result) {
	select {
	case <-p.results: // it was not looked at, and is out of date
	default:
	}
	p.results <- r
}

// Run logs until ctx ends.
func (p *Problems) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last translator.Result
	taken := false
	for {
		select {
		case <-ctx.Done():
			return
		case last = <-p.results:
			taken = true
		case <-tick.C:
		}
		seen := slices.Concat(rejections(p.fleets.Envoys()), Closing(last, p.closing(time.Now())), p.Turnover.problems(last, time.Now()))
		list := append(last.Problems(time.Now()), seen...)
		p.remember(p.look(list, time.Now()), seen)
		if p.Tell != nil && taken { // before, nothing is known to be not served
			p.Tell(last, list)
		}
	}
}

func (p *Problems) remember(list []known, seen []finding.Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = seen
	if slices.Equal(p.list, list) {
		return
	}
	p.list, p.overview = list, sync.OnceValue(func() *Overview { return overviewOf(list) })
	p.changes++
}

// Overview is the last look, for pages.
func (p *Problems) Overview() *Overview {
	p.mu.Lock()
	overview := p.overview
	p.mu.Unlock()
	return overview() // outside the lock: it may have to be made
}

// Changes counts the looks that found something else than the one before.
func (p *Problems) Changes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes
}

// All are the Problems of the last look.
func (p *Problems) All() []finding.Problem {
	all := p.last()
	list := make([]finding.Problem, len(all))
	for i, one := range all {
		list[i] = one.Problem
	}
	return list
}

// Seen are those of the last look that do not follow from objects. Read only.
func (p *Problems) Seen() []finding.Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// last is the last look, which is never changed, only replaced.
func (p *Problems) last() []known {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list
}

// Of are the Problems of those objects that are asked for, for people.
func (p *Problems) Of(asked func(object.Ref) bool) (list []*adminv1.Problem) {
	for _, one := range p.last() {
		if asked(one.Object) {
			list = append(list, messageOf(one.Problem, one.since))
		}
	}
	return list
}

// look logs how list differs from the Problems that are known. One that only stands in
// another line now, since something was written above it, is none that is new.
func (p *Problems) look(list []finding.Problem, at time.Time) (all []known) {
	now := map[finding.Problem]known{}
	for _, one := range list {
		id := identity(one)
		before, isOld := p.known[id]
		if !isOld {
			before.since = at
		}
		if _, twice := now[id]; !before.told && !twice && at.Sub(before.since) >= one.Code.Settle() {
			before.told = true
			level := slog.LevelWarn
			switch {
			case one.Code == finding.Rejected: // the stream has logged it
				level = slog.LevelDebug
			case one.Code.Row().Severity == finding.Info:
				level = slog.LevelInfo
			}
			p.log.Log(context.Background(), level, "problem", attributes(one)...)
		}
		now[id] = known{one, before.since, before.told || now[id].told}
		all = append(all, now[id])
	}
	for id, one := range p.known { // the order of lines of a log means nothing
		if _, still := now[id]; !still && one.told {
			p.log.Info("problem solved", attributes(one.Problem)...)
		}
	}
	p.known = now
	return all
}

// identity is a Problem without the line.
func identity(p finding.Problem) finding.Problem {
	if i := strings.LastIndexByte(p.File, ':'); i >= 0 {
		p.File = p.File[:i]
	}
	return p
}

func attributes(p finding.Problem) (list []any) {
	for _, a := range []struct{ key, value string }{
		{"object", p.Object.String()}, {"file", p.File}, {"field", p.Field}, {"value", p.Value}, {"message", p.Message},
		{"code", string(p.Code)}, {"severity", string(p.Code.Row().Severity)},
	} {
		if a.value != "" {
			list = append(list, a.key, a.value)
		}
	}
	return list
}

// rejections are the Problems of what Envoys reject, at the objects it came from.
func rejections(envoys []fleet.Envoy) (list []finding.Problem) {
	for _, e := range envoys {
		for t := range snapshot.Types() {
			for _, r := range e.Status.Types[t].Rejected {
				kept := "keeps the last good one"
				if r.Lacks {
					kept = "has no earlier one"
				}
				for _, from := range r.From {
					list = append(list, finding.Rejected.Of(object.Origin{Object: from}, "", e.ID, e.Fleet, t, r.Name, kept, r.Message))
				}
			}
		}
	}
	return list
}
