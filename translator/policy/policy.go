// Package policy is the table of all settings: what they are called, where they
// may stand, what they may say, what they are by default and why.
//
// A setting is a field of Values and the row beside it, in the file of its
// feature. Packages translator/render and translator/lower/service use most of them. The rows parse and validate
// annotations and class settings; Markdown makes docs/settings.md of them. What a
// setting shapes, a listener, a class, a route or an upstream, says where it may
// stand: see Values and table.go. Other prefixes can say settings, too: see Dialect.
//
// The package is pure. What is wrong with a value is a *FieldError, and the
// value that would have been without it is used.
//
// Start reading at values.go, then at a feature such as retry.go.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"legation.dev/object"
)

// Prefix of our annotations. In a class's ConfigMap a setting has its bare name.
const Prefix = "legation.dev/"

// FieldError names the object and field an operator has to change:
//
//	Service shop/checkout: legation.dev/upstream-connect-timeout="5": missing unit
type FieldError struct {
	Object       object.Ref
	Field, Value string
	// Restricts is what of requests the setting would restrict; empty for nothing, and for
	// annotations of a dialect.
	Restricts string
	// Fixed says that the setting is fixed at install: another value, as its default,
	// closes every connection of the fleet.
	Fixed bool
	// Access is that of the setting.
	Access bool
	Err    error
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s: %s=%q: %v", e.Object, e.Field, e.Value, e.Err)
}

// Unwrap returns what is wrong with the value.
func (e *FieldError) Unwrap() error { return e.Err }

// Scope says on which objects a setting may stand; scopes are added up.
type Scope uint8

// The scopes. The narrower one wins: Service, then Ingress, then class.
const (
	OnService Scope = 1 << iota // annotation of a Service
	OnIngress                   // annotation of an Ingress
	OnClass                     // key of the ConfigMap that IngressClass.spec.parameters names
)

// Setting is one row of the table. Scopes, Upstream and OfListener follow from the
// struct of Values that it stands beside: no row sets them.
type Setting struct {
	Name string
	// Aliases are other names of it, behind the same Prefix.
	Aliases []string

	Type   Type
	Scopes Scope
	// Gives are the settings that this one gives values to, if it is a group.
	Gives []string
	// Default is the value, as it would be written.
	Default string
	// Why is the reason for the default, with its source.
	Why string
	// Envoy is the field that it becomes.
	Envoy string
	// Doc says what it does, in a sentence or two; More is Markdown below all that.
	Doc, More string
	// Restricts is what it restricts, if it keeps clients out: a value that cannot be read
	// closes the paths.
	Restricts string
	// Access says that its default may let in whom another value keeps out, so that in a fleet
	// that runs a value that cannot be read is not taken for it.
	Access bool
	// Upstream settings shape a cluster: an Ingress that overrides one gets a
	// cluster of its own.
	Upstream bool
	// OfListener settings are in the HTTP configuration of the listeners: a change of
	// one is for new connections, and closes none.
	OfListener bool
	// Fixed says why a change of an OfListener setting closes every connection of the
	// fleet all the same; empty for all others.
	Fixed string
}

// OfRoute reports whether s is a setting of Route.
func (s *Setting) OfRoute() bool { return s.Scopes&OnIngress != 0 && !s.Upstream }

// Type says how the text of a setting is read.
type Type struct {
	// Name and Bounds are for people: "duration", "1ms to 1h".
	Name, Bounds string

	parse func(text string) (given, error)
	print func(*Values) string
}

// given is what a text says.
type given struct {
	apply func(*Values)
	text  string // canonical: what Type.print gives of the same value
}

// Override is one setting that an object gives, parsed.
type Override struct {
	setting *Setting
	given
	at Origin
	// written is the text for a FieldError: the canonical one, but as it stands
	// there if it is in a dialect.
	written string
}

