package route

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// SpelledPattern is a pattern of paths whose escapes are undone, as nginx has them, as one of
// paths as Envoy compares them, with their escapes. Both are RE2, and have the same groups.
// One that takes nothing that is written in two ways stays as it is.
//
// nginx compares bytes: é is two, of which a class takes one, and which have no case. An
// escape in the pattern itself stands for its byte, as in a plain path.
//
// A *syntax.Error says why a pattern is none; other errors say why it cannot be said of paths
// with escapes.
func SpelledPattern(pattern string) (string, error) {
	byBytes, escapes := inBytes(pattern)
	re, err := syntax.Parse(byBytes, syntax.Perl)
	if err != nil {
		return "", err
	}
	s := speller{changed: escapes}
	re = s.spell(re, false)
	switch {
	case !s.changed:
		return pattern, Known(pattern)
	case s.wide:
		return "", errors.New("has a character of more than a byte, which no path has")
	case inlineCase.MatchString(pattern):
		return "", errors.New("says itself whether case matters, which cannot be said beside what has escapes in paths")
	case boundary.MatchString(pattern):
		return "", errors.New(`has \b or \B, which cannot be said beside what has escapes in paths`)
	}
	return re.String(), Known(re.String())
}

// Anywhere is the pattern, RE2, of whole texts that have another one somewhere, as nginx searches.
func Anywhere(pattern string) string { return "(?s:.*)(?:" + pattern + ")(?s:.*)" }

// mostSteps is how large a pattern may be, in instructions of RE2. Envoy rejects all of a host
// for a program of more than 100,000 (see package bootstrap); what stands around a pattern of an
// object, and is made of it, is no more than twice as large.
const mostSteps = 20_000

// Known says why Envoy would not take a pattern, and with it nothing of a host. Envoy reads it by
// bytes, and its RE2 has fewer names of classes than package regexp. A *syntax.Error says that it
// is no pattern at all.
func Known(pattern string) error {
	re, err := syntax.Parse(pattern, syntax.Perl)
	switch {
	case err != nil:
		return err
	case beyondBytes.MatchString(pattern):
		return errors.New(`has \p, \P, or \x{} of more than a byte, which Envoy does not know`)
	case steps(re) > mostSteps:
		return errors.New("is larger than Envoy takes")
	}
	return nil
}

var beyondBytes = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*(?:\\[pP]|\\x\{[0-9A-Fa-f]{3,}\})`)

// steps is about how many instructions of RE2 a pattern has.
func steps(re *syntax.Regexp) (n int) {
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass:
		return len(re.Rune) / 2
	case syntax.OpRepeat:
		return 1 + (n+1)*max(re.Min, re.Max, 1)
	}
	return n + 1
}

var (
	inlineCase = regexp.MustCompile(`\(\?[a-zA-Z]*-?[a-zA-Z]*i`)
	boundary   = regexp.MustCompile(`\\[bB]`)
)

// inBytes is a pattern whose runes are the bytes of it, and whose escapes are undone; true if
// there are some.
func inBytes(pattern string) (text string, escapes bool) {
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c, escaped := unescaped(pattern[i:])
		switch {
		case escaped && !class:
			b.WriteString(regexp.QuoteMeta(string(rune(c))))
			i, escapes = i+2, true
			continue
		case pattern[i] == '\\' && i+1 < len(pattern):
			b.WriteByte('\\')
			i++
		case pattern[i] == '[':
			class = true
		case pattern[i] == ']':
			class = false
		}
		b.WriteRune(rune(pattern[i]))
	}
	return b.String(), escapes
}

// speller rewrites a pattern whose runes are bytes.
type speller struct{ changed, wide bool }

// spell is re in all spellings; digit says whether what follows it may begin with a digit
// of an escape.
func (s *speller) spell(re *syntax.Regexp, digit bool) *syntax.Regexp {
	if re.Op == syntax.OpLiteral {
		return s.literal(re)
	}
	if set, one := bytesOf(re); one {
		return s.replaced(re, set.within(every().where(single)), set.pattern)
	}
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		if set, one := bytesOf(re.Sub[0]); one && set.wholeEscapes() && !digit && (re.Op != syntax.OpRepeat || re.Min < 2 && re.Max < 0) {
			return re
		}
		digit = digit || begins(re.Sub[0], false)
	}
	for i := len(re.Sub) - 1; i >= 0; i-- {
		follows := digit
		if re.Op == syntax.OpConcat {
			digit = begins(re.Sub[i], digit)
		}
		re.Sub[i] = s.spell(re.Sub[i], follows)
	}
	return re
}

// literal is a text in all spellings.
func (s *speller) literal(re *syntax.Regexp) *syntax.Regexp {
	same := true
	var b strings.Builder
	for _, r := range re.Rune {
		c := byte(r)
		s.wide = s.wide || r > 0xff
		switch {
		case single(c):
			b.WriteString(regexp.QuoteMeta(string(r)))
			continue
		case c == '\\':
			b.WriteByte('/')
		default:
			b.WriteString(setOf(c).pattern())
		}
		same = false
	}
	return s.replaced(re, same, b.String)
}

// replaced is re, unless it has other spellings: then what a pattern says.
func (s *speller) replaced(re *syntax.Regexp, same bool, pattern func() string) *syntax.Regexp {
	if same {
		return re
	}
	s.changed = true
	return ours(pattern())
}

// ours is a pattern that is written here.
func ours(pattern string) *syntax.Regexp {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		panic(err)
	}
	return re
}

// single reports whether a byte has one spelling in paths as Envoy compares them, itself.
func single(c byte) bool { return c == '/' || unreserved(c) }

// wholeEscapes reports whether a set, any number of times, takes an escape, sign by sign, where
// it takes its byte: it has all bytes that are written so, and all that escapes are written
// with.
func (s byteSet) wholeEscapes() bool {
	return every().escaped().within(s) && digits().within(s)
}

// digits are those that escapes are written with.
func digits() byteSet { return setOf([]byte("0123456789ABCDEFabcdef")...) }

// begins reports whether what re takes, or else what follows it, may begin with a digit of an
// escape.
func begins(re *syntax.Regexp, follows bool) bool {
	if set, one := bytesOf(re); one {
		return !set.within(digits().not())
	}
	switch re.Op {
	case syntax.OpLiteral:
		return digits()[byte(re.Rune[0])]
	case syntax.OpConcat:
		for i := len(re.Sub) - 1; i >= 0; i-- {
			follows = begins(re.Sub[i], follows)
		}
		return follows
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return begins(sub, follows) })
	case syntax.OpCapture, syntax.OpPlus:
		return begins(re.Sub[0], follows)
	case syntax.OpStar, syntax.OpQuest, syntax.OpRepeat:
		return follows || begins(re.Sub[0], follows)
	case syntax.OpEndText, syntax.OpEndLine:
		return false
	}
	return follows
}
