package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/xds/hold"
)

// Holds are what is served although the objects say otherwise, after one pass. It is a
// value.
type Holds struct {
	view   input.View
	fleets map[string]hold.Held
	fresh  time.Time
}

// holdsOf is what a pass left.
func holdsOf(v input.View, holds map[string]held, fresh time.Time) Holds {
	h := Holds{view: v, fleets: map[string]hold.Held{}, fresh: fresh}
	for name, one := range holds {
		h.fleets[name] = one.Held
	}
	return h
}

// View is that of the pass. What was wrong is told of it, and what is held of the past.
func (h Holds) View() input.View { return h.view }

// Certificates are those that stay although their Secrets are missing, by fleet. They have
// private keys.
func (h Holds) Certificates() map[string][]hold.Kept {
	all := map[string][]hold.Kept{}
	for name, f := range h.fleets {
		if list := f.Certificates(); len(list) > 0 {
			all[name] = list
		}
	}
	return all
}

// Digest is equal for replicas that hold the same without a limit of a few seconds, whenever
// each of them has begun to.
func (h Holds) Digest() pmap.Sum {
	view := h.view.HoldDigest()
	parts := []string{string(view[:])}
	for _, name := range slices.Sorted(maps.Keys(h.fleets)) {
		for _, k := range h.fleets[name].Certificates() {
			sum := k.Sum()
			parts = append(parts, name, string(sum[:]))
		}
	}
	return pmap.SumOf(parts...)
}

// List is all of it, by kind, fleet and object. Whoever asks pays for it.
func (h Holds) List() (list []hold.Entry) {
	for _, name := range slices.Sorted(maps.Keys(h.fleets)) {
		list = append(list, h.fleets[name].List(name, h.fresh)...)
	}
	list = slices.Concat(list, h.classes(), h.settings(), h.names(), h.deletions(), h.changes())
	slices.SortStableFunc(list, hold.Entry.Compare)
	return list
}

// classes are those that are gone, or paused.
func (h Holds) classes() (list []hold.Entry) {
	pinned := h.view.Pins()
	for _, name := range slices.Sorted(maps.Keys(pinned)) {
		e := hold.Entry{Kind: hold.Class, Fleet: name, Object: "IngressClass " + name, Digest: pinned[name].Digest.String(), Since: pinned[name].Since,
			Reason: "the class or its settings are gone: Ingresses and settings stay as they were"}
		if p, paused := h.view.Paused(name); paused {
			e.Since, e.Reason = p.Since, fmt.Sprintf("%s has paused the fleet: %s", p.By, p.Reason)
		}
		list = append(list, e)
	}
	return list
}

// settings are those that stay in force although others were read.
func (h Holds) settings() (list []hold.Entry) {
	for _, s := range h.view.AllHeldSettings() {
		at, fields := h.view.ChangedSettings(s.Class)
		var names []string
		for _, f := range fields {
			names = append(names, f.Field)
		}
		digest, _ := h.view.SettingsDigest(s.Class)
		list = append(list, hold.Entry{Kind: hold.Class, Fleet: s.Class, Object: at.Object.String(), Digest: digest.String(), Since: s.Since, Approvable: !s.WrongFixed(),
			Reason: strings.Join(names, ", ") + ": " + s.Why + "; all settings of the class stay as they were"})
	}
	return list
}

// names are those of namespaces whose last Ingress for them is gone.
func (h Holds) names() (list []hold.Entry) {
	for _, k := range h.view.Kept().All() {
		if k.Lapsed {
			sum := k.Sum()
			list = append(list, hold.Entry{Kind: hold.Name, Object: "host " + k.Host, Reason: fmt.Sprintf("it stays with namespace %s, whose %s is gone", k.By.Namespace, k.By),
				Digest: sum.String(), Since: k.Until.Add(-input.KeepNames), Until: k.Until})
		}
	}
	return list
}

// deletions are the hosts that leave, an entry for each class.
func (h Holds) deletions() (list []hold.Entry) {
	for l := range h.view.Leaving() {
		if last := len(list) - 1; last < 0 || list[last].Fleet != l.Class {
			list = append(list, h.deletion(l.Class))
		}
		e := &list[len(list)-1]
		if e.Since.IsZero() || l.Since.Before(e.Since) {
			e.Since = l.Since
		}
		var objects []string
		for _, o := range l.Objects() {
			objects = append(objects, o.String())
		}
		e.Hosts = append(e.Hosts, l.Host+" of "+strings.Join(objects, ", "))
	}
	return list
}

func (h Holds) deletion(class string) hold.Entry {
	digest, n := h.view.LeavingOf(class)
	e := hold.Entry{Kind: hold.Deletion, Fleet: class, Approvable: true, Object: "IngressClass " + class, Digest: digest.String(),
		Reason: fmt.Sprintf("%d hosts are removed: they wait for a moment, in case more go with them", n), Until: h.view.GuardUntilOf(class)}
	if d, held := h.view.Deletion(class); held {
		e.Reason, e.Until = fmt.Sprintf("%d hosts are removed, more than %d %%: they are served as they last were", n, d.Share), d.Until
	}
	return e
}

// changes are those of namespaces that make too many.
func (h Holds) changes() (list []hold.Entry) {
	for namespace, press := range h.view.Press().All() {
		if sum := press.Sum(); press.Over {
			list = append(list, hold.Entry{Kind: hold.Changes, Object: "namespace " + namespace, Digest: sum.String(), Since: press.Since,
				Reason: fmt.Sprintf("its objects change more than %d times a second: rules that are added or moved wait for their turn", press.Most)})
		}
	}
	return list
}
