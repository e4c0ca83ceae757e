package status

import "time"

// mostPauses bounds how long the next trial of an heir waits: so many times doubled.
const mostPauses = 6

// heir decides when the addresses of a class are ours to write whose Ingresses another
// controller has, or had. That one may be at work although it has not written for months:
// it writes what differs only, and would undo all that we write.
//
// So nothing is written before all Ingresses of the class were read, and it has been silent for quiet, by what the Ingresses say of
// their writers. Then one Ingress is written, and if that has stood for quiet, the others
// are. If it is undone, the next trial waits twice as long. Where the other one has taken
// its addresses away, as it does when it ends, nothing is waited for.
//
// An heir is passive and belongs to the statusTable.
type heir struct {
	unread map[string]struct{} // Ingresses of the class that were not read yet when it began
	writer string              // the other one, by the name that it wrote under
	last   time.Time           // when it wrote last; zero: it wrote none that is there
	trial  string              // the Ingress that is written first
	trials int                 // that were undone
	proven bool                // nothing was undone for long enough
	holds  time.Time           // since when something is not written because of it; zero: nothing is
}

// saw takes what is there now of an Ingress of the class, and reports whether the class has
// just become ours.
func (h *heir) saw(key string, e *entry, quiet time.Duration, now time.Time) (proven bool) {
	switch {
	case e.seen.ours && e.writing == "" && h.trial == "" && h.trials == 0, // written in another term
		e.seen.ours && key == h.trial && e.held != "" && now.Sub(e.heldSince) >= quiet:
		proven = !h.proven
		h.proven, h.trials, h.holds = true, 0, time.Time{}
	case e.seen.version == "" && key == h.trial:
		h.trial = ""
	case !e.seen.ours && e.seen.status != "" && e.otherAt.After(h.last):
		h.writer, h.last = e.seen.writer, e.otherAt
	}
	return proven
}

// left gives the trial up if its Ingress is none of the class any more.
func (h *heir) left(key string, member bool) {
	if key == h.trial && !member {
		h.trial = ""
	}
}

// undone notes that the other one is at work.
func (h *heir) undone(e *entry, now time.Time) {
	h.proven, h.trial, h.writer, h.last = false, "", e.seen.writer, now
	h.trials++
}

// may reports whether an Ingress that is not ours may be written, and else when to look
// again.
func (h *heir) may(key string, e *entry, quiet time.Duration, now time.Time) (bool, time.Time) {
	if len(h.unread) > 0 { // they are looked at again when the last one is read
		return false, time.Time{}
	}
	if h.proven || h.last.IsZero() || e.seen.status == "" && (e.seen.writer != "" || !e.otherAt.IsZero()) {
		return true, time.Time{}
	}
	if at := h.last.Add(quiet << min(h.trials, mostPauses)); now.Before(at) {
		h.hold(now)
		return false, at
	}
	if h.trial == "" || h.trial == key {
		h.trial = key
		return true, time.Time{}
	}
	h.hold(now)
	return false, now.Add(quiet)
}

func (h *heir) hold(now time.Time) {
	if h.holds.IsZero() {
		h.holds = now
	}
}
