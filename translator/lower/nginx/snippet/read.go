package snippet

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"legation.dev/translator/route"
)

// Location reads a snippet of a location, which is one of each path of an object.
func Location(text string) (*route.Measures, error) {
	r, err := read(text, inLocation)
	return r.said(), err
}

// Server reads a snippet of a server: what holds for all of a host, and places beside its
// rules.
func Server(text string) (*route.Measures, []route.Place, error) {
	r, err := read(text, inServer)
	return r.said(), r.places, err
}

// reader collects what directives say.
type reader struct {
	measures route.Measures
	places   []route.Place
	turned   int // how long the patterns are of what others do not take, in bytes
}

// said are the measures; nil for none.
func (r *reader) said() *route.Measures {
	if reflect.ValueOf(r.measures).IsZero() {
		return nil
	}
	return &r.measures
}

// level is where a directive stands.
type level uint8

const (
	inLocation level = 1 << iota
	inServer
	inPlace // a location of a server snippet
	inIf
)

// directives are those that are understood, with where. Others that are harmless count as
// not there if all of a snippet is harmless.
var directives = map[string]struct {
	at   level
	read func(*reader, directive) error
}{
	"add_header":               {inLocation | inServer, (*reader).addHeader},
	"allow":                    {inLocation | inServer, (*reader).address},
	"deny":                     {inLocation | inServer | inPlace, (*reader).address},
	"etag":                     {inLocation | inServer | inPlace, nil},
	"more_clear_headers":       {inLocation | inServer, (*reader).clearHeaders},
	"more_clear_input_headers": {inLocation | inServer, (*reader).clearInputHeaders},
	"more_set_headers":         {inLocation | inServer, (*reader).setHeaders},
	"more_set_input_headers":   {inLocation | inServer, (*reader).setInputHeaders},
	"proxy_hide_header":        {inLocation | inServer, (*reader).hideHeader},
	"proxy_set_header":         {inLocation, (*reader).proxySetHeader},
	"rewrite":                  {inLocation, (*reader).rewrite},
	"return":                   {inLocation | inServer | inPlace | inIf, (*reader).returns},
}

// nothing are directives that change nothing here: Envoy passes on what comes as it comes.
func nothing(name string) bool {
	return strings.HasPrefix(name, "gzip") || strings.HasPrefix(name, "proxy_buffer") || name == "proxy_busy_buffers_size" || name == "proxy_request_buffering"
}

