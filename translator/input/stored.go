package input

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"sync"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/route"
)

// Entry is one part of a View, in the form in which a later process can read it: an
// object as it was reduced, or a claim of the past. It is JSON.
type Entry struct {
	// Frozen is the class that has it pinned (View.Freeze); empty: it is of the View itself.
	Frozen string      `json:"frozen,omitempty"`
	Kind   object.Kind `json:"kind,omitempty"` // of Object
	// Object is the text of which Seal makes the Sum, so an object that comes back is equal.
	Object json.RawMessage `json:"object,omitempty"`
	// File is where the object was read; empty if it came from an API server.
	File string     `json:"file,omitempty"`
	Kept *KeptEntry `json:"kept,omitempty"`
	Pin  *PinEntry  `json:"pin,omitempty"` // of the class Frozen
	// Left says that the object is gone and named by a host that leaves (View.Guard).
	Left bool `json:"left,omitempty"`
	// Settings are held; the object is their ConfigMap, if they name one.
	Settings *SettingsEntry `json:"settings,omitempty"`
	Leaving  *LeavingEntry  `json:"leaving,omitempty"`
	Deletion *Deletion      `json:"deletion,omitempty"`
	// Certificate stays although its Secret is gone.
	Certificate *CertificateEntry `json:"certificate,omitempty"`
}

// CertificateEntry is a certificate with its fleet.
type CertificateEntry struct {
	Fleet string
	held.LastCertificate
}

// LeavingEntry is a Leaving with the objects that it is served with.
type LeavingEntry struct {
	Class, Host string
	Since       time.Time
	Of          []Entry
}

// KeptEntry is a Kept with its class.
type KeptEntry struct {
	Kept
	Class route.ClassName
}

// SettingsEntry is a HeldSettings without the ConfigMap.
type SettingsEntry struct {
	Class      string
	Parameters object.Ref
	Claimed    string
	Since      time.Time
	Why        string
	Closes     held.Closes `json:",omitempty"`
}

// PinEntry is since when a class has objects pinned, and who has paused its fleet; nil: nobody.
type PinEntry struct {
	Since time.Time
	Pause *Pause
}

// Entries yields all that a later process, or another replica, can begin with, but for
// Secrets and for what was wrong: that is read anew. Secrets are yielded by SecretEntries
// and KeptSecrets, and nothing of them is in any other entry.
func (v View) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if !v.entries("", yield) {
			return
		}
		for class, f := range v.frozen.All() {
			if !yield(Entry{Frozen: class, Pin: &PinEntry{Since: f.since, Pause: f.pause}}) || !f.view.entries(class, yield) {
				return
			}
		}
		v.guardEntries(yield)
	}
}

// entries yields what v itself has. Of what a class has pinned, Services and EndpointSlices
// are those of today (View.For).
func (v View) entries(class string, yield func(Entry) bool) bool {
	ok := entriesOf(class, v.classes, yield) && entriesOf(class, v.configs, yield) && entriesOf(class, v.ingresses, yield)
	if class == "" {
		ok = ok && entriesOf(class, v.services, yield) && entriesOf(class, v.slices, yield)
	}
	if !ok {
		return false
	}
	for _, k := range v.kept.All() {
		if !yield(Entry{Frozen: class, Kept: &KeptEntry{Kept: k, Class: k.class}}) {
			return false
		}
	}
	return true
}

// SecretEntries yields the Secrets, and KeptSecrets.
func (v View) SecretEntries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if !entriesOf("", v.secrets, yield) {
			return
		}
		for e := range v.KeptSecrets() {
			if !yield(e) {
				return
			}
		}
	}
}

// KeptSecrets yields the Secrets that are gone and that leaving hosts name, and certificates that
// stay: another replica cannot read them any more.
func (v View) KeptSecrets() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for fleet, list := range v.certificates.All() {
			for _, c := range list.All() {
				if !yield(Entry{Certificate: &CertificateEntry{fleet, c}}) {
					return
				}
			}
		}
		for _, o := range v.left.All() {
			if o.Ref().Kind == object.KindSecret && !yield(leftEntry(o)) {
				return
			}
		}
	}
}

func leftEntry(o Object) Entry {
	return Entry{Left: true, Kind: o.Ref().Kind, Object: textOf(o), File: FileOf(o)}
}

