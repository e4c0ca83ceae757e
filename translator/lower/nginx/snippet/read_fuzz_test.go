package snippet

import (
	"strings"
	"testing"

	"legation.dev/translator/route"
)

// FuzzRead: of a snippet that is understood each directive is there, or changes nothing; one that
// is not understood says nothing at all, and its patterns are those that Envoy knows.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"location ~ \"a{2}\" { if ($http_x = '') { return 403 \"\\\"\"; } }", "location ~ \"a{2}\" { return 403; } if ($http_x = '') { return 403 \"\\\"\"; }", "allow 10.0.0.0/8; deny all;\nreturn 301 https://$host$request_uri;",
		"rewrite ^/a/(.*)$ /b/$1 break; rewrite ^/x https://a.test/$1? permanent; etag off;", "add_header A b always; add_header C ''; more_set_headers 'D: $uri' \"E:\"; proxy_set_header Host $host;",
		"location = /a { deny all; } location ^~ /b { return 204; }", "more_clear_headers A B; more_clear_input_headers C; proxy_hide_header D; proxy_buffer_size 4k;",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Location(text)
		checkRead(t, text, m, nil, err)
		m, places, err := Server(text)
		checkRead(t, text, m, places, err)
	})
}

// checkRead counts what was read, which has one of each directive.
func checkRead(t *testing.T, text string, m *route.Measures, places []route.Place, err error) {
	t.Helper()
	list, wrong := parse(text)
	if wrong != nil && Harmless(text) {
		t.Errorf("%q is taken for harmless: %v", text, wrong)
	}
	if err != nil || wrong != nil {
		if m != nil || places != nil || err == nil {
			t.Errorf("%q: %+v, %+v, %v, %v", text, m, places, err, wrong)
		}
		return
	}
	if m == nil {
		m = &route.Measures{}
	}
	want, got := tally{}, tally{"addresses": len(m.Addresses), "paths": len(m.Before) + len(m.Rewrites) + len(places)}
	for _, c := range []route.HeaderChange{m.Headers.Request, m.Headers.Response} {
		got["headers"] += len(c.Add) + len(c.Set) + len(c.Remove)
	}
	for _, d := range list {
		want.add(d)
	}
	for _, what := range []string{"addresses", "paths", "headers"} {
		if got[what] != want[what] {
			t.Errorf("%q: %d %s, want %d: %+v, %+v", text, got[what], what, want[what], m, places)
		}
	}
	for _, p := range patterns(m, places) {
		if err := route.Known(p); err != nil {
			t.Errorf("%q: the pattern %q: %v", text, p, err)
		}
	}
}

// tally counts what directives ask for.
type tally map[string]int

func (n tally) add(d directive) {
	switch d.name {
	case "allow", "deny":
		n["addresses"]++
	case "return", "if", "rewrite", "location":
		n["paths"]++
	case "more_set_headers", "more_set_input_headers", "more_clear_headers", "more_clear_input_headers":
		n["headers"] += len(d.args)
	case "add_header", "proxy_hide_header", "proxy_set_header":
		kept := map[string]bool{"host": true, "upgrade": true, "connection": true}[strings.ToLower(d.args[0])] // as Envoy has it
		if !(d.name == "proxy_set_header" && kept) && !(d.name == "add_header" && d.args[1] == "") {
			n["headers"]++
		}
	default:
		if !nothing(d.name) && d.name != "etag" {
			n["paths"]++ // which nothing makes
		}
	}
}

// patterns are those that Envoy gets.
func patterns(m *route.Measures, places []route.Place) (list []string) {
	matches := []route.Match{}
	for _, c := range m.Before {
		matches = append(matches, c.Match)
	}
	for _, p := range places {
		matches = append(matches, p.Match)
	}
	for _, match := range matches {
		if match.Kind == route.Regex {
			list = append(list, match.Path)
		}
		for _, h := range match.Headers {
			if h.Regex {
				list = append(list, h.Value)
			}
		}
	}
	for _, w := range m.Rewrites {
		list = append(list, w.Whole())
	}
	return list
}
