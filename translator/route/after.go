package route

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// mostAfter is how large a pattern may be of which after says something, in instructions of RE2: its
// derivatives may be larger than itself.
const mostAfter = 500

// after is the pattern of what may follow a text in the texts that a pattern takes as a whole:
// its derivative, as Brzozowski has it. False if that is not said: for a pattern of lines or
// of words, and for one that is large.
func after(pattern, text string) (*syntax.Regexp, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || ofLines(re) || steps(re) > mostAfter {
		return nil, false
	}
	re = ungrouped(re.Simplify())
	for i, c := range text {
		if re = following(re, c, i == 0); i == 0 {
			re = begun(re)
		}
	}
	return re, true
}

// ofLines reports whether a pattern asks for the ends of lines or of words.
func ofLines(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(re.Sub, ofLines)
}

// ungrouped is re without its groups.
func ungrouped(re *syntax.Regexp) *syntax.Regexp {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if len(re.Sub) == 0 {
		return re
	}
	one := *re
	one.Sub = make([]*syntax.Regexp, len(re.Sub))
	for i, sub := range re.Sub {
		one.Sub[i] = ungrouped(sub)
	}
	return &one
}

var (
	nothing = &syntax.Regexp{Op: syntax.OpNoMatch}
	empty   = &syntax.Regexp{Op: syntax.OpEmptyMatch}
)

// following is what may follow c, the first character or a later one, where re takes c and more.
func following(re *syntax.Regexp, c rune, first bool) *syntax.Regexp {
	switch re.Op {
	case syntax.OpLiteral:
		if !takesRune(re, re.Rune[0], c) {
			return nothing
		}
		return tail(re)
	case syntax.OpAnyChar:
		return empty
	case syntax.OpAnyCharNotNL, syntax.OpCharClass:
		if set, _ := bytesOf(re); c > 0xff || !set[byte(c)] {
			return nothing
		}
		return empty
	case syntax.OpStar, syntax.OpPlus:
		return sequence(following(re.Sub[0], c, first), &syntax.Regexp{Op: syntax.OpStar, Sub: re.Sub[:1], Flags: re.Flags})
	case syntax.OpQuest:
		return following(re.Sub[0], c, first)
	case syntax.OpAlternate:
		var list []*syntax.Regexp
		for _, sub := range re.Sub {
			list = append(list, following(sub, c, first))
		}
		return oneOf(list...)
	case syntax.OpConcat:
		rest := sequence(re.Sub[1:]...)
		next := sequence(following(re.Sub[0], c, first), rest)
		if mayBeEmpty(re.Sub[0], first) {
			next = oneOf(next, following(rest, c, first))
		}
		return next
	}
	return nothing // there is nothing, or its end
}

func takesRune(re *syntax.Regexp, own, c rune) bool {
	return own == c || re.Flags&syntax.FoldCase != 0 && unicode.ToLower(own) == unicode.ToLower(c)
}

// tail is a text without its first character.
func tail(re *syntax.Regexp) *syntax.Regexp {
	if len(re.Rune) == 1 {
		return empty
	}
	return &syntax.Regexp{Op: syntax.OpLiteral, Rune: re.Rune[1:], Flags: re.Flags}
}

// mayBeEmpty reports whether re takes no character where one follows: at the beginning or later.
func mayBeEmpty(re *syntax.Regexp, first bool) bool {
	empty := func(sub *syntax.Regexp) bool { return mayBeEmpty(sub, first) }
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true
	case syntax.OpBeginText:
		return first
	case syntax.OpPlus:
		return empty(re.Sub[0])
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, empty)
	case syntax.OpConcat:
		return all(re.Sub, empty)
	}
	return false
}

// begun is re behind the beginning of a text.
func begun(re *syntax.Regexp) *syntax.Regexp {
	var list []*syntax.Regexp
	for _, sub := range re.Sub {
		list = append(list, begun(sub))
	}
	switch re.Op {
	case syntax.OpBeginText:
		return nothing
	case syntax.OpConcat:
		return sequence(list...)
	case syntax.OpAlternate:
		return oneOf(list...)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		if list[0].Op == syntax.OpNoMatch && re.Op != syntax.OpPlus {
			return empty
		}
		return &syntax.Regexp{Op: re.Op, Sub: list, Flags: re.Flags}
	}
	return re
}

// sequence takes one after the other.
func sequence(list ...*syntax.Regexp) *syntax.Regexp {
	var parts []*syntax.Regexp
	for _, re := range list {
		switch re.Op {
		case syntax.OpNoMatch:
			return nothing
		case syntax.OpEmptyMatch:
		case syntax.OpConcat:
			parts = append(parts, re.Sub...)
		default:
			parts = append(parts, re)
		}
	}
	switch len(parts) {
	case 0:
		return empty
	case 1:
		return parts[0]
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: parts}
}

// oneOf takes what one of them takes.
func oneOf(list ...*syntax.Regexp) *syntax.Regexp {
	var kinds []*syntax.Regexp
	for _, re := range list {
		of := []*syntax.Regexp{re}
		if re.Op == syntax.OpAlternate {
			of = re.Sub
		}
		for _, re := range of {
			if re.Op != syntax.OpNoMatch && !slices.ContainsFunc(kinds, re.Equal) {
				kinds = append(kinds, re)
			}
		}
	}
	switch {
	case len(kinds) == 0:
		return nothing
	case len(kinds) == 1:
		return kinds[0]
	case slices.ContainsFunc(kinds, takesAll):
		return kinds[slices.IndexFunc(kinds, takesAll)]
	}
	return &syntax.Regexp{Op: syntax.OpAlternate, Sub: kinds}
}

// takesAll reports whether re takes whatever there is in a path.
func takesAll(re *syntax.Regexp) bool {
	if re.Op != syntax.OpStar {
		return false
	}
	set, one := bytesOf(re.Sub[0])
	return one && setOf('?', '\n').not().within(set) // which no path has
}
