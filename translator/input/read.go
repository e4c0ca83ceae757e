package input

import (
	"slices"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/route"
)

// ReadDigest is equal for views that have read the same, on every replica, whatever they hold.
//
// Secrets and ConfigMaps count that classes and objects of ours name as they are now. Others are read
// only where something is held that names them, or in a folder, which has what nobody names.
// Its cost follows the number of Secrets.
func (v View) ReadDigest() pmap.Sum {
	for _, o := range v.secrets.All() {
		if !v.named(o.Ref()) {
			v = v.unheard(o.Ref())
			v.secrets = v.secrets.Delete(o.Ref().Key())
		}
	}
	all := v
	for _, o := range all.configs.All() {
		if !all.named(o.Ref()) {
			v = v.unheard(o.Ref())
			v.configs = v.configs.Delete(o.Ref().Key())
		}
	}
	for _, u := range all.unread.All() {
		if u.Ref.Kind.ByName() && !all.named(u.Ref) {
			v = v.unheard(u.Ref)
		}
	}
	return v.wholeDigest()
}

// wholeDigest is that of all that was read.
func (v View) wholeDigest() pmap.Sum {
	return together(v.ingresses.Digest(), v.classes.Digest(), v.services.Digest(),
		v.slices.Digest(), v.secrets.Digest(), v.configs.Digest(), v.problems.Digest(), v.unread.Digest())
}

// unheard is v without what was wrong in reading an object.
func (v View) unheard(ref object.Ref) View {
	v.problems, v.unread = v.problems.Delete(ref.String()), v.unread.Delete(ref.String())
	return v
}

// named reports whether classes of ours, their settings or objects of ours name an object as they
// were read last.
func (v View) named(ref object.Ref) bool {
	for _, of := range v.classes.All() {
		if of.Controller != Controller || of.Parameters.Kind != object.KindConfigMap {
			continue
		}
		if of.Parameters == ref {
			return true
		}
		if settings, ok := v.configs.Get(of.Parameters.Key()); ok && slices.ContainsFunc(settings.Fragment().References, func(r route.Reference) bool { return r.To == ref }) {
			return true
		}
	}
	for f := range v.Naming(ref) {
		if !f.Gone && v.ours(f.Class) {
			return true
		}
	}
	return false
}

// ours reports whether an object may be of a class of ours: without a class it is, if one of ours is
// the default. What has no field for a class, as a Service, is of all.
func (v View) ours(n route.ClassName) bool {
	is := func(name string) bool {
		of, ok := v.classes.Get(name)
		return ok && of.Controller == Controller
	}
	if n.Named {
		return is(n.Name) || n.Beside != nil && is(*n.Beside)
	}
	for _, of := range v.classes.All() {
		if of.Controller == Controller && (of.IsDefault() || n.Field == "") {
			return true
		}
	}
	return false
}
