package policy

import "slices"

// contradiction is what two settings of one object cannot both say. The first
// then counts as not there.
type contradiction struct {
	name   string
	beside string             // empty: whatever is beside it
	check  func(Values) error // of what the object says
}

// contradictions are those of all features. They are looked for on one object
// only: what a narrower object says corrects a wider one.
var contradictions = slices.Concat(balanceContradictions, healthContradictions, proxyContradictions, lifetimeContradictions, timeoutContradictions, portContradictions)

// consistent takes out what contradicts another setting beside it.
func (o Overrides) consistent(errs []*FieldError) (Overrides, []*FieldError) {
	for _, c := range contradictions {
		i := o.index(c.name)
		if i < 0 || c.beside != "" && o.index(c.beside) < 0 {
			continue
		}
		if err := c.check(Values{}.With(o)); err != nil {
			errs = append(errs, o[i].wrong(err))
			o = slices.Delete(slices.Clone(o), i, i+1)
		}
	}
	return o, errs
}

func (o Overrides) index(name string) int {
	return slices.IndexFunc(o, func(one Override) bool { return one.setting.Name == name })
}
