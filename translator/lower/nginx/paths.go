package nginx

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"legation.dev/translator/finding"
	"legation.dev/translator/lower/nginx/snippet"
	"legation.dev/translator/route"
)

// Paths are what the annotations of an object say of all its rules.
type Paths struct {
	fragment *route.Fragment
	said     map[string]string // all annotations, by their names without Prefix
	regex    bool
	slash    bool   // is kept at the end of a path that is sent to https
	target   string // of a rewrite; empty for none
	redirect *route.Redirect
	root     *route.Redirect // for the path / alone
	clients  *route.Clients
	passes   bool            // connections with TLS go to the Service as they are
	measures *route.Measures // of the server
	places   []route.Place   // of the server
	pages    *route.Pages    // of all rules; nil for none
	mirror   *route.Call     // of all rules; nil for none
	ciphers  string          // of the server
}

func pathsOf(f *route.Fragment, said map[string]string) Paths {
	p := Paths{fragment: f, said: said, regex: isTrue(said[useRegex]), slash: isTrue(said[preserveSlash]), target: strings.TrimSpace(said[rewriteTarget])}
	p.redirect = p.moved(said, temporalRedirect, http.StatusFound)
	if p.redirect == nil {
		p.redirect = p.moved(said, permanentRedirect, http.StatusMovedPermanently)
	}
	p.root, p.clients = p.appRoot(said[appRoot]), clientsOf(f, said)
	p.snippets(said)
	p.pages, p.mirror, p.ciphers = p.pagesOf(), p.mirrorOf(), p.ciphersOf()
	p.passes = isTrue(said[passthrough])
	if a := answersOf(f, said); a != nil {
		if f.Measures == nil {
			f.Measures = &route.Measures{}
		}
		f.Measures.Answers = a
	}
	if p.redirect != nil {
		f.Lends = &route.Action{Redirect: p.redirect}
	}
	return p
}

// Annotations that are read here.
const (
	preserveSlash     = "preserve-trailing-slash"
	useRegex          = "use-regex"
	rewriteTarget     = "rewrite-target"
	appRoot           = "app-root"
	permanentRedirect = "permanent-redirect"
	temporalRedirect  = "temporal-redirect"
)

// Rule is a rule as the annotations have it.
func (p Paths) Rule(r route.Rule) route.Rule {
	targets := r.Action.Targets
	r.Pattern = p.regex || p.rewrites(r.Path)
	switch {
	case p.redirect != nil:
		r.Action = route.Action{Redirect: p.redirect}
	case p.rewrites(r.Path):
		r.Action = p.rewritten(r)
	}
	if len(targets) == 1 && len(r.Action.Targets) == 0 {
		r.Names = &targets[0].Backend
	}
	r.Action = p.copied(p.withPages(r.Action))
	return r
}

// Host says of a host, whose rules are there, what the annotations say of it.
func (p *Paths) Host(h *route.Host) {
	for _, r := range h.Rules {
		h.Server.Regex = h.Server.Regex || r.Pattern
	}
	h.Server.KeepSlash, h.Server.Clients, h.Server.Ciphers = p.slash, p.clients, p.ciphers
	h.Server.Measures, h.Server.Places, h.Server.Through = p.measures, p.places, p.through(h)
	h.Server.Guards = p.hostGuards()
	h.Others = p.others(h.Name)
	if p.root != nil {
		h.Root = &route.Action{Redirect: p.root}
	}
}

// rewrites reports whether the target is another one than the path.
func (p Paths) rewrites(path string) bool { return p.target != "" && p.target != path }

