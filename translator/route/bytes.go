package route

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// byteSet is which bytes of a path, all escapes undone, something takes.
type byteSet [256]bool

func setOf(bytes ...byte) (s byteSet) {
	for _, c := range bytes {
		s[c] = true
	}
	return s
}

// bytesOf are those of an element of a pattern that takes one; false if it takes none, or
// more. Runes are bytes there, and a line break is one as others.
func bytesOf(re *syntax.Regexp) (s byteSet, ok bool) {
	var between []rune
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		between = []rune{0, 0xff}
	case syntax.OpCharClass:
		between = re.Rune
	default:
		return s, false
	}
	for i := 0; i < len(between); i += 2 {
		for c := between[i]; c <= min(between[i+1], 0xff); c++ {
			s[c] = true
		}
	}
	return s, true
}

// raw is how much of a set may stand in a path without an escape, escaped what may stand there
// with one.
func (s byteSet) raw() byteSet {
	return s.where(func(c byte) bool { return c == '/' || unreserved(c) || eitherWay(c) })
}

func (s byteSet) escaped() byteSet {
	return s.where(func(c byte) bool { return c != '/' && c != '\\' && !unreserved(c) })
}

func (s byteSet) where(is func(byte) bool) (some byteSet) {
	for c := range s {
		some[c] = s[c] && is(byte(c))
	}
	return some
}

// every are all bytes.
func every() byteSet { return byteSet{}.not() }

// or has what either set has.
func (s byteSet) or(other byteSet) byteSet {
	for c := range s {
		s[c] = s[c] || other[c]
	}
	return s
}

func (s byteSet) not() (other byteSet) {
	for c := range s {
		other[c] = !s[c]
	}
	return other
}

// within reports whether all of s is in another set.
func (s byteSet) within(other byteSet) bool {
	for c := range s {
		if s[c] && !other[c] {
			return false
		}
	}
	return true
}

// pattern is that of one byte of a set, as requests may write it.
func (s byteSet) pattern() string {
	raw, escaped, slash := s.raw(), s.escaped(), s
	slash['/'] = true
	var ways []string
	switch {
	case raw == byteSet{}:
	case every().raw().within(s):
		ways = append(ways, "[^%]")
	case every().raw().within(slash):
		ways = append(ways, "[^%/]")
	default:
		ways = append(ways, raw.class())
	}
	switch {
	case escaped == byteSet{}:
	case every().escaped().within(s):
		ways = append(ways, "%[0-9A-Fa-f]{2}")
	default:
		for _, digits := range escaped.escapes() {
			ways = append(ways, "%"+digits)
		}
	}
	if len(ways) == 0 {
		return noPath
	}
	return "(?:" + strings.Join(ways, "|") + ")"
}

// class is a set in brackets, or the only byte of it.
func (s byteSet) class() string {
	var b strings.Builder
	for c := 0; c < len(s); c++ {
		if !s[c] {
			continue
		}
		last := c
		for last+1 < len(s) && s[last+1] {
			last++
		}
		if c < 0x80 && s == setOf(byte(c)) {
			return regexp.QuoteMeta(string(rune(c)))
		}
		if b.WriteString(inClass(c)); last > c {
			b.WriteString("-" + inClass(last))
		}
		c = last
	}
	return "[" + b.String() + "]"
}

func inClass(c int) string {
	if unreserved(byte(c)) && c != '-' {
		return string(rune(c))
	}
	return fmt.Sprintf(`\x%02X`, c)
}

// escapes are patterns of the two digits of all escapes in a set: the first digits that have
// the same second ones are one pattern.
func (s byteSet) escapes() (list []string) {
	firsts := map[[16]bool][16]bool{}
	var order [][16]bool
	for first := range 16 {
		seconds := [16]bool(s[first<<4 : first<<4+16])
		if seconds == [16]bool{} {
			continue
		}
		of, seen := firsts[seconds]
		if !seen {
			order = append(order, seconds)
		}
		of[first] = true
		firsts[seconds] = of
	}
	for _, seconds := range order {
		list = append(list, hexDigits(firsts[seconds])+hexDigits(seconds))
	}
	return list
}

// hexDigits is a pattern of one digit, in either case.
func hexDigits(of [16]bool) string {
	var s byteSet
	for digit, is := range of {
		for _, c := range fmt.Sprintf("%x%X", digit, digit) {
			s[c] = s[c] || is
		}
	}
	return s.class()
}
