package translator

import (
	"slices"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

// finding is a Problem, from a moment on: that an expired certificate is served
// becomes a Problem by the passing of time alone, and Translate reads no clock.
type finding struct {
	input.Problem
	after time.Time // zero: from the beginning
	until time.Time // zero: for ever
}

// due says whether it is a Problem now.
func (f finding) due(now time.Time) bool {
	return !f.after.After(now) && (f.until.IsZero() || now.Before(f.until))
}

// findings is what the computation of one resource found wrong.
type findings struct {
	list []finding
	sum  pmap.Sum
}

func newFindings(list []finding) findings {
	var parts []string
	for _, f := range list {
		parts = append(parts, f.Error(), f.after.UTC().Format(time.RFC3339), f.until.UTC().Format(time.RFC3339))
	}
	return findings{list: list, sum: pmap.SumOf(parts...)}
}

// Sum identifies the findings.
func (f findings) Sum() pmap.Sum { return f.sum }

// record replaces what was found at unit (a resource or an object) before.
func record(m pmap.Map[findings], unit string, list []finding) pmap.Map[findings] {
	if len(list) == 0 {
		return m.Delete(unit)
	}
	return m.Set(unit, newFindings(list))
}

// due are the Problems among m at now, each once, sorted by object and field.
func due(now time.Time, maps ...pmap.Map[findings]) []input.Problem {
	var list []input.Problem
	for _, m := range maps {
		for _, found := range m.All() {
			for _, f := range found.list {
				if f.due(now) {
					list = append(list, f.Problem)
				}
			}
		}
	}
	slices.SortFunc(list, compareProblems)
	return slices.Compact(list)
}

func compareProblems(a, b input.Problem) int {
	for _, c := range []int{
		strings.Compare(string(a.Object.Kind), string(b.Object.Kind)),
		strings.Compare(a.Object.Key(), b.Object.Key()),
		strings.Compare(a.Field, b.Field),
		strings.Compare(a.Value, b.Value),
		strings.Compare(a.Message, b.Message),
	} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(a.File, b.File)
}

// about makes a finding on one field of an object that was read from file.
func about(ref object.Ref, file, field, value, message string) finding {
	return finding{Problem: input.Problem{Object: ref, File: file, Field: field, Value: value, Message: message}}
}

func aboutIngress(o *input.Ingress, field, value, message string) finding {
	return about(o.Ref(), o.File, field, value, message)
}

// aboutSettings turns what policy refused into findings.
func aboutSettings(file string, errs []*policy.FieldError) []finding {
	var list []finding
	for _, e := range errs {
		list = append(list, about(e.Object, file, e.Field, e.Value, e.Err.Error()+"; the setting is ignored"))
	}
	return list
}

// aboutShare tells who wants more of an Envoy than one Service may have.
func (c class) aboutShare(file string, overrides policy.Overrides) (list []finding) {
	for _, e := range c.settings.Beyond(overrides) {
		list = append(list, about(e.Object, file, e.Field, e.Value, e.Err.Error()+"; that share is in force"))
	}
	return list
}
