package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
	"legation.dev/xds/admin/adminv1"
)

// fewExamples is how many Ingresses of a class are named.
const fewExamples = 3

// Elsewhere are the Ingresses of classes that are not ours, by class; only those of a
// namespace, if it is not empty. Whoever looks for his Ingress finds here why it is not
// served, although nothing is wrong with it.
func Elsewhere(r translator.Result, namespace string) []*adminv1.Elsewhere {
	view, of := r.View(), map[string]*adminv1.Elsewhere{}
	defaultClass := defaultOf(view)
	for _, o := range view.Ingresses().All() {
		name := foreign(view, o.Fragment().Class, defaultClass)
		if namespace != "" && o.Namespace != namespace || name == "" {
			continue
		}
		e := of[name]
		if e == nil {
			e = &adminv1.Elsewhere{Class: name, Controller: controllerOf(view, name)}
			of[name] = e
		}
		if e.Ingresses++; len(e.GetExamples()) < fewExamples {
			e.Examples = append(e.Examples, o.Ref().String())
		}
	}
	return slices.SortedFunc(maps.Values(of), func(a, b *adminv1.Elsewhere) int { return cmp.Compare(a.GetClass(), b.GetClass()) })
}

// defaultOf is the class of Ingresses that name none; empty if there is none.
func defaultOf(view input.View) string {
	if list := view.Defaults(); len(list) > 0 {
		return list[0].Name
	}
	return ""
}

// foreign is the class of an Ingress if that is not ours; empty if it is, or is none.
func foreign(view input.View, class route.ClassName, defaultClass string) string {
	name := class.Name
	if !class.Named {
		name = defaultClass
	}
	if name == "" || ours(view, name) || class.Beside != nil && ours(view, *class.Beside) {
		return ""
	}
	return name
}

// controllerOf is whose a class is; empty if nobody knows.
func controllerOf(view input.View, class string) string {
	c, ok := view.Class(class)
	if !ok {
		return ""
	}
	return cmp.Or(c.Claimed, c.Controller)
}

// fewOthers is how many Ingresses of other classes are named.
const fewOthers = 3

// unserving are the Ingresses of classes that are not ours which would take the request: that
// of a challenge for a certificate, say.
func unserving(fleet *translator.Fleet, q Question) (list []string) {
	view, host := fleet.View(), strings.ToLower(q.URL.Hostname())
	defaultClass := defaultOf(view)
	for f := range view.OfHost(host) {
		class := foreign(view, f.Class, defaultClass)
		if class == "" || !takes(f, host, q) {
			continue
		}
		if len(list) == fewOthers {
			return append(list, "and more Ingresses of other classes have a rule for it")
		}
		by := "which does not exist"
		if controller := controllerOf(view, class); controller != "" {
			by = "of controller " + controller
		}
		list = append(list, fmt.Sprintf("%s has a rule for it, too, and is not served here: it is of IngressClass %s, %s", f.Origin.Object, class, by))
	}
	return list
}

// takes reports whether a rule of a fragment takes the request where no other is before it.
func takes(f *route.Fragment, host string, q Question) bool {
	h := f.Host(host)
	if h == nil {
		return false
	}
	request := route.Request{Method: q.Method, Host: host, Path: q.URL.JoinPath().RequestURI(), Proto: q.URL.Scheme, Headers: q.Headers}
	return slices.ContainsFunc(h.Rules, func(r route.Rule) bool {
		return route.Decide(&route.VirtualHost{Routes: []route.Route{{Match: r.Match}}}, request).Route != nil
	})
}

// ours reports whether a class is served here, or was and is frozen.
func ours(view input.View, name string) bool {
	c, ok := view.Class(name)
	return ok && c.Controller == input.Controller || view.IsFrozen(name)
}
