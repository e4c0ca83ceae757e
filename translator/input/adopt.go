package input

import "time"

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
		d, held := from.deletions.Get(l.Class)
		if !held || ended.Removals[l.Class] || v.leaving.Has(key) {
			continue
		}
		v.hold(key, l)
		if !v.deletions.Has(l.Class) {
			v.deletions = v.deletions.Set(l.Class, d)
		}
	}
	for key, o := range from.left.All() {
		if ref := o.Ref(); !v.left.Has(key) && !v.Has(ref) && v.leavingNames(ref) {
			v.left = v.left.Set(key, o)
		}
	}
}

// sameHold is how far the beginnings of one hold may lie apart at two replicas: what one hears of
// the other is on its way for a while.
const sameHold = 100 * time.Millisecond

// HoldDeletion is v with all hosts of a class held that leave, as another replica holds them;
// since when is the earlier of both. false: there is nothing to hold, or it is so already.
func (v View) HoldDeletion(d Deletion) (View, bool) {
	own, held := v.deletions.Get(d.Class)
	_, hosts := v.LeavingOf(d.Class)
	if hosts == 0 || held && own.Since.Sub(d.Since) < sameHold {
		return v, false
	}
	if held {
		d.Share = own.Share
	}
	v.deletions = v.deletions.Set(d.Class, d)
	return v, true
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
