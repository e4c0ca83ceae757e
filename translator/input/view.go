package input

import (
	"iter"
	"strings"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// View is all that a source has seen, at one moment. It is a value: With leaves
// it unchanged, and keeping an old View costs only what has changed since.
type View struct {
	ingresses pmap.Map[*Ingress]      // namespace/name
	classes   pmap.Map[*IngressClass] // name
	services  pmap.Map[*Service]      // namespace/name
	slices    pmap.Map[*Slice]        // namespace/name
	secrets   pmap.Map[*Secret]       // namespace/name
	configs   pmap.Map[*ConfigMap]    // namespace/name
	problems  pmap.Map[problems]      // object.Ref.String(): what was wrong in reading it
	unread    pmap.Map[Unread]        // the same: what may not be read

	// Indexes. They follow from the maps above and are not part of the digest. What
	// is indexed of routes is the fragments: a host or a reference that lowering
	// made, as an alias, is found like any other.
	byService pmap.Map[pmap.Unit]       // slices: namespace/service + sep + slice name
	byHost    pmap.Map[pmap.Unit]       // host + sep + object
	byRef     pmap.Map[pmap.Unit]       // object that is named + sep + object
	byName    pmap.Map[pmap.Unit]       // name of a host beside its own + sep + object
	canaries  pmap.Map[pmap.Unit]       // host of a canary + sep + object
	catchAll  pmap.Map[pmap.Unit]       // objects with a catch-all
	fragments pmap.Map[*route.Fragment] // by object: of those that make routes

	settings pmap.Map[HeldSettings] // by class name; see HoldSettings
	frozen   pmap.Map[frozen]       // by class name; see Freeze
	kept     pmap.Map[Kept]         // by claimKey; see Keep

	certificates pmap.Map[held.Certificates] // by fleet: no part of what is translated, see xds/hold

	// See Guard. What leaves is among fragments, too, by their Keys.
	leaving   pmap.Map[Leaving]  // by leavingKey
	deletions pmap.Map[Deletion] // by class
	left      pmap.Map[Object]   // by object.Ref.String()
	tallies   pmap.Map[tally]    // by class
	wakes     pmap.Map[moment]   // by class
	lapsed    []held.Entry       // see Lapsed

	press pmap.Map[Press] // by namespace: see WithPress

	standIn *Secret   // see WithStandIn
	now     int64     // in ns since 1970, see WithTime
	stored  time.Time // see WithStored
}

const sep = "\x00"

type problems struct {
	list []finding.Problem
	sum  pmap.Sum
}

func (p problems) Sum() pmap.Sum { return p.sum }

// With is v after changes. A change that leaves what translation reads as it
// was returns an equal View.
func (v View) With(changes ...Change) View {
	for _, c := range changes {
		v = v.with(c)
	}
	return v
}

func (v View) with(c Change) View {
	v.problems = setProblems(v.problems, c.Ref, c.Problems)
	if v.unread = v.unread.Delete(c.Ref.String()); c.Unread != "" {
		v.unread = v.unread.Set(c.Ref.String(), Unread{c.Ref, c.Unread})
	}
	switch {
	case c.Deleted:
		return v.put(c.Ref, nil)
	case c.Object != nil:
		return v.put(c.Ref, c.Object)
	default:
		return v
	}
}

// Unread is an object that we may not read.
type Unread struct {
	Ref object.Ref
	Why string
}

// Sum identifies it.
func (u Unread) Sum() pmap.Sum { return pmap.SumOf(u.Ref.String(), u.Why) }

// Unread are the objects that we may not read, by how they print.
func (v View) Unread() pmap.Map[Unread] { return v.unread }

// WhyUnread is why we may not read an object; empty if we may.
func (v View) WhyUnread(ref object.Ref) string {
	u, _ := v.unread.Get(ref.String())
	return u.Why
}

func setProblems(m pmap.Map[problems], ref object.Ref, list []finding.Problem) pmap.Map[problems] {
	if len(list) == 0 {
		return m.Delete(ref.String())
	}
	parts := make([]string, len(list))
	for i, p := range list {
		parts[i] = p.Error()
	}
	return m.Set(ref.String(), problems{list, pmap.SumOf(parts...)})
}

// put sets or, with a nil object, deletes.
func (v View) put(ref object.Ref, o Object) View {
	switch ref.Kind {
	case object.KindIngress:
		o, _ := o.(*Ingress)
		return v.putIngress(ref.Key(), o)
	case object.KindSlice:
		o, _ := o.(*Slice)
		return v.putSlice(ref.Key(), o)
	case object.KindIngressClass:
		o, _ := o.(*IngressClass)
		v.classes = putObject(v.classes, ref.Name, o, o == nil)
	case object.KindService:
		o, _ := o.(*Service)
		v.services = putObject(v.services, ref.Key(), o, o == nil)
	case object.KindSecret:
		o, _ := o.(*Secret)
		v.secrets = putObject(v.secrets, ref.Key(), o, o == nil)
	case object.KindConfigMap:
		o, _ := o.(*ConfigMap)
		v.configs = putObject(v.configs, ref.Key(), o, o == nil)
	}
	return v
}

// putObject keeps the file of the newest reading even if the contents are equal.
func putObject[O pmap.Value](m pmap.Map[O], key string, o O, gone bool) pmap.Map[O] {
	if gone {
		return m.Delete(key)
	}
	return m.Set(key, o)
}

func (v View) putIngress(key string, o *Ingress) View {
	old, had := v.ingresses.Get(key)
	if had && o != nil && old.Sum() == o.Sum() {
		return v
	}
	if had {
		v.ingresses = v.ingresses.Delete(key)
		v.unroute(old.Ref().String())
	}
	if o != nil {
		v.ingresses = v.ingresses.Set(key, o)
		v.route(o.Ref().String(), o.Fragment())
	}
	return v
}

// route adds what an object makes of routes. It must have been lowered by its
// source, or it would vanish without a word.
func (v *View) route(of string, f *route.Fragment) {
	if f == nil {
		panic("input: " + of + " was not lowered")
	}
	v.fragments = v.fragments.Set(of, f)
	v.index(of, f, func(m pmap.Map[pmap.Unit], k string) pmap.Map[pmap.Unit] { return m.Set(k, pmap.Unit{}) })
}

// refKey is the key in byRef of an object that another one names.
func refKey(to object.Ref, of string) string {
	return string(to.Kind) + sep + to.Namespace + sep + to.Name + sep + of
}

func (v *View) unroute(of string) {
	if f, ok := v.fragments.Get(of); ok {
		v.fragments = v.fragments.Delete(of)
		v.index(of, f, func(m pmap.Map[pmap.Unit], k string) pmap.Map[pmap.Unit] { return m.Delete(k) })
	}
}

// index applies edit at each place of f in an index.
func (v *View) index(of string, f *route.Fragment, edit func(pmap.Map[pmap.Unit], string) pmap.Map[pmap.Unit]) {
	for _, h := range f.Hosts {
		v.byHost = edit(v.byHost, h.Name+sep+of)
		for _, o := range h.Others {
			v.byName = edit(v.byName, o.Name+sep+of)
		}
	}
	for _, r := range f.References {
		v.byRef = edit(v.byRef, refKey(r.To, of))
	}
	for _, c := range f.Canaries {
		v.canaries = edit(v.canaries, c.Host+sep+of)
	}
	if f.CatchAll != nil {
		v.catchAll = edit(v.catchAll, of)
	}
}

func (v View) putSlice(key string, o *Slice) View {
	old, had := v.slices.Get(key)
	if had && o != nil && old.Sum() == o.Sum() {
		return v
	}
	if had {
		v.slices = v.slices.Delete(key)
		v.byService = v.byService.Delete(old.Namespace + "/" + old.Service + sep + old.Name)
	}
	if o != nil {
		v.slices = v.slices.Set(key, o)
		v.byService = v.byService.Set(o.Namespace+"/"+o.Service+sep+o.Name, pmap.Unit{})
	}
	return v
}

// Ingress, and so on: the object of a key ("namespace/name"; a class: its name).
func (v View) Ingress(key string) (*Ingress, bool) { return v.ingresses.Get(key) }

// Class is the IngressClass of that name.
func (v View) Class(name string) (*IngressClass, bool) { return v.classes.Get(name) }

// Service is the Service of "namespace/name". It may be one that is gone: see Guard. So
// may Secret and ConfigMap.
func (v View) Service(key string) (*Service, bool) {
	return orLeft(v, v.services, object.KindService, key)
}

// Secret is the Secret of "namespace/name".
func (v View) Secret(key string) (*Secret, bool) {
	return orLeft(v, v.secrets, object.KindSecret, key)
}

// ConfigMap is the ConfigMap of "namespace/name".
func (v View) ConfigMap(key string) (*ConfigMap, bool) {
	return orLeft(v, v.configs, object.KindConfigMap, key)
}

// Ingresses, Classes, ...: whole kinds, for differences between two views.
func (v View) Ingresses() pmap.Map[*Ingress] { return v.ingresses }

// Classes are all IngressClasses, ours or not, by name.
func (v View) Classes() pmap.Map[*IngressClass] { return v.classes }

// Services are all Services by "namespace/name".
func (v View) Services() pmap.Map[*Service] { return v.services }

// Slices are all EndpointSlices by "namespace/name".
func (v View) Slices() pmap.Map[*Slice] { return v.slices }

// Secrets are all Secrets by "namespace/name".
func (v View) Secrets() pmap.Map[*Secret] { return v.secrets }

// ConfigMaps are all ConfigMaps by "namespace/name".
func (v View) ConfigMaps() pmap.Map[*ConfigMap] { return v.configs }

// SlicesOf yields the EndpointSlices of a Service ("namespace/name"), in order
// of their names.
func (v View) SlicesOf(service string) iter.Seq[*Slice] {
	namespace, _, _ := strings.Cut(service, "/")
	index, slices := v.byService, v.slices
	return func(yield func(*Slice) bool) {
		for k := range index.Prefix(service + sep) {
			s, ok := slices.Get(namespace + "/" + k[len(service)+len(sep):])
			if ok && !yield(s) {
				return
			}
		}
	}
}

// Fragments are those that make routes, by object ("Ingress shop/checkout"); those that
// are Gone have other keys.
func (v View) Fragments() pmap.Map[*route.Fragment] { return v.fragments }

// OfHost yields the fragments with a rule for a host, as they name it.
func (v View) OfHost(host string) iter.Seq[*route.Fragment] {
	return lookUp(v.fragments, v.byHost, host+sep)
}

// HostsFrom yields the hosts that a fragment has a rule for and that begin with a text, in
// order. It looks at those that it yields.
func (v View) HostsFrom(prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := prefix; ; {
			host, found := "", false
			for k := range v.byHost.From(at) {
				host, _, _ = strings.Cut(k, sep)
				found = strings.HasPrefix(host, prefix)
				break
			}
			if !found || !yield(host) {
				return
			}
			at = host + "\x01" // after all objects of the host
		}
	}
}

