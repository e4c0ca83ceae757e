package nginx

import (
	"errors"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// Annotations that change headers of answers.
const (
	cookiePath   = "proxy-cookie-path"
	cookieDomain = "proxy-cookie-domain"
	redirectFrom = "proxy-redirect-from"
	redirectTo   = "proxy-redirect-to"
)

// answersOf is what is replaced in answers; nil for nothing.
func answersOf(f *route.Fragment, said map[string]string) *route.Answers {
	a := &route.Answers{CookiePath: pairOf(f, said, cookiePath), CookieDomain: pairOf(f, said, cookieDomain)}
	a.CookieDomain.From = strings.TrimPrefix(a.CookieDomain.From, ".")
	from, to := strings.TrimSpace(said[redirectFrom]), strings.TrimSpace(said[redirectTo])
	switch {
	case from == "" || from == "off" || to == "" || to == "off":
		noEffect(f, said, "nothing is replaced without both proxy-redirect-from and proxy-redirect-to", redirectFrom, redirectTo)
	case from == "default" || !literals(from, to):
		f.Find(finding.SettingIgnored, field(redirectFrom), shown(from), errors.New("only a text that a URL begins with, without variables, is supported"))
	default:
		a.Location = route.Replacement{From: from, To: to}
	}
	if *a == (route.Answers{}) {
		return nil
	}
	return a
}

// noEffect tells that annotations say nothing.
func noEffect(f *route.Fragment, said map[string]string, why string, names ...string) {
	for _, name := range names {
		if value, has := said[name]; has {
			f.Find(finding.NoEffect, field(name), shown(value), why)
		}
	}
}

// pairOf reads two texts, of which the first is replaced by the second.
func pairOf(f *route.Fragment, said map[string]string, name string) (r route.Replacement) {
	text, has := said[name]
	words := strings.Fields(text)
	switch {
	case !has || len(words) == 1 && words[0] == "off":
	case len(words) != 2 || !literals(words...):
		f.Find(finding.SettingIgnored, field(name), shown(text), errors.New("not off, or two texts without variables and patterns"))
	default:
		r = route.Replacement{From: words[0], To: words[1]}
	}
	return r
}

// literals reports whether texts stand for themselves: no variable, pattern or quote of
// nginx is in them, nor what would end a header or an attribute of a cookie.
func literals(texts ...string) bool {
	for _, text := range texts {
		if strings.HasPrefix(text, "~") || strings.ContainsAny(text, `$;"'\`) || strings.ContainsFunc(text, unprintable) {
			return false
		}
	}
	return true
}
