// Package finding holds what is wrong with objects, as values: for the log, for
// Events, and for all commands that tell of Problems.
//
// A Finding is made by its Code, whose row in the table has the text, how bad it
// is, and the page that explains it. The package is pure.
//
// Start reading at Problem and at the table.
package finding

import (
	"cmp"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
)

// Problem is what is wrong with one field of one object, for its owner.
type Problem struct {
	// Code says what kind of Problem it is: a row of the table.
	Code   Code
	Object object.Ref
	// File is where the field is, "shop/ingress.yaml:12"; empty if the object
	// came from an API server.
	File string
	// Field is the path of the field: `spec.rules[0].http.paths[1].path`.
	Field string
	// Value is the text there, if it helps; never key material.
	Value string
	// Message says what is wrong and what is served instead.
	Message string
}

// Error prints file, object, field, value and message on one line.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ": ")
	}
	b.WriteString(p.Object.String())
	if p.Field != "" {
		b.WriteString(": " + p.Field)
		if p.Value != "" {
			fmt.Fprintf(&b, "=%q", p.Value)
		}
	}
	b.WriteString(": " + p.Message)
	return b.String()
}

// Compare orders by object, field, value and message.
func (p Problem) Compare(o Problem) int {
	return cmp.Or(strings.Compare(string(p.Object.Kind), string(o.Object.Kind)),
		strings.Compare(p.Object.Key(), o.Object.Key()), strings.Compare(p.Field, o.Field),
		strings.Compare(p.Value, o.Value), strings.Compare(p.Message, o.Message), strings.Compare(p.File, o.File))
}

// Finding is a Problem with the time in which it applies. A certificate becomes a Problem
// when it expires, without any change to an object; translation reads no clock, so it
// says when that will be.
type Finding struct {
	Problem
	After time.Time // zero: from the beginning
	Until time.Time // zero: for ever
}

// due reports whether f applies at now.
func (f Finding) due(now time.Time) bool {
	return !f.After.After(now) && (f.Until.IsZero() || now.Before(f.Until))
}

// consequences are how the table says what becomes of requests to what is not served.
var consequences = regexp.MustCompile(unserved + "|the paths answer 503|the path answers 503")

// Where says of findings what they mean at a place where the table would be wrong about it,
// as of copies of requests, which nobody waits for.
func Where(list []Finding, meaning string) []Finding {
	for i := range list {
		list[i].Message = consequences.ReplaceAllLiteralString(list[i].Message, meaning)
	}
	return list
}

// List has the findings of one unit: of the computation of one resource, or of the
// reading of one object. It has a Sum so that a pmap.Map can hold it.
type List struct {
	list []Finding
	sum  pmap.Sum
}

// NewList takes ownership of list.
func NewList(list []Finding) List {
	var parts []string
	for _, f := range list {
		parts = append(parts, f.Error(), f.After.UTC().Format(time.RFC3339), f.Until.UTC().Format(time.RFC3339))
	}
	return List{list: list, sum: pmap.SumOf(parts...)}
}

// Sum identifies the findings.
func (l List) Sum() pmap.Sum { return l.sum }

// All are the findings. Read only.
func (l List) All() []Finding { return l.list }

// Record returns m with the findings of a unit (a resource or an object) replaced by list.
func Record(m pmap.Map[List], unit string, list []Finding) pmap.Map[List] {
	if len(list) == 0 {
		return m.Delete(unit)
	}
	return m.Set(unit, NewList(list))
}

// Due returns the Problems in maps that apply at now, each once, sorted by object and
// field.
func Due(now time.Time, maps ...pmap.Map[List]) []Problem {
	list := slices.Collect(Each(now, maps...))
	slices.SortFunc(list, Problem.Compare)
	return slices.Compact(list)
}

// Each yields the same in no order, and perhaps some of them several times: for who looks for
// a few.
func Each(now time.Time, maps ...pmap.Map[List]) iter.Seq[Problem] {
	return func(yield func(Problem) bool) {
		for _, m := range maps {
			for _, found := range m.All() {
				for _, f := range found.list {
					if f.due(now) && !yield(f.Problem) {
						return
					}
				}
			}
		}
	}
}
