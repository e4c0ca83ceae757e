package translator

import (
	"cmp"
	"iter"
	"slices"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

const (
	classAnnotation   = "kubernetes.io/ingress.class"
	defaultAnnotation = "ingressclass.kubernetes.io/is-default-class"
)

// class is what all hosts of a fleet depend on: the IngressClass, its settings
// and its catch-all. When it changes, every host is computed anew.
type class struct {
	name      string
	isDefault bool             // whether an Ingress without a class is ours
	config    object.Ref       // the ConfigMap of its settings; zero if there is none
	file      string           // where that was read
	overrides policy.Overrides // what the ConfigMap says
	settings  policy.Values    // the same over the defaults
	fallback  fallback
	found     []finding
	sum       pmap.Sum
}

// readClass reads the facts of a class that v has.
func readClass(v input.View, of *input.IngressClass, frozen bool) class {
	c := class{name: of.Name, isDefault: defaultClass(v) == of.Name}
	c.readSettings(v, of)
	if frozen {
		c.found = append(c.found, about(of.Ref(), of.File, "", "",
			"the class or its settings are gone: its fleet keeps the Ingresses and settings it last had"))
	}
	if c.settings.EscapedSlashes == policy.Keep {
		c.found = append(c.found, about(c.config, c.file, "data.escaped-slashes", string(policy.Keep),
			"a path with %2F is matched as it stands: whatever guards /admin is passed by with /x/..%2fadmin"))
	}
	var found []finding
	c.fallback, found = classFallback(v, c)
	c.found = append(c.found, found...)
	c.sum = pmap.SumOf(c.name, boolText(c.isDefault), c.settings.String(), c.fallback.String())
	return c
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// readSettings reads the ConfigMap that the class names; without one, or until
// it is there, the defaults are in force.
func (c *class) readSettings(v input.View, of *input.IngressClass) {
	c.settings = policy.Defaults()
	p := of.Parameters
	if p == (object.Ref{}) {
		return
	}
	if p.Kind != object.KindConfigMap {
		c.found = append(c.found, about(of.Ref(), of.File, "spec.parameters.kind", string(p.Kind),
			"settings are read from a ConfigMap only; the defaults are in force"))
		return
	}
	config, ok := v.ConfigMap(p.Key())
	if !ok {
		c.found = append(c.found, about(of.Ref(), of.File, "spec.parameters", p.Key(),
			"there is no such ConfigMap; the defaults are in force"))
		return
	}
	overrides, errs := policy.OfClass(config.Ref(), config.Data)
	c.config, c.file, c.overrides, c.settings = config.Ref(), config.File, overrides, c.settings.With(overrides)
	c.found = append(c.found, aboutSettings(config.File, errs)...)
	c.found = append(c.found, c.aboutShare(config.File, overrides)...)
}

// defaultClass is the class of Ingresses that name none: the newest of those
// that are marked as default, ties by name; empty if there is none.
func defaultClass(v input.View) string {
	var best *input.IngressClass
	for _, c := range v.Classes().All() { // in order of names
		if c.Annotations[defaultAnnotation] == "true" && (best == nil || c.Created.After(best.Created)) {
			best = c
		}
	}
	if best == nil {
		return ""
	}
	return best.Name
}

// className is the class that an Ingress names, and the field that does; ok is
// false if it names none.
func className(o *input.Ingress) (name, field string, ok bool) {
	if o.ClassName != nil {
		return *o.ClassName, "spec.ingressClassName", true
	}
	name, ok = o.Annotations[classAnnotation]
	return name, "metadata.annotations." + classAnnotation, ok
}

// has says whether an Ingress is of this class.
func (c class) has(o *input.Ingress) bool {
	name, _, ok := className(o)
	if !ok {
		return c.isDefault
	}
	return name == c.name
}

// members are those of list that are of this class and routed, the oldest first,
// ties by namespace and name: the order in which conflicts are decided.
func (c class) members(list iter.Seq[*input.Ingress]) []*input.Ingress {
	var members []*input.Ingress
	for o := range list {
		if c.has(o) && !isCanary(o) {
			members = append(members, o)
		}
	}
	slices.SortStableFunc(members, func(a, b *input.Ingress) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Key(), b.Key()))
	})
	return members
}
