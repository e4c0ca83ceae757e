package policy

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"legation.dev/object"
)

// OfClass reads the settings of a class from the data of a ConfigMap. A key that
// is wrong is a *FieldError and counts as not there.
func OfClass(config object.Ref, data map[string]string) (Overrides, []*FieldError) {
	r := reader{named, config, OnClass, "data."}
	list := make([]saying, 0, len(data))
	for key := range data {
		list = append(list, r.ours(key))
	}
	return r.read(list, data)
}

// OfIngress reads our annotations among those of an Ingress, and those of the
// dialects. Of two that say the same setting ours counts, before an alias of it,
// before the dialects in their order; the other is a *FieldError.
func OfIngress(of object.Ref, annotations map[string]string, dialects ...*Dialect) (Overrides, []*FieldError) {
	if heard != nil {
		heard(of)
	}
	return reader{named, of, OnIngress, "metadata.annotations."}.annotations(annotations, dialects)
}

// heard hears of each call of OfIngress. Only a test sets it: to count them in a whole
// process, where reading twice would change nothing but the cost.
var heard func(of object.Ref)

// OfService reads the annotations of a Service, as OfIngress does.
func OfService(of object.Ref, annotations map[string]string, dialects ...*Dialect) (Overrides, []*FieldError) {
	return reader{named, of, OnService, "metadata.annotations."}.annotations(annotations, dialects)
}

// reader reads the settings of one object.
type reader struct {
	named map[string]*Setting // by name and alias
	of    object.Ref
	scope Scope
	path  string // of the keys in the object: "data."
}

// saying is a key of the object that says a setting.
type saying struct {
	key     string
	setting *Setting // nil if none is called so
	// translate makes our text of the dialect's; nil if the text is ours.
	translate func(text string) (string, error)
	// rank says which of several counts that say the same setting: the least. It
	// is 0 for the setting's name, 1 for an alias, 2 for the first dialect.
	rank   int
	yields bool // to any other
}

// annotations reads those that say a setting. Most objects have none, which
// costs nothing.
func (r reader) annotations(all map[string]string, dialects []*Dialect) (Overrides, []*FieldError) {
	var list []saying
	for key := range all {
		if strings.HasPrefix(key, Prefix) {
			list = append(list, r.ours(key))
			continue
		}
		words, dialect := wordsOf(key, dialects)
		for _, w := range words {
			list = append(list, saying{key: key, setting: r.named[w.Setting], translate: w.Ours, rank: 2 + dialect, yields: w.Yields})
		}
	}
	return r.read(list, all)
}

// ours is a key in our words.
func (r reader) ours(key string) saying {
	name := strings.TrimPrefix(key, Prefix)
	s := saying{key: key, setting: r.named[name]}
	if s.setting != nil && s.setting.Name != name {
		s.rank = 1
	}
	return s
}

// read reads the texts of the keys.
func (r reader) read(list []saying, texts map[string]string) (Overrides, []*FieldError) {
	if len(list) == 0 {
		return nil, nil
	}
	slices.SortFunc(list, func(a, b saying) int {
		return cmp.Or(last(a.yields)-last(b.yields), cmp.Compare(a.rank, b.rank), strings.Compare(a.key, b.key))
	})
	all, errs := make(Overrides, 0, len(list)), []*FieldError(nil)
	for _, s := range list {
		o := Override{setting: s.setting, at: Origin{r.of, r.path + s.key}, written: texts[s.key]}
		var err error
		if o.given, err = r.parse(s, o.written); err != nil {
			wrong := o.wrong(err)
			if s.translate == nil && s.setting != nil {
				wrong.Restricts = s.setting.Restricts
			}
			errs = append(errs, wrong)
		}
		if o.apply == nil || s.yields && all.index(s.setting.Name) >= 0 { // it is wrong, or says nothing
			continue
		}
		if s.translate == nil {
			o.written = o.text
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, groupsFirst)
	all, errs = all.once(errs)
	return all.consistent(errs)
}

func (r reader) parse(s saying, text string) (given, error) {
	switch {
	case s.setting == nil:
		return given{}, ErrUnknown
	case s.setting.Scopes&r.scope == 0:
		return given{}, ErrScope
	}
	text = strings.TrimSpace(text)
	if s.translate == nil {
		return s.setting.Type.parse(text)
	}
	text, wrong := s.translate(text)
	if text == "" || wrong != nil && !errors.As(wrong, new(InPart)) {
		return given{}, wrong
	}
	g, err := s.setting.Type.parse(text)
	return g, cmp.Or(err, wrong)
}

// last sorts what yields behind the others.
func last(yields bool) int {
	if yields {
		return 1
	}
	return 0
}

// once takes out what says a setting that the one before it says.
func (o Overrides) once(errs []*FieldError) (Overrides, []*FieldError) {
	kept := o[:0]
	for _, one := range o {
		if n := len(kept); n > 0 && kept[n-1].setting == one.setting {
			errs = append(errs, one.wrong(Beside{kept[n-1].at.Field}))
			continue
		}
		kept = append(kept, one)
	}
	return kept, errs
}
