package status

import (
	"slices"
	"time"
)

// returnsFollowed is how often an address may go back to an earlier value before we
// keep what is published; the last of these returns is not published any more. Two
// controllers overwrite each other then. Neither value is better than the other, and
// each change costs a write for each Ingress.
const returnsFollowed = 3

// valuesKept is how many earlier values of an address are remembered: more than there
// will be controllers that overwrite each other.
const valuesKept = 8

// follow decides which value of an address is published, as the address changes. It
// publishes the newest one, with two exceptions. Changes that come too fast are spaced
// by gap. And if the address keeps going back to earlier values, because two controllers
// overwrite each other, what is published stays until the address has been stable for
// quiet. follow is passive: it reads no clock, the time is an argument.
//
// If the address disappears and no new one comes, the last one stays published. An
// Ingress without an address is worse than one with an old one, for example while its
// Service is deleted and created again.
type follow struct {
	returns int           // at which return to an earlier value kept begins; 0: never
	gap     time.Duration // the shortest time between two values that are published
	quiet   time.Duration // how long a value must be stable before kept ends

	published   addresses
	publishedAt time.Time
	actual      addresses   // the newest value
	since       time.Time   // when actual became that
	past        []pastValue // the last values, at most valuesKept
	returned    int         // how often actual went back to a value of the last quiet
	kept        bool        // published stays, whatever actual is
}

// pastValue is a value that the address had, and who wrote it.
type pastValue struct {
	value  addresses
	writer string
	at     time.Time // when the address last had it
}

// saw takes the value that the address has now. Empty means that it has none, and
// changes nothing.
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

// left notes that the address had the value actual until now, and has another one.
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

// look sets published if it is time to. It returns when to call it again; zero means
// not before the next call of saw.
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

// writers are the field managers that wrote the remembered values, sorted.
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