// rewritten is the action of a rule with its path rewritten, or sent elsewhere if the
// target is a URL.
func (p Paths) rewritten(r route.Rule) route.Action {
	pattern, to, err := p.substitution(r.Path)
	if err != nil {
		wrong := finding.BadRewrite.At(p.fragment.At(field(rewriteTarget)), p.target, err)
		return route.Action{Status: http.StatusServiceUnavailable, Wrong: &wrong}
	}
	rewrite := &route.Rewrite{Pattern: "(?i:" + pattern + ")", To: to}
	if scheme, rest, ok := strings.Cut(to, "://"); ok && (scheme == "http" || scheme == "https") {
		host, path, _ := strings.Cut(rest, "/")
		rewrite.To = "/" + path
		return route.Action{Redirect: &route.Redirect{Status: http.StatusFound, Scheme: scheme, Host: host, Rewrite: rewrite}}
	}
	r.Action.Rewrite = rewrite
	return r.Action
}

// group is a reference to a group of a pattern, or a variable.
var group = regexp.MustCompile(`\$(?:[0-9]|\{?[A-Za-z_]+\}?)`)

// substitution is the pattern of a path, and the target with \1 for $1. A group that the path
// does not have is empty.
func (p Paths) substitution(path string) (pattern, text string, err error) {
	pattern, err = route.SpelledPattern(path)
	if err != nil {
		return "", "", errors.New("the path is no regular expression that Envoy knows: " + err.Error())
	}
	if strings.Contains(p.target, "?") {
		return "", "", errors.New("arguments in the target are not supported")
	}
	groups := regexp.MustCompile(pattern).NumSubexp()
	text = strings.ReplaceAll(p.target, `\`, `\\`)
	text = group.ReplaceAllStringFunc(text, func(of string) string {
		n, wrong := strconv.Atoi(of[1:])
		switch {
		case wrong != nil:
			err = errors.New(of + " is not supported: only $1 to $9 are")
		case n > groups:
			return ""
		}
		return `\` + of[1:]
	})
	if err == nil && !strings.HasPrefix(text, "/") && !strings.Contains(text, "://") {
		text = "/" + text // as nginx does with one that is no path
	}
	return pattern, text, err
}

// moved is the redirect that an annotation says; nil if it says none.
func (p Paths) moved(said map[string]string, name string, status uint32) *route.Redirect {
	value, has := said[name]
	if !has {
		return nil
	}
	to, err := textOf(strings.TrimSpace(value))
	if err != nil {
		p.fragment.Find(finding.SettingIgnored, field(name), shown(value), err)
		return nil
	}
	if code, has := said[name+"-code"]; has {
		n, err := strconv.Atoi(strings.TrimSpace(code))
		if err != nil || n < 300 || n > 308 || n == 304 {
			p.fragment.Find(finding.SettingIgnored, field(name+"-code"), shown(code), errors.New("not the status of a redirect, from 300 to 308"))
		} else {
			status = uint32(n)
		}
	}
	return &route.Redirect{Status: status, To: to}
}

// parts are the variables of nginx that a redirect may have.
var parts = map[string]route.Part{"request_uri": route.PathAndQuery, "uri": route.PathOnly, "http_host": route.Authority, "host": route.Authority, "scheme": route.Scheme}

// textOf reads the URL of a redirect.
func textOf(value string) (route.Text, error) {
	u, err := url.Parse(snippet.Variable.ReplaceAllString(value, "x"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" && !strings.HasPrefix(value, "$scheme://") || u.Host == "" || strings.ContainsFunc(value, unprintable) {
		return nil, errors.New("not a URL that begins with http:// or https://")
	}
	return snippet.Text(value, parts)
}

func unprintable(r rune) bool { return r <= ' ' || r >= 0x7f }

// appRoot is where the path / alone is sent.
func (p Paths) appRoot(value string) *route.Redirect {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return nil
	case !strings.HasPrefix(value, "/") || strings.ContainsFunc(value, unprintable) || strings.Contains(value, "$"):
		p.fragment.Find(finding.SettingIgnored, field(appRoot), shown(value), errors.New("not a path"))
		return nil
	}
	return &route.Redirect{Status: http.StatusFound, To: route.Text{{Part: route.Scheme}, {Literal: "://"}, {Part: route.Authority}, {Literal: value}}}
}
