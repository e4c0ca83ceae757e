// Package policy is the table of all settings: what they are called, where they
// may stand, what they may say, what they are by default and why.
//
// A setting is one row of the table in table.go, one field of Values, and its
// use in package translator. The table parses and validates annotations and
// class settings; Markdown makes docs/settings.md of it.
//
// The package is pure. What is wrong with a value is a *FieldError, and the
// value that would have been without it is used.
//
// Start reading at Values and at the table.
package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	Err          error
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

// Setting is one row of the table.
type Setting struct {
	Name   string
	Type   Type
	Scopes Scope
	// Default is the value, as it would be written.
	Default string
	// Why is the reason for the default, with its source.
	Why string
	// Envoy is the field that it becomes.
	Envoy string
	// Doc says what it does, in a sentence or two; More is Markdown below all that.
	Doc, More string
	// Upstream settings shape a cluster: an Ingress that overrides one gets a
	// cluster of its own.
	Upstream bool
	// Gives are the settings that this one gives, as a group: whatever else its object
	// says of them corrects it.
	Gives []string
	// Aliases are other names of it.
	Aliases []string
	// Fixed settings stand in a listener-level field: a change of one drains
	// every connection of the fleet.
	Fixed bool
}

// Type says how the text of a setting is read.
type Type struct {
	// Name and Bounds are for people: "duration", "1ms to 1h".
	Name, Bounds string

	parse func(text string) (apply func(*Values), err error)
	print func(*Values) string
}

// Override is one setting that an object gives, parsed.
type Override struct {
	setting *Setting
	text    string // canonical: as Type.print gives it
	apply   func(*Values)
	at      Origin
}

// Origin is where a setting stands.
type Origin struct {
	Object object.Ref
	Field  string
}

// Overrides are the settings that an object gives, in order of their names, but
// that a preset is first: the others correct it.
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
	for _, one := range o {
		one.apply(&v)
	}
	return v
}

// String lists all values, canonically; equal values print equally.
func (v Values) String() string {
	var parts []string
	for i := range table {
		parts = append(parts, table[i].Name+"="+table[i].Type.print(&v))
	}
	return strings.Join(parts, "\n")
}

// Defaults are the values without any setting.
func Defaults() Values {
	var v Values
	for i := range table {
		apply, err := table[i].Type.parse(table[i].Default)
		if err != nil { // a row of the table is wrong; its test says so
			panic(fmt.Sprintf("policy: default of %s: %v", table[i].Name, err))
		}
		apply(&v)
	}
	return v
}

// OfClass reads the settings of a class from the data of a ConfigMap. A key that
// is wrong is a *FieldError and counts as not there.
func OfClass(config object.Ref, data map[string]string) (Overrides, []*FieldError) {
	return read(config, OnClass, "data.", data)
}

// OfIngress reads our annotations among those of an Ingress, and those of dialects.
func OfIngress(of object.Ref, annotations map[string]string, dialects ...Dialect) (Overrides, []*FieldError) {
	return readAll(of, OnIngress, append(ofAnnotations(annotations, own), spoken(annotations, dialects)...))
}

// OfService reads our annotations among those of a Service.
func OfService(of object.Ref, annotations map[string]string) (Overrides, []*FieldError) {
	return readAll(of, OnService, ofAnnotations(annotations, own))
}

// Errors that a FieldError wraps.
var (
	// ErrUnknown: no setting has this name.
	ErrUnknown = errors.New("no such setting")
	// ErrScope: the setting exists, but not on this kind of object.
	ErrScope = errors.New("not a setting of this kind of object")
)

// statement is one setting as an object gives it.
type statement struct {
	name, text string
	field      string // where it stands
	value      string // as it is written there
	err        error  // in reading it
}

// read reads the settings of texts, by their names.
func read(ref object.Ref, scope Scope, path string, texts map[string]string) (Overrides, []*FieldError) {
	var list []statement
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		list = append(list, statement{name: strings.TrimPrefix(key, Prefix), text: texts[key], field: path + key, value: texts[key]})
	}
	return readAll(ref, scope, list)
}

// readAll reads statements; of two that give one setting, the first counts.
func readAll(ref object.Ref, scope Scope, statements []statement) (list Overrides, errs []*FieldError) {
	for _, s := range statements {
		o, err := readOne(s, scope)
		if err == nil {
			if i := list.index(o.setting.Name); i >= 0 {
				err = fmt.Errorf("the same setting as %s beside it, which counts", list[i].at.Field)
			}
		}
		if err != nil {
			errs = append(errs, &FieldError{Object: ref, Field: s.field, Value: s.value, Err: err})
			continue
		}
		o.at = Origin{ref, s.field}
		list = append(list, o)
	}
	slices.SortFunc(list, groupsFirst)
	return list.consistent(errs)
}

// groupsFirst orders what one object says: what gives several settings is applied
// first, and then corrected.
func groupsFirst(a, b Override) int {
	rank := func(o Override) int {
		if len(o.setting.Gives) > 0 {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.setting.Name, b.setting.Name))
}

func readOne(said statement, scope Scope) (Override, error) {
	i := rowOf(said.name)
	switch {
	case said.err != nil:
		return Override{}, said.err
	case i < 0:
		return Override{}, ErrUnknown
	case table[i].Scopes&scope == 0:
		return Override{}, ErrScope
	}
	s := &table[i]
	apply, err := s.Type.parse(strings.TrimSpace(said.text))
	if err != nil {
		return Override{}, err
	}
	var v Values
	apply(&v)
	return Override{setting: s, text: s.Type.print(&v), apply: apply}, nil
}
