package status

import (
	"slices"
	"time"
)

// returnsFollowed is how often we follow an address that comes back to a value that
// it had: two controllers that rewrite each other make one value as good as the
// other, and each following costs a write for each Ingress.
const returnsFollowed = 3

// valuesKept is how many values that an address had are remembered: more than
// there are controllers that could fight.
const valuesKept = 8

// follow decides which of the values that an address takes is published. It is
// passive: it is told the time.
//
// An address that is gone without a successor is kept: nobody wants nothing
// published, least of all because a Service is being re-created.
type follow struct {
	returns int           // how many are followed; 0: all
	gap     time.Duration // between two values that are published
	quiet   time.Duration // how long a value must stand to be followed again

	published   addresses
	publishedAt time.Time
	actual      addresses
	since       time.Time // when it became that
	past        []pastValue
	returned    int
	kept        bool // published is kept, whatever actual is
}

// pastValue is a value that the address had, and who wrote it.
type pastValue struct {
	value  addresses
	writer string
	at     time.Time // when it was there last
}

// saw takes a value that is there now.
func (f *follow) saw(v addresses, writer string, now time.Time) {
	if v == "" {
		return
	}
	if v != f.actual {
		f.left(now)
		if f.hadLately(v, now) {
			f.returned++
		}
		f.actual, f.since = v, now
		f.kept = f.kept || f.returns > 0 && f.returned >= f.returns
	}
	f.past = slices.DeleteFunc(f.past, func(p pastValue) bool { return p.value == v })
	f.past = append(f.past, pastValue{v, writer, now})
	f.past = f.past[max(0, len(f.past)-valuesKept):]
}

// left notes that the value that was there until now is there no more.
func (f *follow) left(now time.Time) {
	for i := range f.past {
		if f.past[i].value == f.actual {
			f.past[i].at = now
		}
	}
}

func (f *follow) hadLately(v addresses, now time.Time) bool {
	return slices.ContainsFunc(f.past, func(p pastValue) bool { return p.value == v && now.Sub(p.at) < f.quiet })
}

// look publishes what is to be published, and says when to look again; zero means
// not before the next value.
func (f *follow) look(now time.Time) time.Time {
	if f.kept && now.Sub(f.since) >= f.quiet {
		f.kept, f.returned, f.past = false, 0, nil
	}
	if f.kept {
		return f.since.Add(f.quiet)
	}
	if f.actual == f.published {
		return time.Time{}
	}
	if next := f.publishedAt.Add(f.gap); f.published != "" && now.Before(next) {
		return next
	}
	f.published, f.publishedAt = f.actual, now
	return time.Time{}
}

// writers are those who wrote the values that it had, in order.
func (f *follow) writers() []string {
	var list []string
	for _, p := range f.past {
		if p.writer != "" {
			list = append(list, p.writer)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
