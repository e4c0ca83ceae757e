package nginx

import (
	"errors"
	"regexp/syntax"
	"strconv"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// Annotations of a canary: an Ingress that takes a share of another one's requests. As an
// Ingress of its own it would take all requests of a path, or none.
const (
	canary        = "canary"
	canaryHeader  = "canary-by-header"
	canaryValue   = "canary-by-header-value"
	canaryPattern = "canary-by-header-pattern"
	canaryCookie  = "canary-by-cookie"
	canaryWeight  = "canary-weight"
	canaryTotal   = "canary-weight-total"
)

// Canaries makes a canary of each rule that leads to a Service, if the object says that
// it is one. Its rules make no routes then.
func (p Paths) Canaries() {
	f := p.fragment
	if !isTrue(p.said[canary]) {
		for _, name := range []string{canaryHeader, canaryCookie, canaryWeight} {
			if text, has := p.said[name]; has {
				f.Find(finding.NoEffect, field(name), shown(text), `canary is not "true"`)
			}
		}
		return
	}
	f.Withheld = true
	like := p.canary()
	for _, h := range f.Hosts {
		for _, r := range h.Rules {
			if len(r.Action.Targets) == 1 {
				c := like
				c.Host, c.Match, c.To, c.Origin = h.Name, r.Match, r.Action.Targets[0].Backend, f.At(r.Field)
				f.Canaries = append(f.Canaries, c)
			}
		}
	}
}

// canary is what the annotations say of all rules. What ingress-nginx takes for no value
// counts as not there.
func (p Paths) canary() route.Canary {
	total := max(100, p.count(canaryTotal, 100)) // balancer.lua: less than 100 is 100
	c := route.Canary{Cookie: p.word(canaryCookie), Header: p.word(canaryHeader), Weight: p.count(canaryWeight, 0), Total: total}
	if c.Header == "" {
		return c
	}
	if c.Value = p.word(canaryValue); c.Value == "" {
		pattern, err := contains(strings.TrimSpace(p.said[canaryPattern]))
		if c.Pattern = pattern; err != nil {
			p.ignored(canaryPattern, err)
			c.Header = ""
		}
	}
	return c
}

// word is what an annotation says, which is a name, or a value as simple as one.
func (p Paths) word(name string) string {
	text := strings.TrimSpace(p.said[name])
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" {
		return text
	}
	p.ignored(name, errors.New("contains more than letters, digits, - and _"))
	return ""
}

// count is what an annotation says, a number; otherwise what counts without it.
func (p Paths) count(name string, otherwise uint32) uint32 {
	text, has := p.said[name]
	if !has {
		return otherwise
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	if err != nil {
		p.ignored(name, errors.New("not a whole number"))
		return otherwise
	}
	return uint32(n)
}

// ignored tells that an annotation counts as not there.
func (p Paths) ignored(name string, err error) {
	p.fragment.Find(finding.SettingIgnored, field(name), shown(p.said[name]), err)
}

// contains is the pattern of all texts in which a pattern is found; empty for none.
func contains(pattern string) (string, error) {
	if pattern == "" {
		return "", nil
	}
	if err := route.Known(pattern); err != nil {
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			err = errors.New("no regular expression that Envoy knows: " + string(wrong.Code))
		}
		return "", err
	}
	return route.Anywhere(pattern), nil
}
