package kube

import (
	"slices"
	"sync"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
)

// everyNamespace stands for all namespaces, as in client-go.
const everyNamespace = ""

// state is where all that is read comes together. Its lock guards everything in
// it, and is never held during a request.
type state struct {
	namespaces []string
	fetch      func(object.Ref) // asks for an object that is named; must not block

	mu       sync.Mutex
	queue    queue
	names    names
	versions map[object.Ref]string // resourceVersion of the last fetch of what is named; empty: it was not there
	unlisted map[*feed]bool        // feeds whose first list is not there
	unread   map[object.Ref]bool   // named and never fetched
	heard    map[object.Ref]string // of these: the version that was noticed since they were named
	started  bool                  // the first batch was taken
	wake     chan struct{}         // closed at the next change
}

func newState(namespaces []string) *state {
	return &state{namespaces: namespaces, queue: newQueue(), names: newNames(), versions: map[object.Ref]string{},
		unlisted: map[*feed]bool{}, unread: map[object.Ref]bool{},
		heard: map[object.Ref]string{}, wake: make(chan struct{})}
}

// apply takes changes over.
func (s *state) apply(changes ...input.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applyLocked(changes...)
}

func (s *state) applyLocked(changes ...input.Change) {
	for _, c := range changes {
		s.queue.put(c)
		more, less := s.names.update(c)
		for _, ref := range more {
			s.named(ref)
		}
		for _, ref := range less {
			s.unnamed(ref)
		}
	}
	close(s.wake)
	s.wake = make(chan struct{})
}

// named begins to follow a Secret or ConfigMap.
func (s *state) named(ref object.Ref) {
	if !s.within(ref.Namespace) {
		s.queue.put(input.Change{Ref: ref, Problems: []finding.Problem{
			finding.NamespaceNotRead.Of(object.Origin{Object: ref}, "", ref.Namespace)}})
		return
	}
	s.unread[ref] = true
	s.fetch(ref)
}

// unnamed ends following it. What it named itself is not named any more.
func (s *state) unnamed(ref object.Ref) {
	delete(s.unread, ref)
	delete(s.heard, ref)
	delete(s.versions, ref)
	s.applyLocked(input.Delete(ref))
}

func (s *state) within(namespace string) bool {
	return s.namespaces[0] == everyNamespace || slices.Contains(s.namespaces, namespace)
}

// follows reports whether ref is to be fetched.
func (s *state) follows(ref object.Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names.has(ref) && s.within(ref.Namespace)
}

// fetched takes over the answer to a fetch, if the object is named still.
func (s *state) fetched(c input.Change, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.names.has(c.Ref) {
		return
	}
	heard, ok := s.heard[c.Ref]
	delete(s.unread, c.Ref)
	delete(s.heard, c.Ref)
	s.versions[c.Ref] = version
	s.applyLocked(c)
	if ok && heard != version {
		s.fetch(c.Ref)
	}
}

// noticed hears of a version of a Secret or ConfigMap; empty if it is gone. Only
// of those that are named a version that was not fetched yet is asked for. The
// first fetch of one is under way already, and may bring this version or not.
func (s *state) noticed(ref object.Ref, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.names.has(ref) || !s.within(ref.Namespace):
	case s.unread[ref]:
		s.heard[ref] = version
	case s.versions[ref] != version:
		s.fetch(ref)
	}
}

// listed hears that a feed has read all that there is.
func (s *state) listed(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unlisted, f)
	s.applyLocked()
}

// take returns what can be taken; if there is nothing, nil and a channel that is
// closed when that may have changed.
func (s *state) take() ([]input.Change, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.started && len(s.unlisted)+len(s.unread) == 0:
		s.started = true
		return s.queue.take(len(s.queue.others)), nil
	case s.started && !s.queue.empty():
		return s.queue.take(routesAtOnce), nil
	}
	return nil, s.wake
}

// following lists what is followed of a kind in a namespace, or in all.
func (s *state) following(kind object.Kind, namespace string) []object.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []object.Ref
	for ref := range s.names.count {
		if ref.Kind == kind && s.within(ref.Namespace) && (namespace == everyNamespace || namespace == ref.Namespace) {
			list = append(list, ref)
		}
	}
	slices.SortFunc(list, object.Ref.Compare)
	return list
}

// unreadAtStart counts what is to be fetched before the first Take.
func (s *state) unreadAtStart() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return 0
	}
	return len(s.unread)
}
