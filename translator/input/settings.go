package input

import (
	"errors"
	"slices"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Settings are what says how the fleet of a class is to be, but for its Ingresses.
type Settings struct {
	Parameters object.Ref // that the class names; zero: none
	Claimed    string     // see IngressClass
	Config     *ConfigMap // of Parameters; nil if these are none
}

// Sum identifies them.
func (s Settings) Sum() pmap.Sum {
	config := pmap.Sum{}
	if s.Config != nil {
		config = s.Config.Sum()
	}
	return pmap.SumOf(s.Parameters.String(), s.Claimed, string(config[:]))
}

// mistakes are what is wrong with them.
func (s Settings) mistakes() []*policy.FieldError {
	if s.Config == nil {
		return nil
	}
	return s.Config.Fragment().Mistakes
}

// apply reports whether they say themselves that nothing is to be held.
func (s Settings) apply() bool {
	return s.Config != nil && policy.Defaults().With(s.Config.Fragment().Policy).ClosingChanges == policy.ApplyClosing
}

// HeldSettings are settings that stay in force although a class has others now, until these are
// approved, or make no such difference.
type HeldSettings struct {
	Class string
	Good  Settings // in force
	Since time.Time
	// Why is what the others would do, for people; empty while that is not known.
	Why string
	// Closes is which connections they would close, if that is why.
	Closes held.Closes
}

// Sum identifies what is in force, but not since when.
func (h HeldSettings) Sum() pmap.Sum {
	good := h.Good.Sum()
	return pmap.SumOf(h.Class, string(good[:]))
}

// Reasons for which settings are held, beside what they would do to connections.
const (
	wrongFixed  = "a value is wrong that is fixed at install: its default would close every connection"
	wrongAccess = "a value is wrong that says who may come: its default might let in whom it keeps out"
)

// Wrong reports whether they are held because others are wrong, whatever these would do.
func (h HeldSettings) Wrong() bool { return h.Why == wrongFixed || h.Why == wrongAccess }

// HoldSettings is v, given the View before it and the time: where a class had other settings that its fleet
// was served with, these stay in force for now. Whoever translates finds out which classes
// Unweighed yields can have the new ones, and says so by Weighed.
//
// Nothing is held of a class that had no fleet: its first settings are no change.
func (v View) HoldSettings(before View, clock held.Clock) View {
	v.settings = before.settings
	if v.classes.Same(before.classes) && v.configs.Same(before.configs) && v.frozen.Same(before.frozen) {
		return v
	}
	for _, name := range before.ClassNames() {
		h, isHeld := v.heldOf(name, before, clock)
		if isHeld {
			v.settings = v.settings.Replace(name, h)
		} else {
			v.settings = v.settings.Delete(name)
		}
	}
	return v
}

// heldOf is what is held of a class; false: nothing is.
func (v View) heldOf(name string, before View, clock held.Clock) (HeldSettings, bool) {
	f, frozen := before.frozen.Get(name)
	if frozen && (f.pause != nil || !v.complete(name, f)) {
		return HeldSettings{}, false // it has pinned them
	}
	now, ok := v.readSettings(name)
	good, served := before.inForce(name)
	if !ok || !served || now.Sum() == good.Sum() {
		return HeldSettings{}, false
	}
	h, isHeld := before.settings.Get(name)
	if last, _ := before.readSettings(name); isHeld && last.Sum() == now.Sum() {
		return h, true
	}
	if !isHeld {
		h = HeldSettings{Class: name, Good: good, Since: clock.Now}
	}
	h.Why, h.Closes = whyHeld(good, now), nil
	return h, h.Why != "" || !now.apply()
}

// whyHeld is why settings are held whatever their change would do; empty: that is to be found out.
func whyHeld(good, now Settings) string {
	why := ""
	for _, e := range newMistakes(good, now) {
		switch {
		case e.Fixed:
			return wrongFixed
		case e.Access || e.Restricts != "" || errors.Is(e.Err, policy.ErrUnknown) && forgets(good, now):
			why = wrongAccess
		}
	}
	return why
}

// forgets reports whether settings lack one that keeps somebody out, as they do if its name is
// written wrong.
func forgets(good, now Settings) bool {
	if good.Config == nil {
		return false
	}
	for key := range good.Config.Data {
		if _, has := now.Config.Data[key]; !has && policy.IsAccess(key) {
			return true
		}
	}
	return false
}

// newMistakes are what is wrong with settings and was not with those before.
func newMistakes(before, now Settings) (list []*policy.FieldError) {
	for _, e := range now.mistakes() {
		if !slices.ContainsFunc(before.mistakes(), func(o *policy.FieldError) bool { return o.Error() == e.Error() }) {
			list = append(list, e)
		}
	}
	return list
}

// Unweighed are the classes whose new settings are held until it is known what they would do.
func (v View) Unweighed() (names []string) {
	for name, h := range v.settings.All() {
		if h.Why == "" {
			names = append(names, name)
		}
	}
	return names
}

// Weighed is v after it was found out which connections the new settings of classes would close:
// those that close some go on to be held, the others are in force.
func (v View) Weighed(closes map[string]held.Closes) View {
	for name, c := range closes { // each by itself
		h, isHeld := v.settings.Get(name)
		switch {
		case !isHeld:
		case len(c) == 0:
			v.settings = v.settings.Delete(name)
		default:
			h.Why, h.Closes = c.String(), c
			v.settings = v.settings.Replace(name, h)
		}
	}
	return v
}

// HeldSettings are those of a class.
func (v View) HeldSettings(class string) (HeldSettings, bool) { return v.settings.Get(class) }

// WithoutHoldsOf is v with the settings in force that changes have, which are held otherwise: for
// whoever asks what they would do.
func (v View) WithoutHoldsOf(changes []Change) View {
	for class := range v.settings.All() {
		of, _ := v.classes.Get(class)
		for _, c := range changes {
			if of != nil && (c.Ref == of.Ref() || c.Ref == of.Parameters) {
				v.settings = v.settings.Delete(class)
			}
		}
	}
	return v
}

// settingsDigest tells what is approved if the settings of a class are, from anything else: what
// is in force and what was read.
func (v View) settingsDigest(class string) (digest pmap.Sum, held bool) {
	h, held := v.settings.Get(class)
	now, ok := v.readSettings(class)
	if !held || !ok {
		return pmap.Sum{}, false
	}
	a, b := h.Sum(), now.Sum()
	return pmap.SumOf(string(a[:]), string(b[:])), true
}

// HeldMistakes are what is wrong with the settings of a class that are held back, and was not
// with those in force.
func (v View) HeldMistakes(class string) (of *route.Fragment, list []*policy.FieldError) {
	h, held := v.settings.Get(class)
	now, ok := v.readSettings(class)
	if !held || !ok || now.Config == nil {
		return nil, nil
	}
	return now.Config.Fragment(), newMistakes(h.Good, now)
}

// ChangedSettings are the fields of settings that are held back, as they were read: of the
// ConfigMap, or of the class if that names another one. Those that are Fixed come alone, if there
// are any: it is they that close connections.
func (v View) ChangedSettings(class string) (at object.Origin, fields []ChangedField) {
	h, _ := v.settings.Get(class)
	now, ok := v.readSettings(class)
	of, _ := v.classes.Get(class)
	switch {
	case !ok:
		return object.Origin{}, nil
	case now.Config == nil || h.Good.Config == nil || now.Parameters != h.Good.Parameters:
		return Origin(of), []ChangedField{{"spec.parameters", now.Parameters.KeyOrNone()}}
	case now.Config.Sum() == h.Good.Config.Sum():
		return Origin(of), []ChangedField{{"spec.controller", now.Claimed}}
	}
	var fixed []ChangedField
	for _, key := range policy.Changed(h.Good.Config.Data, now.Config.Data) {
		f := ChangedField{"data." + key, now.Config.Data[key]}
		if fields = append(fields, f); policy.IsFixed(key) {
			fixed = append(fixed, f)
		}
	}
	if len(fixed) > 0 {
		fields = fixed
	}
	return Origin(now.Config), fields
}

// ChangedField is one of ChangedSettings, and what it says; empty: it is gone.
type ChangedField struct{ Field, Value string }

// readSettings are those of a class as they were read last; false if it is not of ours, or if
// they are not there.
func (v View) readSettings(class string) (Settings, bool) {
	of, ok := v.classes.Get(class)
	if !ok || of.Controller != Controller {
		return Settings{}, false
	}
	s := Settings{Parameters: of.Parameters, Claimed: of.Claimed}
	if of.Parameters.Kind == object.KindConfigMap {
		s.Config, ok = v.configs.Get(of.Parameters.Key())
	}
	return s, ok
}

// inForce are the settings that the fleet of a class is served with; false if it has none.
func (v View) inForce(class string) (Settings, bool) {
	view, _ := v.For(class)
	of, ok := view.classes.Get(class)
	if !ok || !view.HasSettings(of) {
		return Settings{}, false
	}
	return view.readSettings(class)
}

// withHeld is v as the fleet of a class sees it: with settings that are held as if they had been
// read.
func (v View) withHeld(class string) View {
	if v.settings.Len() == 0 {
		return v
	}
	h, held := v.settings.Get(class)
	v.settings = pmap.Map[HeldSettings]{}
	of, ok := v.classes.Get(class)
	if !held || !ok {
		return v
	}
	if of.Parameters != h.Good.Parameters || of.Claimed != h.Good.Claimed {
		was := *of
		was.Parameters, was.Claimed = h.Good.Parameters, h.Good.Claimed
		v.classes = v.classes.Set(class, Seal(&was))
	}
	if c := h.Good.Config; c != nil {
		v.configs = v.configs.Set(c.Key(), c)
	}
	return v
}