// HostsBelow yields the hosts that fall under a wildcard and that a fragment has a rule
// for, or gives to a host beside its own, some perhaps twice. It looks at all hosts.
func (v View) HostsBelow(wildcard string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, index := range []pmap.Map[pmap.Unit]{v.byHost, v.byName} {
			for k := range index.All() {
				host, _, _ := strings.Cut(k, sep)
				if above, ok := route.Wildcard(host); ok && above == wildcard && !yield(host) {
					return
				}
			}
		}
	}
}

// Wildcards yields the fragments that have a rule for a wildcard, or give one to a host
// beside its own, some perhaps twice.
func (v View) Wildcards() iter.Seq[*route.Fragment] {
	return func(yield func(*route.Fragment) bool) {
		for _, index := range []pmap.Map[pmap.Unit]{v.byHost, v.byName} {
			for k := range index.Prefix("*.") {
				_, of, _ := strings.Cut(k, sep)
				if f, ok := v.fragments.Get(of); ok && !yield(f) {
					return
				}
			}
		}
	}
}

// Calling yields the fragments that give a host this name beside its own.
func (v View) Calling(name string) iter.Seq[*route.Fragment] {
	return lookUp(v.fragments, v.byName, name+sep)
}

// HasNames reports whether any host has a name beside its own.
func (v View) HasNames() bool { return v.byName.Len() > 0 }