func read(text string, at level) (*reader, error) {
	list, err := parse(text)
	if err != nil {
		return &reader{}, err
	}
	r := &reader{}
	for _, d := range list {
		if err := r.read(d, at); err != nil {
			return &reader{}, fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return r, nil
}

// read reads one directive.
func (r *reader) read(d directive, at level) error {
	known := directives[d.name]
	switch {
	case d.name == "location" && at == inServer:
		return r.location(d)
	case d.name == "rewrite" && at == inServer:
		return r.moved(d)
	case d.name == "if" && d.blocked && at&(inLocation|inServer) != 0:
		return r.condition(d)
	case d.blocked || known.at&at == 0 && !nothing(d.name):
		return errors.New("is not understood here")
	case known.read == nil:
		return nil
	}
	return known.read(r, d)
}

// mostBody is how long the text of an answer may be, in bytes: each route has its own.
const mostBody = 1024

// returns reads the answer that a return gives.
func (r *reader) returns(d directive) error {
	a, err := answer(d)
	if err == nil {
		r.measures.Before = append(r.measures.Before, route.Conditional{Action: a})
	}
	return err
}

func answer(d directive) (route.Action, error) {
	if len(d.args) == 0 {
		return route.Action{}, errors.New("a status is missing")
	}
	if len(d.args) == 1 && isURL(d.args[0]) {
		d.args = []string{"302", d.args[0]}
	}
	status, err := strconv.Atoi(d.args[0])
	switch {
	case redirects[status] && len(d.args) == 2:
		to, err := sent(uint32(status), d.args[1])
		return route.Action{Redirect: to}, err
	case err != nil || status < 200 || status > 599 || status >= 300 && status < 400:
		return route.Action{}, fmt.Errorf("%q is not the status of an answer, and no redirect with a URL", d.args[0])
	case len(d.args) == 1:
		return route.Action{Status: uint32(status)}, nil
	case len(d.args) > 2 || len(d.args[1]) > mostBody:
		return route.Action{}, fmt.Errorf("an answer has one text, of %d bytes at most", mostBody)
	case strings.Contains(d.args[1], "$"):
		text, err := Text(d.args[1], parts)
		return route.Action{Status: uint32(status), Text: text}, err
	}
	return route.Action{Status: uint32(status), Body: d.args[1]}, nil
}

// address reads allow and deny.
func (r *reader) address(d directive) error {
	if len(d.args) != 1 {
		return errors.New("needs one address")
	}
	rule := route.AddressRule{Allow: d.name == "allow"}
	if text := d.args[0]; text != "all" {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			ip, notOne := netip.ParseAddr(text)
			if notOne != nil {
				return fmt.Errorf("%q is not an IP address or CIDR range", text)
			}
			prefix = netip.PrefixFrom(ip, ip.BitLen())
		}
		rule.Of = prefix
	}
	r.measures.Addresses = append(r.measures.Addresses, rule)
	return nil
}

// mostTurned is how long the patterns of a snippet may be together that say what others do not take,
// in bytes: a short one can lead to 4,000 bytes, and to 13 ms of work.
const mostTurned = 64 << 10

// condition reads if ($request_method = X) { return 403; }.
func (r *reader) condition(d directive) error {
	if len(d.block) != 1 || d.block[0].name != "return" || d.block[0].blocked {
		return errors.New("only one return is understood in it")
	}
	action, err := answer(d.block[0])
	if err != nil {
		return err
	}
	match, err := comparison(d.args)
	for _, h := range match.Headers {
		if h.Absent {
			r.turned += len(h.Value)
		}
	}
	switch {
	case err == nil && r.turned > mostTurned:
		return errors.New("the conditions with != and !~ are too large together")
	case err == nil:
		r.measures.Before = append(r.measures.Before, route.Conditional{Match: match, Action: action})
	}
	return err
}

// comparison reads ($variable = value) with =, !=, ~, ~*, !~ or !~*; nginx counts the brackets
// as part of the words.
func comparison(words []string) (route.Match, error) {
	text := unbracketed(words)
	if len(text) != 3 {
		return route.Match{}, errors.New("only a comparison of one variable with a text is understood")
	}
	name, ok := headerOf(text[0])
	if !ok {
		return route.Match{}, fmt.Errorf("%s is not understood: only $request_method and $http_NAME are", text[0])
	}
	value := route.ValueMatch{Name: name, Value: text[2]}
	operator, not := strings.CutPrefix(text[1], "!")
	value.Not = not
	switch operator {
	case "=":
		if strings.Contains(value.Value, "$") {
			return route.Match{}, errors.New("a variable is not understood as value")
		}
	case "~", "~*":
		value.Regex = true
		if operator == "~*" {
			value.Value = "(?i)" + value.Value
		}
		// By itself, too: brackets around it could make one of what is none.
		if err := cmp.Or(route.Known(value.Value), route.Known(route.Anywhere(value.Value))); err != nil {
			return route.Match{}, errors.New("no regular expression that Envoy knows")
		}
	default:
		return route.Match{}, fmt.Errorf("%s is not understood", text[1])
	}
	list, err := conditions(value)
	return route.Match{Headers: list}, err
}

// conditions are those of one comparison, in which a pattern may be anywhere. Of a header that is
// there twice one value that is another one, or lacks the pattern, is enough.
func conditions(v route.ValueMatch) (list []route.ValueMatch, err error) {
	const something = "(?s:.+)"
	switch {
	case v.Value == "" && v.Not && !v.Regex: // and not absent
		return []route.ValueMatch{{Name: v.Name, Value: something, Regex: true}}, nil
	case v.Value == "" && !v.Regex: // or absent
		return []route.ValueMatch{{Name: v.Name, Value: something, Regex: true, Not: true}}, nil
	case v.Not && v.Name != ":method":
		if !v.Regex {
			v.Value = "^" + regexp.QuoteMeta(v.Value) + "$"
		}
		if list, err = route.WithoutPattern(v.Name, v.Value); err != nil {
			err = fmt.Errorf("the pattern %w", err)
		}
		return list, err
	case v.Regex:
		v.Absent = v.Name != ":method" && regexp.MustCompile(v.Value).MatchString("")
		v.Value = route.Anywhere(v.Value)
	}
	return []route.ValueMatch{v}, nil
}

// unbracketed are the words within brackets, which may be words of their own.
func unbracketed(words []string) []string {
	text := append([]string(nil), words...)
	if n := len(text); n > 0 && strings.HasPrefix(text[0], "(") && strings.HasSuffix(text[n-1], ")") {
		text[0], text[n-1] = strings.TrimPrefix(text[0], "("), strings.TrimSuffix(text[n-1], ")")
	}
	if n := len(text); n > 0 && text[0] == "" {
		text = text[1:]
	}
	if n := len(text); n == 4 && text[3] == "" {
		text = text[:3]
	}
	return text
}

// headerOf is the header that a variable has.
func headerOf(variable string) (string, bool) {
	if variable == "$request_method" {
		return ":method", true
	}
	name, ok := strings.CutPrefix(variable, "$http_")
	name = strings.ReplaceAll(name, "_", "-")
	return strings.ToLower(name), ok && name != "host" && fieldName(name)
}

// location reads location [=|~|~*|^~] path { return 403; } or { deny all; }.
func (r *reader) location(d directive) error {
	kind, path := "", ""
	switch len(d.args) {
	case 1:
		path = d.args[0]
	case 2:
		kind, path = d.args[0], d.args[1]
	default:
		return errors.New("needs a path")
	}
	if strings.HasPrefix(path, "@") || kind != "~" && kind != "~*" && !strings.HasPrefix(path, "/") {
		return errors.New("needs a path")
	}
	within := reader{}
	for _, d := range d.block {
		if err := within.read(d, inPlace); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	p := route.Place{Action: route.Action{Status: http.StatusForbidden}}
	switch m := within.measures; {
	case len(m.Before) > 0:
		p.Action = m.Before[0].Action
	case len(m.Addresses) == 0 || m.Addresses[0].Of.IsValid():
		return errors.New("only return and deny all are understood in it")
	}
	if err := place(&p, kind, path); err != nil {
		return err
	}
	r.places = append(r.places, p)
	return nil
}

// place says which paths a location takes: a plain one begins with its text, whatever
// follows. Exact ones and patterns come before the paths of rules.
func place(p *route.Place, kind, path string) (err error) {
	pattern := ""
	switch kind {
	case "=":
		p.Match, p.First = route.Match{Kind: route.Exact, Path: route.Spelled(path)}, true
		return nil
	case "", "^~":
		p.Match, p.Literal = route.Match{Kind: route.Regex, Path: route.EverySpelling(route.Spelled(path)) + "(?s:.*)"}, path
		return nil
	case "~":
	case "~*":
		pattern = "(?i)"
	default:
		return errors.New(kind + " is not understood")
	}
	spelled, err := route.SpelledPattern(path)
	if err != nil {
		return errors.New("no regular expression that Envoy knows")
	}
	p.Match, p.First = route.Match{Kind: route.Regex, Path: pattern + route.Anywhere(spelled)}, true
	return nil
}
