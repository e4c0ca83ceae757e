package route

import (
	"net/http"
	"strings"

	"legation.dev/translator/finding"
)

// A rule whose path cannot be served takes no requests: they would go to the rules that
// come after it, past what its object restricts. So the beginning of such a path is
// closed, as far as it is literal, at the place that the rule would have in the order.

// shut is what closes the beginning of a rule that is not served; false if its object
// restricts nothing, or concerns no paths but its own.
func (m *merger) shut(p plan, r Rule) (candidate, bool) {
	if !p.owns || !p.closed && !p.restricts(m.host.Host) {
		return candidate{}, false
	}
	p.closed = true // nobody is asked for a password first
	name := p.fragment.Origin.Object.Key() + " closed " + r.Path
	c := candidate{plan: p, guard: true, rule: Rule{Match: r.Match, Name: name, Path: r.Path, Field: r.Field, Action: Action{Status: http.StatusServiceUnavailable}}}
	if m.regex {
		c, _ = asPattern(c, r.written())
	}
	c = c.beginning(r.Path)
	m.found = append(m.found, finding.BeginningClosed.At(p.fragment.At(r.Field), r.Path, literal(r.Path)))
	return c, true
}

// beginning is c with the literal beginning of its path, in any case, in place of its
// match; its place in the order stays.
func (c candidate) beginning(path string) candidate {
	place, match := c.ranks(), c.rule.Match
	c.place = &place
	match.Kind, match.Path = Regex, `(?i)`+EverySpelling(Spelled(literal(path)))+`(?s:.*)`
	c.rule.Match = match
	return c
}

// literal is what each path must begin with that a pattern matches, as far as that can be
// said without reading the whole pattern, and at least a slash.
func literal(pattern string) string {
	if alternatives(pattern) {
		return "/"
	}
	var text strings.Builder
	last := 0 // where the last character begins
	for i, r := range pattern {
		switch {
		case strings.ContainsRune("?*{", r): // the last one may be missing
			return slashed(text.String()[:last])
		case r <= ' ' || r >= 0x7f || strings.ContainsRune(`\^$.|+()[]}%#`, r):
			if r == '\\' && i+1 < len(pattern) && strings.ContainsRune(`./-_~+`, rune(pattern[i+1])) && !quantified(pattern[i+2:]) {
				return slashed(text.String() + pattern[i+1:i+2])
			}
			return slashed(text.String())
		}
		last = text.Len()
		text.WriteRune(r)
	}
	return slashed(text.String())
}

// quantified reports whether what comes before a rest of a pattern may be missing.
func quantified(rest string) bool { return rest != "" && strings.ContainsRune("?*{", rune(rest[0])) }

func slashed(text string) string {
	if text == "" {
		return "/"
	}
	return text
}

// alternatives reports whether a pattern has a | outside of its parentheses: then it may
// begin in several ways.
func alternatives(pattern string) bool {
	depth := 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth <= 0 {
				return true
			}
		}
	}
	return false
}