// guardEntries yields the hosts that leave and what is kept for them, Secrets aside, and
// settings that are held.
func (v View) guardEntries(yield func(Entry) bool) {
	for _, h := range v.settings.All() {
		e := Entry{Settings: &SettingsEntry{h.Class, h.Good.Parameters, h.Good.Claimed, h.Since, h.Why, h.Closes}}
		if c := h.Good.Config; c != nil {
			e.Kind, e.Object, e.File = object.KindConfigMap, textOf(c), FileOf(c)
		}
		if !yield(e) {
			return
		}
	}
	if !v.leavingEntries("", yield) {
		return
	}
	for class, f := range v.frozen.All() {
		if !f.view.leavingEntries(class, yield) {
			return
		}
	}
	for _, d := range v.deletions.All() {
		if !yield(Entry{Deletion: &d}) {
			return
		}
	}
	for _, o := range v.left.All() {
		if o.Ref().Kind != object.KindSecret && !yield(leftEntry(o)) {
			return
		}
	}
}

func entriesOf[O interface {
	Object
	meta() *Meta
}](class string, m pmap.Map[O], yield func(Entry) bool) bool {
	for _, o := range m.All() {
		if !yield(Entry{Frozen: class, Kind: o.Ref().Kind, Object: textOf(o), File: FileOf(o)}) {
			return false
		}
	}
	return true
}

// leavingEntries yields the hosts that leave v, which a class may have pinned.
func (v View) leavingEntries(class string, yield func(Entry) bool) bool {
	for _, l := range v.leaving.All() {
		e := LeavingEntry{Class: l.Class, Host: l.Host, Since: l.Since}
		for _, o := range l.of {
			e.Of = append(e.Of, Entry{Kind: object.KindIngress, Object: textOf(o), File: FileOf(o)})
		}
		if !yield(Entry{Frozen: class, Leaving: &e}) {
			return false
		}
	}
	return true
}

// fromFile is the place of an object that an earlier process read from a file: the line
// is not known any more.
type fromFile string

// Place implements object.Places.
func (f fromFile) Place(string) string { return string(f) }

// FileOf is the file that an object was read from, by this process or by an earlier one;
// empty if it came from an API server.
func FileOf(o Object) string {
	m, ok := o.(interface{ meta() *Meta })
	if !ok || m.meta().places == nil {
		return ""
	}
	if f, ok := m.meta().places.(fromFile); ok {
		return string(f)
	}
	at := m.meta().places.Place("") // with the line
	return at[:max(strings.LastIndexByte(at, ':'), 0)]
}

// Decode is the object of an entry, sealed and not yet lowered. An entry with a field
// that this version does not know is an error: it says something that would be left out.
func (e Entry) Decode() (Object, error) {
	switch e.Kind {
	case object.KindIngress:
		return decodeEntry(e, &Ingress{})
	case object.KindIngressClass:
		return decodeEntry(e, &IngressClass{})
	case object.KindService:
		return decodeEntry(e, &Service{})
	case object.KindSlice:
		return decodeEntry(e, &Slice{})
	case object.KindSecret:
		return decodeEntry(e, &Secret{})
	case object.KindConfigMap:
		return decodeEntry(e, &ConfigMap{})
	}
	return nil, fmt.Errorf("kind %q is not read", e.Kind)
}

