package inspect

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// Told is a Problem, and since when it is known.
type Told struct {
	finding.Problem
	Since time.Time
}

// Overview is the Problems of one look in the order of a page, the worst first. It is made
// once for each look that found something else, so that a page costs what it shows. It
// never changes.
type Overview struct {
	rows        []Told
	byNamespace map[string][]int // places in rows, ascending
	byObject    map[object.Ref][]int
	Codes       []CodeCount // the worst first
}

// CodeCount is how many Problems have a code.
type CodeCount struct {
	Code     finding.Code
	Severity finding.Severity
	Count    int
}

func overviewOf(list []known) *Overview {
	o := &Overview{byNamespace: map[string][]int{}, byObject: map[object.Ref][]int{}}
	for _, one := range list {
		o.rows = append(o.rows, Told{one.Problem, one.since})
	}
	slices.SortFunc(o.rows, func(a, b Told) int {
		return cmp.Or(compareCodes(a.Code, b.Code), a.Object.Compare(b.Object), a.Problem.Compare(b.Problem))
	})
	for i, p := range o.rows {
		o.byNamespace[p.Object.Namespace] = append(o.byNamespace[p.Object.Namespace], i)
		o.byObject[p.Object] = append(o.byObject[p.Object], i)
		if last := len(o.Codes) - 1; last >= 0 && o.Codes[last].Code == p.Code {
			o.Codes[last].Count++
			continue
		}
		o.Codes = append(o.Codes, CodeCount{p.Code, p.Code.Row().Severity, 1})
	}
	return o
}

// compareCodes orders by severity, the worst first, and then by name.
func compareCodes(a, b finding.Code) int {
	return cmp.Or(cmp.Compare(b.Row().Severity.Rank(), a.Row().Severity.Rank()), cmp.Compare(a, b))
}

// Len is how many there are.
func (o *Overview) Len() int { return len(o.rows) }

// Of are those of an object.
func (o *Overview) Of(ref object.Ref) (list []Told) {
	for _, i := range o.byObject[ref] {
		list = append(list, o.rows[i])
	}
	return list
}

// ProblemQuery says which Problems are asked for; what is empty excludes nothing.
type ProblemQuery struct {
	Severity    finding.Severity
	Code        finding.Code
	Namespace   string
	Skip, Limit int
}

// Find are those that are asked for, and how many there are without Skip and Limit. It
// looks at those that it returns.
func (o *Overview) Find(q ProblemQuery) (rows []Told, total int) {
	n, at := len(o.rows), func(i int) int { return i }
	if q.Namespace != "" {
		places := o.byNamespace[q.Namespace]
		n, at = len(places), func(i int) int { return places[i] }
	}
	// Rows are in order of severity and code, so that those asked for follow each other.
	from := sort.Search(n, func(i int) bool { return q.compare(o.rows[at(i)].Code) >= 0 })
	to := sort.Search(n, func(i int) bool { return q.compare(o.rows[at(i)].Code) > 0 })
	total = to - from
	for i := from + min(max(q.Skip, 0), total); i < to && len(rows) < q.Limit; i++ {
		rows = append(rows, o.rows[at(i)])
	}
	return rows, total
}

// compare says whether a code comes before those that are asked for (-1), is one (0), or
// comes after them.
func (q ProblemQuery) compare(c finding.Code) int {
	switch {
	case q.Code != "":
		return compareCodes(c, q.Code)
	case q.Severity != "":
		return cmp.Compare(q.Severity.Rank(), c.Row().Severity.Rank())
	}
	return 0
}
