package input

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"legation.dev/held"
)

// Hold is v with what it holds of objects, given the View before it, that v was made of, and the
// time. closes is what is known of classes whose new settings are held until it is: those that
// Unweighed yields have to be weighed, and all of it is held once more with what was found out.
func (v View) Hold(before View, clock held.Clock, closes map[string]held.Closes) View {
	return v.HoldSettings(before, clock).Weighed(closes).Freeze(before, clock).Keep(before, clock).Guard(before, clock)
}

// HeldUntil is when the first hold of v ends by itself; zero if none does.
func (v View) HeldUntil(clock held.Clock) time.Time {
	names, hosts := v.keptUntil(clock), v.guardUntil()
	if names.IsZero() || !hosts.IsZero() && hosts.Sub(clock.Now) < names.Sub(clock.Now) { // the wall clock may have been set
		return hosts
	}
	return names
}

// Holds are what v holds: certificates, classes, settings, names, hosts that leave, and changes that
// wait. Whoever asks pays for it.
func (v View) Holds(clock held.Clock) []held.Entry {
	return slices.Concat(v.heldCertificates(), v.heldClasses(), v.heldSettings(), v.heldNames(clock), v.heldDeletions(), v.heldChanges())
}

// heldCertificates are those that stay although their Secrets are missing or cannot be used.
func (v View) heldCertificates() (list []held.Entry) {
	for fleet, certificates := range v.certificates.All() {
		for name, c := range certificates.All() {
			if len(c.Body) > 0 {
				list = append(list, held.Entry{Kind: held.Certificate, Fleet: fleet, Object: "host " + name, Digest: c.Version, Since: c.Since,
					Reason: "its Secret is missing or cannot be used: the last certificate stays"})
			}
		}
	}
	return list
}

// heldClasses are those that are gone, or paused.
func (v View) heldClasses() (list []held.Entry) {
	pinned := v.Pins()
	for _, name := range slices.Sorted(maps.Keys(pinned)) {
		e := held.Entry{Kind: held.Class, Fleet: name, Object: "IngressClass " + name, Digest: pinned[name].Digest.String(), Since: pinned[name].Since,
			Reason: "the class or its settings are gone: Ingresses and settings stay as they were"}
		if p, paused := v.Paused(name); paused {
			e.Since, e.Reason = p.Since, fmt.Sprintf("%s has paused the fleet: %s", p.By, p.Reason)
		}
		list = append(list, e)
	}
	return list
}

// heldSettings are those that stay in force although others were read.
func (v View) heldSettings() (list []held.Entry) {
	for _, s := range v.settings.All() {
		at, fields := v.ChangedSettings(s.Class)
		var names []string
		for _, f := range fields {
			names = append(names, f.Field)
		}
		digest, _ := v.settingsDigest(s.Class)
		list = append(list, held.Entry{Kind: held.Class, Fleet: s.Class, Object: at.Object.String(), Digest: digest.String(), Since: s.Since, Approvable: s.Why != wrongFixed, Closes: s.Closes,
			Reason: strings.Join(names, ", ") + ": " + s.Why + "; all settings of the class stay as they were"})
	}
	return list
}

// heldNames are those of namespaces whose last Ingress for them is gone.
func (v View) heldNames(clock held.Clock) (list []held.Entry) {
	for _, k := range v.kept.All() {
		if k.Lapsed {
			sum := k.Sum()
			list = append(list, held.Entry{Kind: held.Name, Object: "host " + k.Host, Reason: fmt.Sprintf("it stays with namespace %s, whose %s is gone", k.By.Namespace, k.By),
				Digest: sum.String(), Since: k.since(), Until: clock.End(k.since(), KeepNames)})
		}
	}
	return list
}

// heldDeletions are the hosts that leave, an entry for each class.
func (v View) heldDeletions() (list []held.Entry) {
	for l := range v.Leaving() {
		if last := len(list) - 1; last < 0 || list[last].Fleet != l.Class {
			list = append(list, v.heldDeletion(l.Class))
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

func (v View) heldDeletion(class string) held.Entry {
	digest, n := v.LeavingOf(class)
	e := held.Entry{Kind: held.Deletion, Fleet: class, Approvable: true, Object: "IngressClass " + class, Digest: digest.String(),
		Reason: fmt.Sprintf("%d hosts are removed: they wait for a moment, in case more go with them", n), Until: v.GuardUntilOf(class)}
	if d, isHeld := v.Deletion(class); isHeld {
		e.Reason, e.Until = fmt.Sprintf("%d hosts are removed, more than %d %%: they are served as they last were", n, d.Share), d.Until
	}
	return e
}

// heldChanges are those of namespaces that make too many.
func (v View) heldChanges() (list []held.Entry) {
	for namespace, press := range v.press.All() {
		if sum := press.Sum(); press.Over {
			list = append(list, held.Entry{Kind: held.Changes, Object: "namespace " + namespace, Digest: sum.String(), Since: press.Since,
				Reason: fmt.Sprintf("its objects change more than %d times a second: rules that are added or moved wait for their turn", press.Most)})
		}
	}
	return list
}

// Approvable are the holds of a class that wait for an approval.
func (v View) Approvable(class string) []held.Entry {
	list := slices.Concat(v.heldSettings(), v.heldDeletions())
	return slices.DeleteFunc(list, func(e held.Entry) bool { return e.Fleet != class || !e.Approvable })
}

// Approve is v without a hold of a class, which is one that Approvable has: the hosts go now, the
// settings that were read are in force.
func (v View) Approve(e held.Entry) View {
	if e.Kind == held.Class {
		v.settings = v.settings.Delete(e.Fleet)
		v.recount(e.Fleet)
		return v
	}
	return v.approveRemoval(e.Fleet)
}
