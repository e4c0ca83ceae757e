package snippet

import (
	"reflect"
	"strings"
	"testing"
)

// TestParse: words, quotes, comments and blocks are those of nginx.
func TestParse(t *testing.T) {
	for text, want := range map[string][]directive{
		"":                         nil,
		"etag on; # etag off;\n":   {{name: "etag", args: []string{"on"}}},
		`add_header X "a;\"{ b" ;`: {{name: "add_header", args: []string{"X", `a;"{ b`}}},
		`set ${a} '$b';`:           {{name: "set", args: []string{"${a}", "$b"}}},
		`rewrite ^/a\.b$ /c last;`: {{name: "rewrite", args: []string{`^/a\.b$`, "/c", "last"}}},
		"location = /a {\n deny all; }\nreturn 403;": {
			{name: "location", args: []string{"=", "/a"}, blocked: true, block: []directive{{name: "deny", args: []string{"all"}}}},
			{name: "return", args: []string{"403"}}},
		"location /a{}": {{name: "location", args: []string{"/a"}, blocked: true}},
	} {
		if got, err := parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"etag on":           "etag does not end",
		"etag on; }":        "without its {",
		"location / { ":     "does not end",
		"location / { a }":  "a does not end",
		`a "b`:              "not closed",
		`a "b"c;`:           "behind a closing",
		";":                 "without a directive",
		"a \x00;":           "control character",
		"a\n{b{c{d{e{f;}}}": "blocks in each other",
		"a " + strings.Repeat("b", maxText) + ";": "longer",
	} {
		if got, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %s", text, got, err, want)
		}
	}
}

// TestHarmless: who takes a harmless snippet away opens nothing.
func TestHarmless(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "etag off; gzip_types text/css;\nproxy_buffer_size 8k; more_set_headers 'A: b';": true,
		"deny all;": false, "etag off; auth_request /a;": false, "proxy_set_header X-User '';": false, "etag off": false,
		"location /etag { return 403; }": false, "gzip on { deny all; }": false,
	} {
		if got := Harmless(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
