package impact

import (
	"cmp"
	"slices"
	"strings"

	"legation.dev/xds/snapshot"
)

// Outline is what Since needs of a snapshot: what tells its resources apart from others of
// their names, without a body and without anything of a Secret. A listener has a Ref for
// what Envoy cannot change in place, and one of type Chain for each filter chain, whose name
// is that of a Change.
type Outline map[snapshot.Ref]string

// OutlineOf is the outline of a snapshot.
func OutlineOf(s snapshot.Snapshot) Outline {
	o := make(Outline, s.Len())
	for t := range snapshot.Types() {
		for name, r := range s.Of(t).All() {
			if t == snapshot.Listener {
				o.addListener(r)
			} else {
				o[snapshot.Ref{Type: t, Name: name}] = r.ShownVersion()
			}
		}
	}
	return o
}

// addListener adds a listener; one that cannot be read, which would be ours, as a whole.
func (o Outline) addListener(r *snapshot.Resource) {
	ref := snapshot.Ref{Type: snapshot.Listener, Name: r.Name}
	l, err := parse(r.Body())
	if err != nil {
		o[ref] = r.Version
		return
	}
	for chain, sum := range sumsOf(chainsOf(l)) {
		o[snapshot.Ref{Type: snapshot.Chain, Name: r.Name + "/" + chain}] = sum
	}
	o[ref] = sumOf(serialise(bare(l)))
}

// With is o after changes that Of or Since has told; o itself is changed. It is false if they
// do not say enough: of a listener that is another one as a whole the chains are not known.
func (o Outline) With(changes []Change) bool {
	for _, c := range changes {
		ref := snapshot.Ref{Type: c.Type, Name: c.Name}
		switch {
		case c.Type == snapshot.Listener:
			return false
		case c.Kind == Removed:
			delete(o, ref)
		default:
			o[ref] = c.After
		}
	}
	return true
}

// Since is what leads from a snapshot, of which there is only the outline, to another one, by
// type and name. Of what is gone it is not known which objects it came from; and where
// only a key or a password is another one, nothing is told.
func (o Outline) Since(to snapshot.Snapshot) []Change {
	now, list := OutlineOf(to), []Change(nil)
	for ref, after := range now {
		before, had := o[ref]
		if had && before == after {
			continue
		}
		list = append(list, o.change(kind(had, true), ref, to, before, after))
	}
	for ref, before := range o {
		if _, has := now[ref]; !has {
			list = append(list, o.change(Removed, ref, to, before, ""))
		}
	}
	return Merge(list)
}

func kind(had, has bool) Kind {
	switch {
	case !had:
		return Added
	case !has:
		return Removed
	}
	return Changed
}

// change is what became of one part of an outline.
func (o Outline) change(k Kind, ref snapshot.Ref, to snapshot.Snapshot, before, after string) Change {
	switch ref.Type {
	case snapshot.Listener:
		r, ok := to.Get(ref)
		if !ok {
			r = &snapshot.Resource{Name: ref.Name}
		}
		return listenerChange(k, r)
	case snapshot.Chain:
		listener, chain, _ := strings.Cut(ref.Name, "/")
		r, ok := to.Get(snapshot.Ref{Type: snapshot.Listener, Name: listener})
		if !ok {
			r = &snapshot.Resource{Name: listener}
		}
		from, now := map[string]string{}, map[string]string{}
		if k != Added {
			from[chain] = before
		}
		if k != Removed {
			now[chain] = after
		}
		return ofChains(r, from, now)[0]
	}
	c := Change{Kind: k, Type: ref.Type, Name: ref.Name, Effect: effects[ref.Type][k], Before: before, After: after}
	if r, ok := to.Get(ref); ok {
		c.From = r.From
	}
	return c
}

// Merge is a list of changes, each of another resource or chain, by type and name. A listener
// that is another one as a whole takes its chains with it.
func Merge(list []Change) []Change {
	whole := map[string]bool{}
	for _, c := range list {
		if c.Type == snapshot.Listener {
			whole[c.Name] = true
		}
	}
	list = slices.DeleteFunc(list, func(c Change) bool {
		listener, _, _ := strings.Cut(c.Name, "/")
		return c.Type == snapshot.Chain && whole[listener]
	})
	slices.SortFunc(list, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name)) })
	return list
}
