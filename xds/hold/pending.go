package hold

import (
	"fmt"
	"time"

	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// pending is a queue of Placeholder resources that become final at a moment. It is a
// value, as all here.
type pending struct {
	zero  time.Time // the first moment: others are counted from it
	byRef pmap.Map[deadline]
	queue pmap.Map[deadline] // by moment and ref
}

// deadline is when a resource becomes final.
type deadline struct {
	ref   snapshot.Ref
	at    time.Time
	after time.Duration // at, from pending.zero, by the monotonic clock: a wall clock that is set changes no order
}

// Sum identifies the deadline.
func (d deadline) Sum() pmap.Sum { return pmap.SumOf(d.key()) }

// key sorts by moment first; the nanoseconds of a Duration have 19 digits at most.
func (d deadline) key() string { return fmt.Sprintf("%019d %s", d.after, d.ref) }

func (p pending) with(ref snapshot.Ref, at time.Time) pending {
	p = p.without(ref)
	if p.zero.IsZero() {
		p.zero = at
	}
	d := deadline{ref, at, max(0, at.Sub(p.zero))}
	return pending{p.zero, p.byRef.Set(ref.String(), d), p.queue.Set(d.key(), d)}
}

func (p pending) without(ref snapshot.Ref) pending {
	d, ok := p.byRef.Get(ref.String())
	if !ok {
		return p
	}
	return pending{p.zero, p.byRef.Delete(ref.String()), p.queue.Delete(d.key())}
}

func (p pending) has(ref snapshot.Ref) bool { return p.byRef.Has(ref.String()) }

// due is the first resource whose moment has come.
func (p pending) due(now time.Time) (snapshot.Ref, bool) {
	for _, d := range p.queue.All() {
		return d.ref, !d.at.After(now)
	}
	return snapshot.Ref{}, false
}

// first is the earliest moment; zero if nothing waits.
func (p pending) first() time.Time {
	for _, d := range p.queue.All() {
		return d.at
	}
	return time.Time{}
}
