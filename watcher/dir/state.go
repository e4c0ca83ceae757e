package dir

import (
	"maps"
	"slices"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
)

// state is what a folder says, by object.
type state map[object.Ref]entry

// state merges the files: of an object that is in two, the first counts.
func (t *tree) state() state {
	s := state{}
	for _, path := range slices.Sorted(maps.Keys(t.files)) {
		f := t.files[path]
		for _, e := range f.entries {
			s.add(e, path)
		}
		if f.trouble != nil {
			s.trouble(path, f.trouble)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(t.broken)) {
		s.trouble(path, t.broken[path])
	}
	t.addClass(s)
	return s
}

// add adds what a file says of one object.
func (s state) add(e entry, path string) {
	before, ok := s[e.ref]
	switch {
	case !ok:
	case before.object == nil:
		e.problems = slices.Concat(before.problems, e.problems)
	case e.object == nil:
		e.object, e.problems = before.object, slices.Concat(before.problems, e.problems)
	default:
		e.object = before.object
		e.problems = append(slices.Clone(before.problems), finding.InAnotherFile.Of(object.Origin{Object: e.ref, File: path}, ""))
	}
	s[e.ref] = e
}

// trouble adds what is wrong with a file or folder as a whole.
func (s state) trouble(path string, err error) {
	ref := object.Ref{Kind: object.KindFile, Name: path}
	e := s[ref]
	e.ref = ref
	e.problems = append(slices.Clone(e.problems), finding.FileNotRead.Of(object.Origin{Object: ref, File: path}, "", err))
	s[ref] = e
}

// addClass adds an IngressClass to a folder that never had one, so that a few
// manifests are enough to try. It serves the Ingresses that name no class. A folder that
// has nothing at all may be one that is not mounted yet: it has no class, either.
func (t *tree) addClass(s state) {
	some := t.allowEmpty
	for ref := range s {
		t.ownClass = t.ownClass || ref.Kind == object.KindIngressClass
		some = some || ref.Kind != object.KindFile
	}
	if t.ownClass || !some {
		return
	}
	class := input.Seal(&input.IngressClass{
		Meta:       input.Meta{Name: input.DefaultClass, Annotations: map[string]string{"ingressclass.kubernetes.io/is-default-class": "true"}},
		Controller: input.Controller})
	s[class.Ref()] = entry{ref: class.Ref(), object: class}
}

// changes lead from one state to another, in order of the objects.
func changes(from, to state) (list []input.Change) {
	for _, ref := range slices.SortedFunc(maps.Keys(to), object.Ref.Compare) {
		before, had := from[ref]
		if after := to[ref]; !had || !before.equal(after) {
			list = append(list, input.Change{Ref: ref, Object: after.object, Problems: after.problems})
		}
	}
	for _, ref := range slices.SortedFunc(maps.Keys(from), object.Ref.Compare) {
		if _, has := to[ref]; has {
			continue
		}
		list = append(list, input.Change{Ref: ref, Deleted: ref.Kind != object.KindFile})
	}
	return list
}

func (e entry) equal(o entry) bool {
	if (e.object == nil) != (o.object == nil) || e.object != nil && e.object.Sum() != o.object.Sum() {
		return false
	}
	return slices.Equal(e.problems, o.problems)
}
