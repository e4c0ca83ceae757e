package inspect

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
)

// Verdict is what moving an Ingress here as it is would mean, the better one first.
type Verdict string

// The verdicts.
const (
	Unchanged  Verdict = "unchanged"  // it is served as before
	Different  Verdict = "difference" // it is served, with a difference that somebody should read
	Undecided  Verdict = "decision"   // somebody has to decide something
	NotAllowed Verdict = "refused"    // some of it would not be served
)

// Verdicts are all of them, in order.
var Verdicts = []Verdict{Unchanged, Different, Undecided, NotAllowed}

// refused are the codes of what is not served at all.
var refused = []finding.Code{finding.PathsClosed, finding.BadRewrite, finding.BadPath, finding.BadHost, finding.ResourceBackend, finding.Invalid, finding.Unreadable}

// verdictOf is what a Problem means for its Ingress.
func verdictOf(c finding.Code) Verdict {
	switch severity := c.Row().Severity; {
	case slices.Contains(refused, c):
		return NotAllowed
	case severity == finding.Error:
		return Undecided
	case severity == finding.Warning:
		return Different
	}
	return Unchanged
}

// Lint is what is known, before a move, of the Ingresses of all classes of a result.
type Lint struct {
	Ingresses int             `json:"ingresses"`
	Verdicts  map[Verdict]int `json:"verdicts"` // Ingresses by their worst Problem
	// Namespaces are the Verdicts of each.
	Namespaces map[string]map[Verdict]int `json:"namespaces"`
	Causes     []Cause                    `json:"causes"` // those of most Ingresses first, the worst verdict before others
	Problems   []LintProblem              `json:"problems"`
}

// Cause is one kind of Problem at one kind of field.
type Cause struct {
	Code     finding.Code `json:"code"`
	Verdict  Verdict      `json:"verdict"`
	Field    string       `json:"field"` // without indices
	Message  string       `json:"message"`
	Do       string       `json:"do"`
	Page     string       `json:"page"`
	Objects  int          `json:"objects"`
	Examples []string     `json:"examples"` // of objects, at most three
}

// LintProblem is one Problem, with its verdict.
type LintProblem struct {
	Verdict Verdict      `json:"verdict"`
	Code    finding.Code `json:"code"`
	Object  string       `json:"object"`
	File    string       `json:"file,omitempty"`
	Field   string       `json:"field,omitempty"`
	Value   string       `json:"value,omitempty"`
	Message string       `json:"message"`
}

// ID identifies a Problem, whatever else changes in its file.
func (p LintProblem) ID() string {
	return strings.Join([]string{string(p.Code), p.Object, p.Field, p.Value}, "\x00")
}

// LintOf looks at a result. Problems that are known count for nothing; nil if none are.
func LintOf(r translator.Result, now time.Time, known map[string]bool) Lint {
	l := Lint{Verdicts: map[Verdict]int{}, Namespaces: map[string]map[Verdict]int{}, Problems: []LintProblem{}}
	worst := map[object.Ref]Verdict{} // by Ingress
	for f := range r.Fleets() {
		for o := range f.Ingresses() {
			worst[o.Ref()] = Unchanged
		}
	}
	causes := causes{}
	for _, p := range r.Problems(now) {
		one := LintProblem{verdictOf(p.Code), p.Code, p.Object.String(), p.File, p.Field, p.Value, p.Message}
		if known[one.ID()] {
			continue
		}
		l.Problems = append(l.Problems, one)
		causes.add(one)
		if was, ok := worst[p.Object]; ok && rank(one.Verdict) > rank(was) {
			worst[p.Object] = one.Verdict
		}
	}
	l.Ingresses, l.Causes = len(worst), causes.sorted()
	for o, v := range worst {
		l.Verdicts[v]++
		if l.Namespaces[o.Namespace] == nil {
			l.Namespaces[o.Namespace] = map[Verdict]int{}
		}
		l.Namespaces[o.Namespace][v]++
	}
	return l
}

// causes are found so far, by code and shape of field, with the objects of each.
type causes map[string]*found

// found is a Cause with the objects that have it.
type found struct {
	Cause
	seen map[string]bool
}

func (all causes) add(p LintProblem) {
	key := string(p.Code) + " " + shape(p.Field)
	c := all[key]
	if c == nil {
		row := p.Code.Row()
		c = &found{Cause{Code: p.Code, Verdict: p.Verdict, Field: shape(p.Field), Message: p.Message, Do: row.Do, Page: row.Page}, map[string]bool{}}
		all[key] = c
	}
	if c.seen[p.Object] {
		return
	}
	c.seen[p.Object] = true
	if c.Objects++; len(c.Examples) < 3 {
		c.Examples = append(c.Examples, p.Object)
	}
}

// sorted are the causes as Lint has them.
func (all causes) sorted() (list []Cause) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[key].Cause)
	}
	slices.SortStableFunc(list, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(rank(b.Verdict), rank(a.Verdict)), cmp.Compare(b.Objects, a.Objects))
	})
	return list
}

func rank(v Verdict) int { return slices.Index(Verdicts, v) }

// index of a list in a field.
var index = regexp.MustCompile(`\[[0-9]+\]`)

// shape is a field of whichever item.
func shape(field string) string { return index.ReplaceAllString(field, "[]") }
