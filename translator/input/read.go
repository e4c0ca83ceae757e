package input

import (
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/route"
)

// ReadDigest is equal for views that have read the same, on every replica, whatever they hold.
//
// Secrets and ConfigMaps count that classes and objects of ours name as they are now. Others are read
// only where something is held that names them, or in a folder, which has what nobody names.
// Its cost follows the number of Secrets: about 10 ms for 10,000.
func (v View) ReadDigest() pmap.Sum {
	n, all := v.naming(), v
	for _, o := range all.secrets.All() {
		if !n.named(o.Ref()) {
			v.secrets = v.secrets.Delete(o.Ref().Key())
			v.unheard(o.Ref())
		}
	}
	for _, o := range all.configs.All() {
		if !n.named(o.Ref()) {
			v.configs = v.configs.Delete(o.Ref().Key())
			v.unheard(o.Ref())
		}
	}
	for _, u := range all.unread.All() {
		if u.Ref.Kind.ByName() && !n.named(u.Ref) {
			v.unheard(u.Ref)
		}
	}
	return v.wholeDigest()
}

// wholeDigest is that of all that was read.
func (v View) wholeDigest() pmap.Sum {
	return together(v.ingresses.Digest(), v.classes.Digest(), v.services.Digest(),
		v.slices.Digest(), v.secrets.Digest(), v.configs.Digest(), v.problems.Digest(), v.unread.Digest())
}

// unheard has v forget what was wrong in reading an object.
func (v *View) unheard(ref object.Ref) {
	v.problems, v.unread = v.problems.Delete(ref.String()), v.unread.Delete(ref.String())
}

// naming is what names objects as it was read last.
type naming struct {
	byRef     pmap.Map[pmap.Unit]
	fragments pmap.Map[*route.Fragment]
	settings  map[object.Ref]bool // settings of our classes, and what they name
	ours      map[string]bool     // our classes
	isDefault bool                // one of them is
}

func (v *View) naming() *naming {
	n := &naming{byRef: v.byRef, fragments: v.fragments, settings: map[object.Ref]bool{}, ours: map[string]bool{}}
	for name, of := range v.classes.All() {
		if of.Controller != Controller {
			continue
		}
		n.ours[name], n.isDefault = true, n.isDefault || of.IsDefault()
		n.settings[of.Parameters] = true
		if settings, ok := v.configs.Get(of.Parameters.Key()); ok && of.Parameters.Kind == object.KindConfigMap {
			addNamed(n.settings, settings.Fragment())
		}
	}
	return n
}

// named reports whether a class of ours, its settings or an object of ours names an object.
func (n *naming) named(ref object.Ref) bool {
	if n.settings[ref] {
		return true
	}
	for f := range lookUp(n.fragments, n.byRef, refKey(ref, "")) {
		if !f.Gone && n.isOurs(f.Class) {
			return true
		}
	}
	return false
}

// isOurs reports whether an object may be of a class of ours: without a class it is, if one of ours is
// the default. What has no field for a class, as a Service, is of all.
func (n *naming) isOurs(c route.ClassName) bool {
	if c.Named {
		return n.ours[c.Name] || c.Beside != nil && n.ours[*c.Beside]
	}
	return len(n.ours) > 0 && (n.isDefault || c.Field == "")
}
