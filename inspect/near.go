package inspect

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	edlib "github.com/hbollon/go-edlib"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// wrongLetters is how many letters of a name may be wrong for another one to be meant, as for
// commands.
const wrongLetters = 2

// meant says which name somebody may have meant, for the end of a sentence; empty if none is
// near.
func meant(word string, among iter.Seq[string]) string {
	if name := closest(word, among); name != "" {
		return ": did you mean " + name + "?"
	}
	return ""
}

// closest is the name that is nearest to a word, and the first of those; empty if none is near. It
// looks at all names.
func closest(word string, among iter.Seq[string]) string {
	least, best := wrongLetters+1, ""
	for name := range among {
		if d := distance(word, name, least); d < least {
			least, best = d, name
		}
	}
	if least >= len(word) {
		return ""
	}
	return best
}

// distance is how many letters of a are to be changed, added or taken away to have b, or swapped
// with the one behind (optimal string alignment); at least bound is as good as bound. Names that
// begin and end alike, as those of one domain do, cost little.
func distance(a, b string, bound int) int {
	if max(len(a)-len(b), len(b)-len(a)) >= bound {
		return bound
	}
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return min(edlib.OSADamerauLevenshteinDistance(a, b), bound)
}

// Unknown says that there is no such object, or, if only its namespace is said, none in that;
// empty if there is.
func (s *Served) Unknown(of object.Ref) string {
	view := s.Result().View()
	if of.Name == "" {
		for _, kind := range kept {
			for range keys(view, kind, of.Namespace+"/") {
				return ""
			}
		}
		return fmt.Sprintf("no object of namespace %s is known here%s", of.Namespace, meant(of.Namespace, namespaces(view)))
	}
	if !slices.Contains(kept, of.Kind) {
		return ""
	}
	for key := range keys(view, of.Kind, of.Key()) {
		if key == of.Key() {
			return ""
		}
	}
	return fmt.Sprintf("no %s is known here%s", of, meant(of.Key(), keys(view, of.Kind, "")))
}

// kept are the kinds of objects with a namespace that a View has.
var kept = []object.Kind{object.KindIngress, object.KindService, object.KindSlice, object.KindSecret, object.KindConfigMap}

// keys are those ("namespace/name") of the objects of a kind that begin with a text, in order.
func keys(view input.View, kind object.Kind, prefix string) iter.Seq[string] {
	switch kind {
	case object.KindIngress:
		return first(view.Ingresses().Prefix(prefix))
	case object.KindService:
		return first(view.Services().Prefix(prefix))
	case object.KindSlice:
		return first(view.Slices().Prefix(prefix))
	case object.KindSecret:
		return first(view.Secrets().Prefix(prefix))
	}
	return first(view.ConfigMaps().Prefix(prefix))
}

func first[K, V any](pairs iter.Seq2[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range pairs {
			if !yield(k) {
				return
			}
		}
	}
}

// namespaces are those of objects, some more than once. It looks at all objects.
func namespaces(view input.View) iter.Seq[string] {
	return func(yield func(string) bool) {
		last := ""
		for _, kind := range kept {
			for key := range keys(view, kind, "") {
				namespace, _, _ := strings.Cut(key, "/")
				if namespace != last && !yield(namespace) {
					return
				}
				last = namespace
			}
		}
	}
}

// nobodys reports whether a request that nothing takes is for a host that no Ingress has, not even
// one that is not served.
func nobodys(fleet *translator.Fleet, vh *route.VirtualHost, d route.Decision, q Question) bool {
	if vh.Host != route.Any || !notFound(d) {
		return false
	}
	host := strings.ToLower(q.URL.Hostname())
	for range fleet.View().OfHost(host) {
		return false // its Problems say why it is not served
	}
	for range fleet.View().CanariesOf(host) {
		return false
	}
	return true
}
