package snippet

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"legation.dev/translator/route"
)

// redirects are the statuses of a return that needs a URL.
var redirects = map[int]bool{301: true, 302: true, 303: true, 307: true, 308: true}

// isURL reports whether nginx takes a text for a URL: then it sends clients there.
func isURL(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "$scheme")
}

// sent is the redirect of a return. A path is one of the host that was asked.
func sent(status uint32, text string) (*route.Redirect, error) {
	if !isURL(text) && !strings.HasPrefix(text, "/") {
		return nil, fmt.Errorf("%q is no URL, and no path", text)
	}
	if strings.HasPrefix(text, "/") {
		text = "$scheme://$host" + text
	}
	to, err := Text(text, parts)
	if err != nil {
		return nil, err
	}
	return &route.Redirect{Status: status, To: to}, nil
}

// rewriting is a rewrite: of a path that has the pattern.
type rewriting struct {
	pattern string // RE2, of paths in all their spellings
	to      string // without the ? at its end
	noQuery bool   // it had one
	status  uint32 // of a redirect; 0 for none
	flag    string
	text    string // as it is written
}

// rewritingOf reads rewrite PATTERN TO [last|break|redirect|permanent].
func rewritingOf(d directive) (w rewriting, err error) {
	if len(d.args) < 2 || len(d.args) > 3 {
		return w, errors.New("needs a pattern, a path or URL, and perhaps a flag")
	}
	w.text = "rewrite " + strings.Join(d.args, " ")
	if len(d.args) == 3 {
		w.flag = d.args[2]
	}
	if w.pattern, err = route.SpelledPattern(d.args[0]); err != nil {
		return w, errors.New("no regular expression that Envoy knows")
	}
	w.to, w.noQuery = strings.CutSuffix(d.args[1], "?")
	switch {
	case w.flag == "permanent":
		w.status = http.StatusMovedPermanently
	case w.flag == "redirect", isURL(w.to):
		w.status = http.StatusFound
	case w.flag == "":
		return w, errors.New("needs a flag: without one it depends on what follows")
	case w.flag != "break" && w.flag != "last":
		return w, fmt.Errorf("the flag %q is none", w.flag)
	}
	switch {
	case strings.Contains(w.to, "?"):
		return w, errors.New("arguments are not understood in it")
	case !isURL(w.to) && !strings.HasPrefix(w.to, "/"):
		return w, fmt.Errorf("%q is no URL, and no path", w.to)
	}
	return w, nil
}

// match takes the paths that have the pattern somewhere.
func (w rewriting) match() route.Match {
	return route.Match{Kind: route.Regex, Path: route.Anywhere(w.pattern)}
}

// captured is what stands in the text for a group.
var captured = regexp.MustCompile(`\$[0-9]`)

// rewrite is the new path. A group that the pattern does not have is empty.
func (w rewriting) rewrite(path string) (*route.Rewrite, error) {
	groups := regexp.MustCompile(w.pattern).NumSubexp()
	to := captured.ReplaceAllStringFunc(strings.ReplaceAll(path, `\`, `\\`), func(of string) string {
		if n, _ := strconv.Atoi(of[1:]); n > groups {
			return ""
		}
		return `\` + of[1:]
	})
	if variable := Variable.FindString(to); variable != "" {
		return nil, fmt.Errorf("the variable %s is not understood", variable)
	}
	return &route.Rewrite{Pattern: w.pattern, To: to}, nil
}

// redirect is where clients are sent: with their query, unless the text ends with ?.
func (w rewriting) redirect() (*route.Redirect, error) {
	if !captured.MatchString(w.to) && strings.Contains(w.to, "$") {
		if !w.noQuery {
			return nil, errors.New("a variable is only understood where ? follows at the end, so that no arguments are added")
		}
		return sent(w.status, w.to)
	}
	d, path := &route.Redirect{Status: w.status, NoQuery: w.noQuery}, w.to
	if scheme, rest, ok := strings.Cut(w.to, "://"); ok {
		host, below, _ := strings.Cut(rest, "/")
		if strings.Contains(scheme+host, "$") {
			return nil, errors.New("a variable is not understood in front of the path")
		}
		d.Scheme, d.Host, path = scheme, host, "/"+below
	}
	if !captured.MatchString(path) {
		d.Path = path
		return d, nil
	}
	rewrite, err := w.rewrite(path)
	d.Rewrite = rewrite
	return d, err
}

// rewrite reads one in a location.
func (r *reader) rewrite(d directive) error {
	w, err := rewritingOf(d)
	switch {
	case err != nil:
		return err
	case w.status != 0:
		to, err := w.redirect()
		r.measures.Before = append(r.measures.Before, route.Conditional{Match: w.match(), Action: route.Action{Redirect: to}})
		return err
	}
	to, err := w.goesOn()
	switch {
	case err != nil:
	case w.flag == "last":
		r.measures.Before = append(r.measures.Before, route.Conditional{Match: w.match(), Action: w.move(to)})
	default:
		r.measures.Rewrites = append(r.measures.Rewrites, *to)
	}
	return err
}

// goesOn is the new path of a request that goes on.
func (w rewriting) goesOn() (*route.Rewrite, error) {
	if w.noQuery {
		return nil, errors.New("a query cannot be taken away from a request that goes on")
	}
	return w.rewrite(w.to)
}

// move has nginx look for a location anew.
func (w rewriting) move(to *route.Rewrite) route.Action {
	return route.Action{Move: &route.Move{Rewrite: *to, Text: w.text}}
}

// moved reads a rewrite of a server, which comes before all of its locations: whatever ends the
// list there, nginx looks for a location next.
func (r *reader) moved(d directive) error {
	w, err := rewritingOf(d)
	if err != nil {
		return err
	}
	place := route.Place{First: true, Once: true, Match: w.match()}
	if w.status != 0 {
		place.Action.Redirect, err = w.redirect()
	} else if to, failed := w.goesOn(); failed == nil {
		place.Action = w.move(to)
	} else {
		err = failed
	}
	r.places = append(r.places, place)
	return err
}
