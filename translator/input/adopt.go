package input

import (
	"time"

	"legation.dev/held"
)

// Ended is what somebody has ended by an order: the removals of hosts that were approved, by class,
// settings, by their digest, and pauses, by class.
type Ended struct{ Removals, Settings, Pauses map[string]bool }

// Adopt is v with what another replica holds and v does not, given its View, which has read
// the same. What both hold differently is as there if first, else it stays. Hosts that leave
// are taken over if they are held there. What was ended here is not taken over: whoever holds it
// has not heard of that.
func (v View) Adopt(from View, first bool, ended Ended) View {
	v.adoptSettings(from, first, ended)
	for class, f := range from.frozen.All() {
		own, had := v.frozen.Get(class)
		switch {
		case f.pause != nil && ended.Pauses[class]:
		case had && (!first || own.Sum() == f.Sum()), !had && f.pause == nil && v.complete(class, f):
		default:
			v.frozen = v.frozen.Set(class, f)
		}
	}
	for key, k := range from.kept.All() {
		if own, had := v.kept.Get(key); !had || first && own.Sum() != k.Sum() {
			v.kept = v.kept.Set(key, k)
		}
	}
	for fleet, list := range from.certificates.All() {
		own, _ := v.certificates.Get(fleet)
		v.certificates = v.certificates.Set(fleet, own.Adopt(list, first))
	}
	v.adoptLeaving(from, ended)
	return v.settled()
}

// adoptSettings takes over settings that are held.
func (v *View) adoptSettings(from View, first bool, ended Ended) {
	for class, h := range from.settings.All() {
		_, had := v.settings.Get(class)
		digest, _ := from.settingsDigest(class)
		if now, ok := v.readSettings(class); ok && (!had || first) && !ended.Settings[digest.String()] && now.Sum() != h.Good.Sum() {
			v.settings = v.settings.Set(class, h)
			v.recount(class)
		}
	}
}

// adoptLeaving takes over hosts that leave, and the objects that they name.
func (v *View) adoptLeaving(from View, ended Ended) {
	for key, l := range from.leaving.All() {
		d, isHeldThere := from.deletions.Get(l.Class)
		if !isHeldThere || ended.Removals[l.Class] || v.leaving.Has(key) {
			continue
		}
		own, isHeld := v.deletions.Get(l.Class)
		if !isHeld {
			own = d
			own.Since = v.begun(l.Class, d.Since)
			v.deletions = v.deletions.Set(l.Class, own)
		}
		l.Since = held.Later(l.Since, own.Since)
		v.hold(key, l)
	}
	for key, o := range from.left.All() {
		if ref := o.Ref(); !v.left.Has(key) && !v.Has(ref) && v.leavingNames(ref) {
			v.left = v.left.Set(key, o)
		}
	}
}

const (
	// sameHold is how far the beginnings of one hold may lie apart at two replicas: what one hears
	// of the other is on its way for a while.
	sameHold = 100 * time.Millisecond
	// headStart is how much earlier than this one another replica can have seen hosts go. What it
	// says beyond that is not believed: it would end what is held here.
	headStart = time.Minute
)

// HoldDeletion is v with all hosts of a class held that leave, as another replica says that it holds
// them since a moment; since when is the earlier of both. false: there is nothing to hold, or it is
// so already.
func (v View) HoldDeletion(class string, since time.Time) (View, bool) {
	since = v.begun(class, since)
	d, isHeld := v.deletions.Get(class)
	_, hosts := v.LeavingOf(class)
	if hosts == 0 || isHeld && d.Since.Sub(since) < sameHold {
		return v, false
	}
	if is, ok := v.facts(class); ok && !isHeld {
		d = Deletion{Class: class, Share: is.Settings.DeletionShare}
	}
	d.Since = since
	v.deletions = v.deletions.Replace(class, d)
	return v, true
}

// begun is since when hosts of a class are held that another replica holds since a moment, as it says.
func (v View) begun(class string, since time.Time) time.Time {
	var first time.Time
	for _, l := range v.leaving.Prefix(class + sep) {
		if first.IsZero() || l.Since.Before(first) {
			first = l.Since
		}
	}
	return held.Later(since, first.Add(-headStart))
}

// Deletions yields those that are held, by class.
func (v View) Deletions() (list []Deletion) {
	for _, d := range v.deletions.All() {
		list = append(list, d)
	}
	return list
}

// Waits reports whether hosts leave of which no class holds the removal yet.
func (v View) Waits() bool {
	for _, l := range v.leaving.All() {
		if !v.deletions.Has(l.Class) {
			return true
		}
	}
	return false
}
