package route

import (
	"regexp"
	"strconv"
	"time"

	"legation.dev/translator/finding"
)

// Server is what an object says of a host as a whole, also if other objects have its paths.
type Server struct {
	// Regex: the path of each rule is a pattern, RE2, that a request's path begins
	// with, in any case, and the order is ByText. One object of the owner that says so is enough.
	// Fragments that ask for BySpecificity are left as they are.
	Regex bool
	// HSTS is the header of answers by https; nil if the object does not say. The
	// oldest one of the owner that does is heard.
	HSTS *HSTS
}

// HSTS has a browser come by https only. RFC 6797.
type HSTS struct {
	MaxAge              time.Duration // in whole seconds
	Subdomains, Preload bool
	Field               string // that says so
}

// String is the value of the header.
func (h HSTS) String() string {
	text := "max-age=" + strconv.FormatInt(int64(h.MaxAge/time.Second), 10)
	if h.Subdomains {
		text += "; includeSubDomains"
	}
	if h.Preload {
		text += "; preload"
	}
	return text
}

// server hears what objects of the owner say of the host as a whole. Who says otherwise
// than an older one is told.
func (m *merger) server() {
	var by *Fragment
	for p := range m.owning {
		f := p.fragment
		said := f.Host(m.host.Host).Server
		m.regex = m.regex || said.Regex
		switch {
		case said.HSTS == nil:
		case m.hsts == nil:
			m.hsts, by = said.HSTS, f
		case said.HSTS.String() != m.hsts.String():
			m.found = append(m.found, finding.HostTaken.At(f.At(said.HSTS.Field), said.HSTS.String(), by.Origin.Object, m.host.Host, m.hsts))
		}
	}
}

// asPattern is the match of a rule or guard at a host whose paths are patterns; false
// if its path is none.
func asPattern(c candidate) (Match, bool) {
	m := c.rule.Match
	if m.Kind == Regex || c.plan.fragment.Order == BySpecificity {
		return m, true
	}
	path := m.Path
	if _, err := regexp.Compile(path); err != nil && c.guard { // it closes what it names, at least
		path = regexp.QuoteMeta(path)
	} else if err != nil {
		return m, false
	}
	m.Kind, m.Path = Regex, `(?i)(?s:.*)(?:^`+path+`)(?s:.*)` // ^ is that of the whole path, also behind .*
	return m, true
}

// patterned makes a pattern of the path of a candidate, if the host has patterns. One
// that is none is not served, and its owner is told.
func (m *merger) patterned(c candidate) (candidate, bool) {
	if !m.regex {
		return c, true
	}
	match, ok := asPattern(c)
	if c.rule.Match = match; !ok {
		m.found = append(m.found, finding.BadPath.At(c.plan.fragment.At(c.rule.Field), c.rule.Path,
			"is no regular expression, as the paths of host "+m.host.Host+" are"))
	}
	return c, ok
}
