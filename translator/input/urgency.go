package input

import (
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/route"
)

// Urgency says how long a change may wait while its namespace makes more of them than it
// may: what would be open that should be closed, and which requests would fail, if it did.
type Urgency uint8

// The urgencies, the least first.
const (
	Later Urgency = iota // as long as others are before it: it adds rules, or leads them elsewhere
	Soon                 // a moment: endpoints, and Services that come and go
	Now                  // not at all: it may keep somebody out, or ends access
)

// Urgency is that of a change of v.
func (v View) Urgency(c Change) Urgency {
	switch o := c.Object.(type) {
	case *Ingress:
		before, _ := v.fragments.Get(c.Ref.String())
		if o.Fragment().CanWait(before) {
			return Later
		}
		return Now
	case *Service:
		if before, ok := v.services.Get(c.Ref.Key()); ok && before.ExternalName == o.ExternalName {
			return Later
		}
		return Soon
	case *Slice:
		return Soon
	}
	if c.Ref.Kind == object.KindSlice {
		return Soon
	}
	return Now
}

// Changes reports whether v is another one after c.
func (v View) Changes(c Change) bool {
	key := c.Ref.String()
	if len(c.Problems) > 0 || c.Unread != "" || v.problems.Has(key) || v.unread.Has(key) {
		return true
	}
	before := v.object(c.Ref)
	if c.Object == nil || before == nil {
		return c.Deleted == (before != nil)
	}
	return before.Sum() != c.Object.Sum()
}

// TakesFrom is the Service that a change takes endpoints from, or that it deletes, by
// "namespace/name"; empty for none. Whatever leads away from the Service must come first.
func (v View) TakesFrom(c Change) string {
	switch c.Ref.Kind {
	case object.KindService:
		if c.Deleted {
			return c.Ref.Key()
		}
	case object.KindSlice:
		before, ok := v.slices.Get(c.Ref.Key())
		if !ok {
			return ""
		}
		if now, _ := c.Object.(*Slice); c.Deleted || now != nil && now.lacks(before) {
			return before.Namespace + "/" + before.Service
		}
	}
	return ""
}

// lacks reports whether o has less than before: of its ports, or of the endpoints that
// serve.
func (o *Slice) lacks(before *Slice) bool {
	if o.Service != before.Service || !slices.Equal(o.Ports, before.Ports) {
		return true
	}
	serving := map[string]bool{}
	for _, e := range o.Endpoints {
		for _, a := range e.Addresses {
			serving[a] = serving[a] || e.Serving && !e.Terminating
		}
	}
	for _, e := range before.Endpoints {
		for _, a := range e.Addresses {
			if e.Serving && !e.Terminating && !serving[a] {
				return true
			}
		}
	}
	return false
}

// NamedBy are the Services, by "namespace/name", that an object leads to or is, before a
// change of v and after it.
func (v View) NamedBy(c Change) (services []string) {
	if c.Ref.Kind == object.KindService {
		return []string{c.Ref.Key()}
	}
	list := []*route.Fragment{nil, nil}
	list[0], _ = v.fragments.Get(c.Ref.String())
	if o, ok := c.Object.(*Ingress); ok {
		list[1] = o.Fragment()
	}
	for _, f := range list {
		if f == nil {
			continue
		}
		for _, r := range f.References {
			if r.Backend != nil && !slices.Contains(services, r.To.Key()) {
				services = append(services, r.To.Key())
			}
		}
	}
	return services
}

// Press is a namespace that makes as many changes as it may, or nearly.
type Press struct {
	Most uint32 // changes a second: namespace-changes of the class
	Over bool   // some of them wait
	// Since is when it began to. It is no part of the Sum.
	Since time.Time
}

// Sum identifies it.
func (p Press) Sum() pmap.Sum {
	if p.Over {
		return pmap.SumOf("over")
	}
	return pmap.SumOf("near")
}

// WithPress is v with what namespaces make too many changes. It is told, and changes nothing
// that is served; it is left out of the digest, since each replica sees it at a moment of its own.
func (v View) WithPress(namespaces map[string]Press) View {
	v.press = pmap.Map[Press]{}
	for name, p := range namespaces {
		v.press = v.press.Set(name, p)
	}
	return v
}

// Press are the namespaces that make too many changes, or nearly.
func (v View) Press() pmap.Map[Press] { return v.press }

// SamePress reports whether the same namespaces do in two views.
func (v View) SamePress(o View) bool { return v.press.Digest() == o.press.Digest() }
