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
	"legation.dev/translator/input"
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
var refused = []finding.Code{finding.PathsClosed, finding.BadRewrite, finding.BadPath, finding.BadHost, finding.ResourceBackend, finding.Invalid, finding.Unreadable,
	finding.ClientsClosed, finding.NoPasswords, finding.AuthAnywhere, finding.ClosedByAnother}

// verdictOf is what a Problem means for its Ingress.
func verdictOf(c finding.Code) Verdict {
	switch severity := c.Row().Severity; {
	case slices.Contains(refused, c):
		return NotAllowed
	case severity == finding.Error, c == finding.Unprotected: // what is more open than it was needs a decision
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
	// By is what Groups are by, and Groups the Verdicts of each.
	By       string                     `json:"by,omitempty"`
	Groups   map[string]map[Verdict]int `json:"groups,omitempty"`
	Causes   []Cause                    `json:"causes"` // those of most Ingresses first, the worst verdict before others
	Problems []LintProblem              `json:"problems"`
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

// LintOptions say how to look.
type LintOptions struct {
	// Known are the IDs of Problems that count for nothing.
	Known map[string]bool
	// By names what Group tells of an Ingress; nil for no groups.
	By    string
	Group func(object.Ref) string
	// Before is what was made of an Ingress before the move; nil for nothing.
	Before func(*input.Ingress) []finding.Problem
	// MoreOpen is what is kept out at a field before the move and not here, where a Problem
	// says that it is not honoured; empty for nothing.
	MoreOpen func(finding.Problem) string
}

// problems are all of a result, with those that only lint tells, sorted.
func (o LintOptions) problems(r translator.Result, now time.Time) (list []finding.Problem) {
	for _, p := range r.Problems(now) {
		if o.MoreOpen != nil && p.Code == finding.NotHonored {
			if kept := o.MoreOpen(p); kept != "" {
				more := finding.MoreOpen.Of(object.Origin{Object: p.Object, Field: p.Field}, p.Value, kept)
				more.File = p.File
				p = more
			}
		}
		list = append(list, p)
	}
	list = append(list, ofHosts(r)...)
	for f := range r.Fleets() {
		for i := range f.Ingresses() {
			if o.Before != nil {
				list = append(list, o.Before(i)...)
			}
		}
	}
	slices.SortFunc(list, finding.Problem.Compare)
	return slices.Compact(list)
}

// LintOf looks at a result.
func LintOf(r translator.Result, now time.Time, options LintOptions) Lint {
	l := Lint{Verdicts: map[Verdict]int{}, By: options.By, Groups: map[string]map[Verdict]int{}, Problems: []LintProblem{}}
	worst := map[object.Ref]Verdict{} // by Ingress
	for f := range r.Fleets() {
		for o := range f.Ingresses() {
			worst[o.Ref()] = Unchanged
		}
	}
	causes := causes{}
	for _, p := range options.problems(r, now) {
		one := LintProblem{verdictOf(p.Code), p.Code, p.Object.String(), p.File, p.Field, p.Value, p.Message}
		if options.Known[one.ID()] {
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
		if options.Group == nil {
			continue
		}
		group := options.Group(o)
		if l.Groups[group] == nil {
			l.Groups[group] = map[Verdict]int{}
		}
		l.Groups[group][v]++
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
