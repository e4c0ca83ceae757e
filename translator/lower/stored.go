package lower

import (
	"iter"

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
	for class, pinned := range frozen { // each by itself
		view = view.WithFrozen(class, pinned, pins[class])
	}
	return view, nil
}

// with is a View with one entry.
func with(v input.View, e input.Entry) (input.View, error) {
	if e.Kept != nil {
		return v.WithClaim(*e.Kept), nil
	}
	o, err := e.Decode()
	if err != nil {
		return v, err
	}
	return v.With(Put(o)), nil
}
