package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"legation.dev/object"
	"legation.dev/translator/input"
)

// Both stores are also the transformers of the Reflector's own, short-lived
// store, so that a full list is reduced while it streams in.
var _, _ cache.TransformingStore = &objects{}, &versions{}

// objects passes on what a Reflector reads of a kind that is read whole. It
// keeps only the names. It belongs to the Reflector's goroutine.
type objects struct {
	reduce  func(runtime.Object) input.Change
	state   *state
	listed  func()       // hears of each full list
	confirm func() error // nil if there is no object indeed
	changed func(o any)  // hears of each change that is no list; may be nil
	known   map[object.Ref]bool
}

// item is a Change as the Reflector's own store keeps it, by namespace and name.
type item struct{ input.Change }

// GetObjectMeta makes item an object with a name.
func (i item) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: i.Ref.Namespace, Name: i.Ref.Name}
}

// Transformer reduces objects.
func (s *objects) Transformer() cache.TransformFunc {
	return func(o any) (any, error) { return s.item(o) }
}

// item is the Change that an object makes, or has made already.
func (s *objects) item(o any) (item, error) {
	switch o := o.(type) {
	case item:
		return o, nil
	case runtime.Object:
		return item{s.reduce(o)}, nil
	}
	return item{}, fmt.Errorf("%T is no object", o)
}

// Add takes over an object.
func (s *objects) Add(o any) error { return s.Update(o) }

// Update takes over an object.
func (s *objects) Update(o any) error {
	i, err := s.item(o)
	if err != nil {
		return err
	}
	s.take(o, s.note(i.Change))
	return nil
}

// note keeps the names up to date. The Change of an object that was not there
// and is not is none.
func (s *objects) note(c input.Change) []input.Change {
	if !c.Deleted {
		s.known[c.Ref] = true
		return []input.Change{c}
	}
	if !s.known[c.Ref] {
		return nil
	}
	delete(s.known, c.Ref)
	return []input.Change{c}
}

// Delete takes over that an object is gone.
func (s *objects) Delete(o any) error {
	object, ok := o.(runtime.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	s.take(nil, s.note(input.Delete(refOf(object))))
	return nil
}

// take applies changes that a watch brought; o is the object as it was written, nil if it is
// gone.
func (s *objects) take(o any, changes []input.Change) {
	if s.state.apply(changes...) && s.changed != nil && o != nil {
		s.changed(o)
	}
}

// Replace takes over a full list: what is not in it is gone. A list without
// anything is believed only when it is confirmed.
func (s *objects) Replace(list []any, _ string) error {
	if len(list) == 0 && len(s.known) > 0 {
		if err := s.confirm(); err != nil {
			return err
		}
	}
	var changes []input.Change
	gone := maps.Clone(s.known)
	for _, o := range list {
		i, err := s.item(o)
		if err != nil {
			return err
		}
		if !i.Deleted {
			delete(gone, i.Ref)
			changes = append(changes, i.Change)
		}
	}
	for _, ref := range slices.SortedFunc(maps.Keys(gone), object.Ref.Compare) {
		changes = append(changes, input.Delete(ref))
	}
	for _, c := range changes {
		s.note(c)
	}
	s.state.apply(changes...)
	s.listed()
	return nil
}

// Resync has nothing to do: nothing is computed from what is kept.
func (s *objects) Resync() error { return nil }

// versions passes on the versions of Secrets or ConfigMaps. It keeps nothing.
type versions struct {
	kind      object.Kind
	namespace string
	state     *state
	listed    func()
}

// version is what is left of a Secret or ConfigMap.
type version struct {
	ref     object.Ref
	version string // empty if nothing named it when it was listed
}

// GetObjectMeta makes version an object with a name.
func (v version) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: v.ref.Namespace, Name: v.ref.Name}
}

// Transformer leaves the version of those that are named, and of others the key.
func (s *versions) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		v, err := s.version(o)
		if err != nil || s.state.follows(v.ref) {
			return v, err
		}
		return cache.ExplicitKey(v.ref.Key()), nil
	}
}

func (s *versions) version(o any) (version, error) {
	switch o := o.(type) {
	case version:
		return o, nil
	case cache.ExplicitKey:
		namespace, name, _ := strings.Cut(string(o), "/")
		return version{ref: object.Ref{Kind: s.kind, Namespace: namespace, Name: name}}, nil
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return version{}, err
	}
	return version{object.Ref{Kind: s.kind, Namespace: m.GetNamespace(), Name: m.GetName()}, m.GetResourceVersion()}, nil
}

// Add takes over a version.
func (s *versions) Add(o any) error { return s.Update(o) }

// Update takes over a version.
func (s *versions) Update(o any) error {
	v, err := s.version(o)
	if err == nil {
		s.state.noticed(v.ref, v.version)
	}
	return err
}

// Delete takes over that there is none. That is asked once more, by name.
func (s *versions) Delete(o any) error {
	v, err := s.version(o)
	if err == nil {
		s.state.noticed(v.ref, "")
	}
	return err
}

// Replace takes over all versions.
func (s *versions) Replace(list []any, _ string) error {
	there := map[object.Ref]bool{}
	for _, o := range list {
		v, err := s.version(o)
		if err != nil {
			return err
		}
		if !s.state.follows(v.ref) {
			continue
		}
		there[v.ref] = true
		if v.version != "" { // else it was named after that, and is fetched after that
			s.state.noticed(v.ref, v.version)
		}
	}
	for _, ref := range s.state.following(s.kind, s.namespace) {
		if !there[ref] {
			s.state.noticed(ref, "")
		}
	}
	s.listed()
	return nil
}

// Resync has nothing to do.
func (s *versions) Resync() error { return nil }