func decodeEntry[O interface {
	Object
	meta() *Meta
}](e Entry, o O) (Object, error) {
	d := json.NewDecoder(bytes.NewReader(e.Object))
	d.DisallowUnknownFields()
	if err := d.Decode(o); err != nil {
		return nil, fmt.Errorf("%s: %s", e.Kind, withoutValues(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: more than one value", e.Kind)
	}
	if o.Ref().Name == "" {
		return nil, fmt.Errorf("an object of kind %s has no name", e.Kind)
	}
	if e.File != "" {
		o.meta().places = fromFile(e.File)
	}
	return Seal(o), nil
}

// withoutValues is an error of decoding without what it quotes: that may be of a Secret.
func withoutValues(err error) string { return quoted.ReplaceAllString(err.Error(), "...") }

// WithClaim is v with a claim of the past.
func (v View) WithClaim(e KeptEntry) View {
	k := e.Kept
	k.class = e.Class
	v.kept = v.kept.Set(claimKey(k.Host, k.class, k.By.Namespace), k)
	return v
}

// WithLeaving is v with a host that leaves and is served with objects as they last were.
// They are lowered.
func (v View) WithLeaving(e LeavingEntry, of []*Ingress) View {
	l := Leaving{Class: e.Class, Host: e.Host, Since: e.Since, of: of}
	for _, o := range of {
		l.parts = append(l.parts, o.Fragment().Leaving(e.Class, e.Host))
	}
	v.hold(leavingKey(e.Class, e.Host), l)
	return v
}

// WithDeletion is v with a deletion that is held.
func (v View) WithDeletion(d Deletion) View {
	v.deletions = v.deletions.Set(d.Class, d)
	return v
}

// WithSettings is v with settings that are held, and their ConfigMap, which is lowered; nil if
// they name none.
func (v View) WithSettings(e SettingsEntry, config *ConfigMap) View {
	v.settings = v.settings.Set(e.Class, HeldSettings{e.Class, Settings{e.Parameters, e.Claimed, config}, e.Since, e.Why, e.Closes})
	return v
}

// Certificates are those that fleets are served with although their Secrets are missing, by fleet.
func (v View) Certificates() pmap.Map[held.Certificates] { return v.certificates }

// WithCertificates is v with those, in place of those before.
func (v View) WithCertificates(all pmap.Map[held.Certificates]) View {
	v.certificates = all
	return v
}

// WithCertificate is v with one more.
func (v View) WithCertificate(e CertificateEntry) View {
	list, _ := v.certificates.Get(e.Fleet)
	v.certificates = v.certificates.Set(e.Fleet, list.With(e.LastCertificate))
	return v
}

// WithLeft is v with an object that is gone and that leaving hosts name. It is lowered.
func (v View) WithLeft(o Object) View {
	v.left = v.left.Set(o.Ref().String(), o)
	return v
}

// WithFrozen is v with what classes have pinned.
func (v View) WithFrozen(pinned map[string]View, pins map[string]PinEntry) View {
	for class, p := range pinned { // each by itself
		v.frozen = v.frozen.Set(class, frozen{view: &p, served: &p, since: pins[class].Since, pause: pins[class].Pause})
	}
	return v.settled()
}

// WithStored is v as it was written down at a moment, its source not having been read
// since. The zero time is for a View that comes from its source. It is left out of the
// digest.
func (v View) WithStored(at time.Time) View {
	v.stored = at
	return v
}

// Stored is that of WithStored.
func (v View) Stored() time.Time { return v.stored }

// SameEntries reports whether v and o yield the same entries, because nothing was changed
// between them. It compares pointers.
func (v View) SameEntries(o View) bool {
	return v.ingresses.Same(o.ingresses) && v.classes.Same(o.classes) && v.services.Same(o.services) && v.slices.Same(o.slices) &&
		v.configs.Same(o.configs) && v.settings.Same(o.settings) && v.frozen.Same(o.frozen) && v.kept.Same(o.kept) &&
		v.leaving.Same(o.leaving) && v.deletions.Same(o.deletions) && v.left.Same(o.left)
}

// SameSecrets is SameEntries for SecretEntries.
func (v View) SameSecrets(o View) bool {
	return v.secrets.Same(o.secrets) && v.left.Same(o.left) && v.certificates.Same(o.certificates)
}

// ByClock is v, which was written when another clock said then, by a clock that says now: that
// of another machine, or of this one before it was set or while no process ran. What is held is
// as old as it was, and claims last as long as they had left: so no hold ends because of
// what a clock says, and none goes on for hours.
func (v View) ByClock(then, now time.Time) View {
	for key, l := range v.leaving.All() {
		l.Since = SameAge(l.Since, then, now)
		v.leaving = v.leaving.Replace(key, l)
	}
	for class, f := range v.frozen.All() {
		f.since = SameAge(f.since, then, now)
		if f.pause != nil {
			p := *f.pause
			p.Since = SameAge(p.Since, then, now)
			f.pause = &p
		}
		v.frozen = v.frozen.Replace(class, f)
	}
	for fleet, list := range v.certificates.All() {
		for name, c := range list.All() {
			c.Since = SameAge(c.Since, then, now)
			list = held.Certificates{Map: list.Replace(name, c)}
		}
		v.certificates = v.certificates.Replace(fleet, list)
	}
	for class, h := range v.settings.All() {
		h.Since = SameAge(h.Since, then, now)
		v.settings = v.settings.Replace(class, h)
	}
	for class, d := range v.deletions.All() {
		d.Since = SameAge(d.Since, then, now)
		if !d.Until.IsZero() {
			d.Until = now.Add(max(0, d.Until.Sub(then)))
		}
		v.deletions = v.deletions.Replace(class, d)
	}
	for key, k := range v.kept.All() {
		if k.Lapsed {
			k.Until = now.Add(min(max(0, k.Until.Sub(then)), KeepNames))
			v.kept = v.kept.Replace(key, k)
		}
	}
	return v
}

// SameAge is since, of a clock that says then, by a clock that says now. What has a
// monotonic reading keeps it: now of time.Now is never set. With one now for both it is since as
// it is told others: by the clock as it is now, which may have been set meanwhile.
func SameAge(since, then, now time.Time) time.Time { return now.Add(-max(0, then.Sub(since))) }

// Continue is the View of what a source says at its first reading, given v, which an earlier
// process has read: of what could not be read, the last good state stays. How many hosts
// its classes had goes on with it, for Guard, and so do the hosts that leave, and certificates.
func (v View) Continue(first []Change) View {
	next := View{standIn: v.standIn, now: v.now, tallies: v.tallies, deletions: v.deletions, left: v.left, certificates: v.certificates}
	for key, l := range v.leaving.All() {
		next.hold(key, l)
	}
	for _, c := range first {
		next = next.with(c)
		if o := v.object(c.Ref); o != nil && c.Object == nil && !c.Deleted {
			next = next.put(c.Ref, o)
		}
	}
	return next
}

// object is the object that ref names; nil if it is not there.
func (v View) object(ref object.Ref) Object {
	switch ref.Kind {
	case object.KindIngress:
		return objectAt(v.ingresses, ref.Key())
	case object.KindIngressClass:
		return objectAt(v.classes, ref.Name)
	case object.KindService:
		return objectAt(v.services, ref.Key())
	case object.KindSlice:
		return objectAt(v.slices, ref.Key())
	case object.KindSecret:
		return objectAt(v.secrets, ref.Key())
	case object.KindConfigMap:
		return objectAt(v.configs, ref.Key())
	}
	return nil
}

// Objects are all objects of v, kind by kind.
func (v View) Objects() (list []Object) {
	list = appendObjects(v.ClassObjects(), v.ingresses)
	list = appendObjects(appendObjects(list, v.services), v.slices)
	return appendObjects(list, v.secrets)
}

// ClassObjects are the IngressClasses and ConfigMaps of v, with those that it keeps frozen, and
// ConfigMaps that are held.
func (v View) ClassObjects() (list []Object) {
	list = appendObjects(appendObjects(list, v.classes), v.configs)
	for _, f := range v.frozen.All() {
		list = appendObjects(appendObjects(list, f.view.classes), f.view.configs)
	}
	for _, h := range v.settings.All() {
		if c := h.Good.Config; c != nil {
			list = append(list, c)
		}
	}
	return list
}

func appendObjects[O Object](list []Object, m pmap.Map[O]) []Object {
	for _, o := range m.All() {
		list = append(list, o)
	}
	return list
}

func objectAt[O Object](m pmap.Map[O], key string) Object {
	if o, ok := m.Get(key); ok {
		return o
	}
	return nil
}

// EntrySchema changes whenever an entry would be read otherwise because a field came, went
// or changed its type: what another version wrote is then not read. It does not see a change
// of what reading keeps of an object (metaOf, FromIngress and the like): whoever changes
// that counts EntryVersion up.
func EntrySchema() string { return entrySchema() }

var entrySchema = sync.OnceValue(func() string {
	var text strings.Builder
	fmt.Fprint(&text, EntryVersion)
	seen := map[reflect.Type]bool{}
	for _, o := range []any{Ingress{}, IngressClass{}, Service{}, Slice{}, Secret{}, ConfigMap{}, KeptEntry{}, PinEntry{}, SettingsEntry{}, LeavingEntry{}, Deletion{}, CertificateEntry{}, Entry{}} {
		describe(&text, reflect.TypeOf(o), seen)
	}
	return pmap.SumOf(text.String()).String()
})

// EntryVersion counts the changes of what reading keeps of an object, and of by which clock an
// entry says since when.
const EntryVersion = 2

// describe writes the exported fields of a type, and of those that it is made of.
func describe(w *strings.Builder, t reflect.Type, seen map[reflect.Type]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		describe(w, t.Elem(), seen)
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[t] {
		return
	}
	seen[t] = true
	for f := range fields(t) {
		fmt.Fprintf(w, "%s.%s %s %s\n", t, f.Name, f.Type, f.Tag)
		describe(w, f.Type, seen)
	}
}

func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !yield(f) {
				return
			}
		}
	}
}
