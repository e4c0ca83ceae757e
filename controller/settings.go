package controller

import (
	"slices"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

// keepSettings is batch, but that the settings of a class stay as they last were
// if they are wrong now. A wrong setting counts as not there, and its default may
// be another port: what a typing error in a listener's setting must not do is to
// drain every connection of the fleet.
//
// It is part of the Loop because it depends on the past, as View.Freeze does: where no
// last state is known a wrong value is its default, or the class has no fleet if
// that is of what is fixed at install (input.Unusable). Such settings are none to keep.
func keepSettings(v input.View, batch []input.Change) []input.Change {
	kept := batch
	for i, c := range batch {
		config, ok := c.Object.(*input.ConfigMap)
		if !ok || !isSettings(v, c.Ref) {
			continue
		}
		last, ok := v.ConfigMap(c.Ref.Key())
		if !ok || len(input.Unusable(last)) > 0 {
			continue
		}
		if problems := newlyWrong(last, config); len(problems) > 0 {
			if &kept[0] == &batch[0] {
				kept = slices.Clone(batch)
			}
			kept[i] = input.Change{Ref: c.Ref, Problems: c.Problems, Newer: config, Kept: problems}
		}
	}
	return kept
}

// isSettings reports whether a class of ours names the ConfigMap.
func isSettings(v input.View, ref object.Ref) bool {
	for _, class := range v.Classes().All() {
		if class.Controller == input.Controller && class.Parameters == ref {
			return true
		}
	}
	return false
}

// newlyWrong is what is wrong with now and was not with last, by what lowering found.
func newlyWrong(last, now *input.ConfigMap) (list []finding.Problem) {
	before, f := last.Fragment().Mistakes, now.Fragment()
	for _, e := range f.Mistakes {
		known := slices.ContainsFunc(before, func(o *policy.FieldError) bool { return o.Error() == e.Error() })
		if !known {
			list = append(list, finding.SettingsKept.Of(f.At(e.Field), e.Value, e.Err))
		}
	}
	return list
}
