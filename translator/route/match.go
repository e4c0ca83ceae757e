package route

import (
	"cmp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Match says which requests of a host a rule takes: all that it names must hold.
type Match struct {
	Kind PathKind
	// Path is as it is written: a trailing slash of a prefix counts in the order,
	// not in the match.
	Path string
	// Method, if not empty, is the only one.
	Method string
	// Headers and Query must all be there.
	Headers, Query []ValueMatch
}

// everything reports whether a rule takes all requests.
func (m Match) everything() bool {
	return m.Kind == Prefix && m.Path == "/" && m.Method == "" && len(m.Headers)+len(m.Query) == 0
}

// PathKind is how a path is compared.
type PathKind uint8

// The kinds of paths.
const (
	Prefix PathKind = iota // element by element: /a matches /a and /a/b, not /ab
	Exact
	Regex // RE2, over the whole path
)

// String is how people write it.
func (k PathKind) String() string {
	switch k {
	case Exact:
		return "Exact"
	case Regex:
		return "Regex"
	}
	return "Prefix"
}

// ValueMatch is a header or a query parameter that has a value.
type ValueMatch struct {
	Name, Value string
	Regex       bool // Value is RE2, over the whole value
	// Not: it must have another value, and no other header of the name may have this one. One that
	// is absent is empty then.
	Not bool
	// Absent: one that is absent is empty.
	Absent bool
}

// Order selects how the rules of a host are sorted: the first rule that matches
// wins. No order leaves a tie: Compare returns 0 only for equal matches.
type Order uint8

const (
	// ByElement is that of Ingress: the longest path first, Exact before Prefix.
	ByElement Order = iota
	// ByText is that of ingress-nginx: the longest text of a pattern first, ties by
	// the text, descending.
	ByText
	// BySpecificity is that of Gateway API: Exact first, then the longest prefix,
	// then a method, then the number of headers, then of query parameters. It serves
	// rules of an Ingress as ByElement does: an Exact path that matches is never the
	// shorter one.
	BySpecificity
)

// Compare orders two matches: negative if a is tried first, zero only if they are
// equal.
func (o Order) Compare(a, b Match) int {
	switch o {
	case ByText:
		return cmp.Or(longer(a.Path, b.Path), strings.Compare(b.Path, a.Path), exactFirst(a, b), conditions(a, b), rest(a, b))
	case BySpecificity:
		return cmp.Or(o.precedence(a, b), longer(a.Path, b.Path), rest(a, b))
	}
	return cmp.Or(longer(bare(a), bare(b)), exactFirst(a, b), longer(a.Path, b.Path), conditions(a, b), rest(a, b))
}

// precedence is Compare as far as the order itself decides. What Gateway API leaves
// open goes to the older object, and then to the rule that it has first.
func (o Order) precedence(a, b Match) int {
	if o == BySpecificity {
		return cmp.Or(exactFirst(a, b), longer(bare(a), bare(b)), conditions(a, b))
	}
	return o.Compare(a, b)
}

func longer(a, b string) int { return cmp.Compare(len(b), len(a)) }

// bare is the part of a path that is compared: a trailing slash of a prefix has no
// part in the match.
func bare(m Match) string {
	if m.Kind == Prefix {
		return strings.TrimRight(m.Path, "/")
	}
	return m.Path
}

// having is m for paths that have a pattern, too, as a whole. Envoy compares one path of a
// route: that of m becomes a condition of the header, which has the query behind it.
func (m Match) having(pattern string) Match {
	own := m.pattern()
	switch m.Kind {
	case Regex:
		own = beforeQuery(m.Path)
	case Prefix:
		own = EverySpelling(bare(m)) + "(?:/[^?]*)?"
	}
	if m.Kind != Prefix || bare(m) != "" {
		m.Headers = append(slices.Clip(m.Headers), ValueMatch{Name: ":path", Value: "(?:" + own + `)(?:\?(?s:.*))?`, Regex: true})
	}
	m.Kind, m.Path = Regex, pattern
	return m
}

// beforeQuery is a pattern of paths for a text that has the query behind the path: it takes
// nothing of that, and its ends are also those in front of it.
func beforeQuery(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil { // it takes nothing, as in whole
		return pattern
	}
	return inPath(re).String()
}

// noPath is what no path has, nor a query.
const noPath = `\x00`

// inPath is re without what no path has: a question mark, and signs beyond ASCII.
func inPath(re *syntax.Regexp) *syntax.Regexp {
	switch re.Op {
	case syntax.OpEndText, syntax.OpEndLine:
		return ours(`(?:\?(?s:.*))?\z`)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return ours(`[^?]`)
	case syntax.OpCharClass:
		if set, _ := bytesOf(re); set.where(inPaths) != (byteSet{}) {
			return ours(set.where(inPaths).class())
		}
		return ours(noPath)
	case syntax.OpLiteral:
		if slices.ContainsFunc(re.Rune, func(r rune) bool { return r > 0x7e || !inPaths(byte(r)) }) {
			return ours(noPath)
		}
	case syntax.OpNoMatch:
		return ours(noPath)
	}
	for i, sub := range re.Sub {
		re.Sub[i] = inPath(sub)
	}
	return re
}

// pattern is the path of m as a pattern of whole paths, for one among others.
func (m Match) pattern() string {
	switch {
	case m.Kind == Regex:
		return "(?:" + m.Path + ")"
	case m.Kind == Exact && m.Path == "/": // and two slashes, as in takesPath
		return "//?"
	case m.Kind == Exact:
		return EverySpelling(m.Path)
	}
	return EverySpelling(bare(m)) + "(?:/(?s:.*))?"
}

func inPaths(c byte) bool { return c > ' ' && c < 0x7f && c != '?' }

func exactFirst(a, b Match) int {
	rank := func(m Match) int {
		if m.Kind == Exact {
			return 0
		}
		return 1
	}
	return cmp.Compare(rank(a), rank(b))
}

// conditions puts first who asks for more: a method, then more headers, then more
// query parameters.
func conditions(a, b Match) int {
	return cmp.Or(-cmp.Compare(min(len(a.Method), 1), min(len(b.Method), 1)),
		cmp.Compare(len(b.Headers), len(a.Headers)), cmp.Compare(len(b.Query), len(a.Query)))
}

// rest makes an order total.
func rest(a, b Match) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Method, b.Method),
		strings.Compare(valuesText(a.Headers), valuesText(b.Headers)), strings.Compare(valuesText(a.Query), valuesText(b.Query)))
}

func valuesText(list []ValueMatch) string {
	var b strings.Builder
	for _, v := range list {
		b.WriteString(v.Name + "\x00" + v.Value + "\x00")
		if v.Regex {
			b.WriteString("regex")
		}
		if v.Not {
			b.WriteString("not")
		}
		if v.Absent {
			b.WriteString("absent")
		}
		b.WriteString("\x00")
	}
	return b.String()
}

// matchKey is equal for rules that match the same requests.
type matchKey struct {
	kind                         PathKind
	path, method, headers, query string
}

func (m Match) key() matchKey {
	return matchKey{m.Kind, m.Path, m.Method, valuesText(m.Headers), valuesText(m.Query)}
}
