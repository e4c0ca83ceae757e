package admin

import (
	"sync"
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// lags remembers how far behind Envoys are that run the same, so that each question costs
// what is new since the last one: a hundred Envoys that lack the same are looked at once, and
// not again before there is another version. It has what the last question met.
type lags struct {
	mu   sync.Mutex
	last map[lagKey]lag // guarded by mu; a map that is in it never changes
	// steps counts looks into versions and resources that differ.
	steps int // guarded by mu
}

// lagKey is what a lag follows from: of one type, what an Envoy runs and what there is.
type lagKey struct {
	fleet       string
	first, last uint64 // numbers of the versions that are kept
	narrow      bool
	t           snapshot.Type
	requested   bool
	have        pmap.Sum
}

// lag is how far behind an Envoy is.
type lag struct {
	behind int       // resources
	since  time.Time // when the oldest change was published that it does not run, as far as versions are kept
}

// and has both.
func (l lag) and(o lag) lag {
	if l.behind == 0 || o.behind > 0 && o.since.Before(l.since) {
		l.since = o.since
	}
	l.behind += o.behind
	return l
}

// looks are those of one question. It is of one goroutine.
type looks struct {
	before, met map[lagKey]lag
	steps       int
}

func (l *lags) begin() *looks {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &looks{before: l.last, met: map[lagKey]lag{}}
}

func (l *lags) end(of *looks) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = of.met
	l.steps += of.steps
}

// of is how far behind the versions of its fleet an Envoy is.
func (l *looks) of(e *fleet.Envoy, history []store.Version) (all lag) {
	for t := range snapshot.Types() {
		s := e.Status.Types[t]
		key := lagKey{e.Fleet, history[0].Number, history[len(history)-1].Number, e.NoIPv6, t, s.Requested, s.Have.Digest()}
		one, ok := l.met[key]
		if !ok {
			if one, ok = l.before[key]; !ok {
				one = l.look(e, t, history)
			}
			l.met[key] = one
		}
		all = all.and(one)
	}
	return all
}

// look looks at what differs. Of each resource it asks the one version that would make the
// lag older, and the others only if it does: they are walked at most once for each of them.
func (l *looks) look(e *fleet.Envoy, t snapshot.Type, history []store.Version) lag {
	s := e.Status.Types[t]
	last := len(history) - 1
	refs := fleet.BehindOf(t, e.Of(history[last].Snapshot), s)
	l.steps += len(refs)
	oldest := last
	for _, ref := range refs {
		have, _ := s.Have.Get(ref.Name)
		differs := func(i int) bool {
			l.steps++
			return !same(e.Of(history[i].Snapshot), ref, have)
		}
		if oldest == 0 || !differs(oldest-1) {
			continue
		}
		i := last
		for i > 0 && differs(i-1) {
			i--
		}
		oldest = min(oldest, i)
	}
	return lag{len(refs), history[oldest].Time}
}

// same reports whether a snapshot has ref as an Envoy has it.
func same(s snapshot.Snapshot, ref snapshot.Ref, have *snapshot.Resource) bool {
	r, ok := s.Get(ref)
	if !ok || have == nil {
		return !ok && have == nil
	}
	return r.Version == have.Version
}
