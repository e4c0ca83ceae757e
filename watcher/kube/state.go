package kube

import (
	"cmp"
	"slices"
	"sync"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
)

// everyNamespace means all namespaces, as in client-go.
const everyNamespace = ""

// state has everything that was read from the API server and not taken yet, and knows
// which Secrets and ConfigMaps to fetch. Feeds and fetches write it; Take reads it. mu
// guards all fields below it, and is never held during a request to the API server.
type state struct {
	namespaces []string
	fetch      func(object.Ref) // has an object fetched soon; is called with mu held, so it must not block

	mu       sync.Mutex
	queue    queue
	names    names
	versions map[object.Ref]string // resourceVersion of the last fetch of each named object; empty: it did not exist
	unlisted map[*feed]bool        // feeds whose first list is not complete
	listing  map[object.Kind]bool  // kinds of which one feed at least has listed
	refused  map[*feed]string      // feeds that may not follow, and why
	unread   map[object.Ref]bool   // named objects that were never fetched
	heard    map[object.Ref]string // of those in unread: the version that the watch has reported since they were named
	started  bool                  // the first batch was taken
	wake     chan struct{}         // closed at the next change
}

func newState(namespaces []string) *state {
	return &state{namespaces: namespaces, queue: newQueue(), names: newNames(), versions: map[object.Ref]string{},
		unlisted: map[*feed]bool{}, listing: map[object.Kind]bool{}, refused: map[*feed]string{}, unread: map[object.Ref]bool{},
		heard: map[object.Ref]string{}, wake: make(chan struct{})}
}

// apply puts changes into the queue, and follows what they name. It is true if an object is
// not as it was last read.
func (s *state) apply(changes ...input.Change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applyLocked(changes...)
}

func (s *state) applyLocked(changes ...input.Change) (isNew bool) {
	for _, c := range changes {
		isNew = s.queue.put(c) || isNew
		s.follow(s.names.update(c))
	}
	close(s.wake)
	s.wake = make(chan struct{})
	return isNew
}

// follow begins and ends following objects.
func (s *state) follow(more, less []object.Ref) {
	for _, ref := range more {
		s.named(ref)
	}
	for _, ref := range less {
		s.unnamed(ref)
	}
}

// used follows what fleets are served with, in place of what they were.
func (s *state) used(refs []object.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow(s.names.used(refs))
	s.applyLocked() // wakes whoever waits for what follows
}

// recall follows what an earlier process has served, and what its classes name; they themselves
// are no change.
func (s *state) recall(last input.View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range last.ClassObjects() {
		s.follow(s.names.update(input.Change{Ref: o.Ref(), Object: o}))
	}
	s.follow(s.names.used(last.Uses()))
}

// named begins to follow a Secret or ConfigMap, because an object refers to it now.
func (s *state) named(ref object.Ref) {
	if !s.within(ref.Namespace) {
		s.queue.put(input.Change{Ref: ref, Unread: "its namespace is not among those that are read", Problems: []finding.Problem{
			finding.NamespaceNotRead.Of(object.Origin{Object: ref}, "", ref.Namespace)}})
		return
	}
	s.unread[ref] = true
	s.fetch(ref)
}

// unnamed ends following a Secret or ConfigMap, because no object refers to it any more.
// It counts as deleted, so what it refers to loses a reference, too.
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

// fetched takes the answer to a fetch, unless no object refers to it any more.
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

// noticed is called when the watch reports a version of a Secret or ConfigMap; empty if
// it was deleted. A named object is fetched if this version was not fetched yet. If its
// first fetch is still under way, that may bring this version or an older one, so the
// version is only kept in heard, and fetched compares.
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

// listed is called when the first list of a feed is complete.
func (s *state) listed(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unlisted, f)
	s.listing[f.kind] = true
	s.applyLocked()
}

// refuse is called when the API server has refused for long what a feed follows.
func (s *state) refuse(f *feed, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[f] != why {
		s.refused[f] = why
		s.tell(f.namespace)
	}
}

// allow is called when a feed gets through.
func (s *state) allow(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[f] != "" {
		delete(s.refused, f)
		s.tell(f.namespace)
	}
}

func (s *state) isRefused(f *feed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[f] != ""
}

// tell makes Problems of the feeds of a namespace that are refused.
func (s *state) tell(namespace string) {
	ref := object.Ref{Kind: object.KindNamespace, Name: cmp.Or(namespace, "*")}
	var list []finding.Problem
	for f, why := range s.refused {
		if f.namespace == namespace {
			list = append(list, finding.KindRefused.Of(object.Origin{Object: ref}, "", f.kind, why))
		}
	}
	slices.SortFunc(list, func(a, b finding.Problem) int { return cmp.Compare(a.Message, b.Message) })
	s.applyLocked(input.Change{Ref: ref, Problems: list})
}

// denied is called when a Secret or ConfigMap may not be fetched, be it for long or not. Of
// one that was never read that is told at once.
func (s *state) denied(ref object.Ref, why string, long bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names.has(ref) && (long || s.started && s.versions[ref] == "") {
		delete(s.unread, ref)
		delete(s.heard, ref)
		s.applyLocked(input.Change{Ref: ref, Unread: why})
	}
}

// complete reports whether everything was read that can be. That we may not read a kind in
// one namespace of several, or one Secret, is an answer. That we may read nothing of a kind
// is none: all that was served of it would be gone.
func (s *state) complete() bool {
	for f := range s.unlisted {
		if s.refused[f] == "" || !s.listing[f.kind] {
			return false
		}
	}
	return len(s.unread) == 0
}

// take returns the next batch of changes. The first batch waits until every feed has
// listed and every named object was fetched, or the API server refuses that. If there is no batch, it returns nil and a
// channel that is closed when there may be one.
func (s *state) take() ([]input.Change, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.started && s.complete():
		s.started = true
		return s.queue.take(len(s.queue.others)), nil
	case s.started && !s.queue.empty():
		return s.queue.take(routesAtOnce), nil
	}
	return nil, s.wake
}

// following lists the objects of a kind that are followed, in one namespace or in all,
// sorted.
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

// unreadAtStart counts the objects that must be fetched before the first Take returns.
func (s *state) unreadAtStart() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return 0
	}
	return len(s.unread)
}