// wrong is err, at the field where o was set.
func (o Override) wrong(err error) *FieldError {
	return &FieldError{Object: o.at.Object, Field: o.at.Field, Value: o.written, Fixed: o.setting != nil && o.setting.Fixed != "", Access: o.setting != nil && o.setting.Access, Err: err}
}

// Origin is where a setting was made.
type Origin struct {
	Object object.Ref
	Field  string
}

// Overrides are the settings that an object gives, in order of their names, but
// that groups are first: the others correct them.
type Overrides []Override

// Upstream are those that shape a cluster.
func (o Overrides) Upstream() Overrides {
	var list Overrides
	for _, one := range o {
		if one.setting.Upstream {
			list = append(list, one)
		}
	}
	return list
}

// Binding are those that may keep somebody out: all but the ones that say how connections
// to a Service live.
func (o Overrides) Binding() Overrides {
	var list Overrides
	for _, one := range o {
		if !one.setting.Upstream || one.setting.Restricts != "" {
			list = append(list, one)
		}
	}
	return list
}

// FieldOf is where a setting was made; empty if it was not.
func (o Overrides) FieldOf(setting string) string {
	if i := o.index(setting); i >= 0 {
		return o[i].at.Field
	}
	return ""
}

// hashBytes of the SHA-256 stand in a cluster's name: 48 bits tell apart the
// few policies that one Service port is given.
const hashBytes = 6

// Hash names the overrides; it is empty if there are none. Two Ingresses that
// say the same, however written, have the same hash.
func (o Overrides) Hash() string {
	if len(o) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(o.String()))
	return hex.EncodeToString(sum[:hashBytes])
}

// String lists the overrides, canonically: "max-connections=10,upstream-connect-timeout=5s".
func (o Overrides) String() string {
	var parts []string
	for _, one := range o {
		parts = append(parts, one.setting.Name+"="+one.text)
	}
	return strings.Join(parts, ",")
}

// With is v with what o says instead.
func (v Values) With(o Overrides) Values {
	if len(o) == 0 {
		return v
	}
	made := new(Values) // and not v, which would be on the heap for most objects, which say nothing
	*made = v
	for _, one := range o {
		one.apply(made)
	}
	return *made
}

// String lists all values, canonically; equal values print equally.
func (v Values) String() string { return v.print(func(*Setting) bool { return true }) }

// String lists the values as Values.String does.
func (r Route) String() string { return Values{Route: r}.print((*Setting).OfRoute) }

func (v Values) print(which func(*Setting) bool) string {
	var parts []string
	for i := range table {
		if which(&table[i]) {
			parts = append(parts, table[i].Name+"="+table[i].Type.print(&v))
		}
	}
	return strings.Join(parts, "\n")
}

// DefaultsOf are the values without any setting of a class whose place we have taken
// from a controller; empty if the class was ours from the beginning.
func DefaultsOf(controller string) Values {
	v := Defaults()
	if controller == ingressNginx {
		text, err := named["compatibility"].Type.parse(string(IngressNginx))
		if err != nil { // the row of the table is wrong; its test says so
			panic(fmt.Sprintf("policy: compatibility: %v", err))
		}
		text.apply(&v)
	}
	return v
}

// ingressNginx is what the IngressClasses of ingress-nginx have as their controller.
const ingressNginx = "k8s.io/ingress-nginx"

// Defaults are the values without any setting.
func Defaults() Values {
	var v Values
	for i := range table {
		standard, err := table[i].Type.parse(table[i].Default)
		if err != nil { // a row of the table is wrong; its test says so
			panic(fmt.Sprintf("policy: default of %s: %v", table[i].Name, err))
		}
		standard.apply(&v)
	}
	return v
}

// Errors that a FieldError wraps.
var (
	// ErrUnknown: no setting has this name.
	ErrUnknown = errors.New("no such setting")
	// ErrScope: the setting exists, but not on this kind of object.
	ErrScope = errors.New("not a setting of this kind of object")
)
