package lower

import (
	"fmt"
	"iter"

	"legation.dev/object"
	"legation.dev/translator/input"
)

// Stored is the View of entries that an earlier process has written: the objects are
// decoded, sealed and lowered as those of any source.
func Stored(entries iter.Seq2[input.Entry, error]) (input.View, error) {
	var view input.View
	frozen, pins := map[string]input.View{}, map[string]input.PinEntry{} // by class
	for e, err := range entries {
		if err != nil {
			return input.View{}, err
		}
		of := view
		if e.Pin != nil {
			pins[e.Frozen] = *e.Pin
			continue
		}
		if e.Frozen != "" {
			of = frozen[e.Frozen]
		}
		if of, err = with(of, e); err != nil {
			return input.View{}, err
		}
		if e.Frozen != "" {
			frozen[e.Frozen] = of
		} else {
			view = of
		}
	}
	return view.WithFrozen(frozen, pins), nil
}

// with is a View with one entry.
func with(v input.View, e input.Entry) (input.View, error) {
	switch {
	case e.Kept != nil:
		return v.WithClaim(*e.Kept), nil
	case e.Certificate != nil:
		return v.WithCertificate(*e.Certificate), nil
	case e.Deletion != nil:
		return v.WithDeletion(*e.Deletion), nil
	case e.Leaving != nil:
		of, err := ingresses(e.Leaving.Of)
		return v.WithLeaving(*e.Leaving, of), err
	}
	if e.Settings != nil && e.Settings.Parameters.Kind != object.KindConfigMap {
		return v.WithSettings(*e.Settings, nil), nil
	}
	o, err := e.Decode()
	switch {
	case err != nil:
		return v, err
	case e.Left:
		return v.WithLeft(Object(o)), nil
	case e.Settings != nil:
		return settingsOf(v, *e.Settings, Object(o))
	}
	return v.With(Put(o)), nil
}

// settingsOf is a View with settings that are held.
func settingsOf(v input.View, e input.SettingsEntry, o input.Object) (input.View, error) {
	config, ok := o.(*input.ConfigMap)
	if !ok || o.Ref() != e.Parameters {
		return v, fmt.Errorf("%s is no ConfigMap of settings of class %s", o.Ref(), e.Class)
	}
	return v.WithSettings(e, config), nil
}

// ingresses are those of entries, lowered.
func ingresses(entries []input.Entry) (list []*input.Ingress, _ error) {
	for _, e := range entries {
		o, err := e.Decode()
		if err != nil {
			return nil, err
		}
		i, ok := Object(o).(*input.Ingress)
		if !ok {
			return nil, fmt.Errorf("a host is served with an object of kind %s", e.Kind)
		}
		list = append(list, i)
	}
	return list, nil
}