// Naming yields the fragments that name an object.
func (v View) Naming(ref object.Ref) iter.Seq[*route.Fragment] {
	return lookUp(v.fragments, v.byRef, refKey(ref, ""))
}

// CanariesOf yields the fragments with a canary on a rule of a host.
func (v View) CanariesOf(host string) iter.Seq[*route.Fragment] {
	return lookUp(v.fragments, v.canaries, host+sep)
}

// HasCanaries reports whether there is a canary at all.
func (v View) HasCanaries() bool { return v.canaries.Len() > 0 }

// CatchingAll yields the fragments with a catch-all.
func (v View) CatchingAll() iter.Seq[*route.Fragment] { return lookUp(v.fragments, v.catchAll, "") }

// lookUp yields the fragments of an index whose keys begin with a text. What it returns keeps
// two maps, and no copy of a View, which is large.
func lookUp(fragments pmap.Map[*route.Fragment], index pmap.Map[pmap.Unit], prefix string) iter.Seq[*route.Fragment] {
	return func(yield func(*route.Fragment) bool) {
		for k := range index.Prefix(prefix) {
			if f, ok := fragments.Get(k[len(prefix):]); ok && !yield(f) {
				return
			}
		}
	}
}

// keyed is a map of objects of one kind.
type keyed interface {
	Has(key string) bool
	Len() int
}

