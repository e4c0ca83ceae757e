package input

import (
	"errors"
	"time"

	"legation.dev/held"
	"legation.dev/pmap"
)

// Pause is who has paused a fleet, why, and since when.
type Pause struct {
	By, Reason string
	Since      time.Time // zero: now
}

// Errors of Pause and Resume.
var (
	errNoFleet   = errors.New("there is no such fleet")
	errPaused    = errors.New("the fleet is paused already")
	errNotPaused = errors.New("the fleet is not paused")
)

// Pause is v with a fleet that keeps the Ingresses, class and settings that it has, until
// Resume. Services, EndpointSlices and Secrets stay live.
func (v View) Pause(class string, p Pause, clock held.Clock) (View, error) {
	f, frozen := v.frozen.Get(class)
	switch of, ok := v.classes.Get(class); {
	case f.pause != nil:
		return v, errPaused
	case !frozen && (!ok || of.Controller != Controller):
		return v, errNoFleet
	case !frozen:
		f = v.pin(v, class, clock)
	}
	if p.Since.IsZero() {
		p.Since = clock.Now
	}
	f.pause = &p
	v.frozen, v.settings = v.frozen.Set(class, f), v.settings.Delete(class)
	return v, nil
}

// Resume is v with a fleet that is paused no more. It stays frozen if its class is gone, and
// settings that are others now are held until they are weighed, see HoldSettings.
func (v View) Resume(class string, clock held.Clock) (View, error) {
	f, ok := v.frozen.Get(class)
	if !ok || f.pause == nil {
		return v, errNotPaused
	}
	if f.pause = nil; v.complete(class, f) {
		good, _ := v.inForce(class)
		v.frozen = v.frozen.Delete(class)
		if now, ok := v.readSettings(class); ok && now.Sum() != good.Sum() && !now.apply() {
			v.settings = v.settings.Set(class, HeldSettings{Class: class, Good: good, Since: clock.Now, Why: whyHeld(good, now)})
		}
	} else {
		v.frozen = v.frozen.Set(class, f)
	}
	return v, nil
}

// Paused is who has paused the fleet of a class.
func (v View) Paused(class string) (Pause, bool) {
	f, ok := v.frozen.Get(class)
	if !ok || f.pause == nil {
		return Pause{}, false
	}
	return *f.pause, true
}

// Pins are the fleets that keep what they had: of each class since when, and the digest of
// that.
func (v View) Pins() map[string]Pinned {
	all := map[string]Pinned{}
	for name, f := range v.frozen.All() {
		all[name] = Pinned{Since: f.since, Digest: f.Sum()}
	}
	return all
}

// Pinned is what a fleet keeps.
type Pinned struct {
	Since  time.Time
	Digest pmap.Sum
}

// KeptBack are the objects of a class that a pause keeps from being served as they are now.
func (v View) KeptBack(class string) (keys []string) {
	f, ok := v.frozen.Get(class)
	if !ok || f.pause == nil {
		return nil
	}
	is, _ := v.facts(class)
	for c := range pmap.Diff(f.view.fragments, v.fragments) {
		if c.New != nil && !c.New.Gone && is.Has(c.New.Class) {
			keys = append(keys, c.Key)
		}
	}
	return keys
}