// of is the map of a kind; nil if that is not read.
func (v View) of(kind object.Kind) keyed {
	switch kind {
	case object.KindIngress:
		return v.ingresses
	case object.KindIngressClass:
		return v.classes
	case object.KindService:
		return v.services
	case object.KindSlice:
		return v.slices
	case object.KindSecret:
		return v.secrets
	case object.KindConfigMap:
		return v.configs
	}
	return nil
}

// Has reports whether an object is there.
func (v View) Has(ref object.Ref) bool {
	key := ref.Key()
	if r, _ := ref.Kind.Reading(); !r.Namespaced {
		key = ref.Name
	}
	m := v.of(ref.Kind)
	return m != nil && m.Has(key)
}

// Len is how many objects of a kind there are.
func (v View) Len(kind object.Kind) int {
	if m := v.of(kind); m != nil {
		return m.Len()
	}
	return 0
}

// Problems yields what was wrong in reading objects, in order of the objects.
func (v View) Problems() iter.Seq[finding.Problem] {
	return func(yield func(finding.Problem) bool) {
		for _, p := range v.problems.All() {
			for _, one := range p.list {
				if !yield(one) {
					return
				}
			}
		}
	}
}

// WithStandIn is v with the certificate that this process made for hosts whose
// Secret never was there. It is left out of the digest, since each process
// makes its own.
func (v View) WithStandIn(s *Secret) View {
	v.standIn = s
	return v
}

// StandIn is the certificate of WithStandIn; nil if there is none.
func (v View) StandIn() *Secret { return v.standIn }

// WithTime is v at a time: all of the clock that translation sees. It is left out of the
// digest.
func (v View) WithTime(now time.Time) View {
	v.now = now.UnixNano()
	return v
}

// Time is that of WithTime; of a View without it, the beginning of 1970.
func (v View) Time() time.Time { return time.Unix(0, v.now) }

// Digest is equal for views that have read the same and hold the same: then what follows
// from them is equal, too.
func (v View) Digest() pmap.Sum {
	return together(v.wholeDigest(), v.settings.Digest(), v.frozen.Digest(), v.kept.Digest(), v.leaving.Digest(), v.deletions.Digest(), v.left.Digest())
}

// HoldDigest is equal for views that hold the same, whenever each of them has begun to.
func (v View) HoldDigest() pmap.Sum {
	var classes []string
	for class := range v.deletions.All() {
		classes = append(classes, class)
	}
	return together(v.settings.Digest(), v.frozen.Digest(), v.kept.Digest(), v.leaving.Digest(), v.left.Digest(), v.certificates.Digest(), pmap.SumOf(classes...))
}

func together(sums ...pmap.Sum) pmap.Sum {
	var parts []string
	for _, d := range sums {
		parts = append(parts, string(d[:]))
	}
	return pmap.SumOf(parts...)
}
