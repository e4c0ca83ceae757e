package snippet

import (
	"strings"
	"testing"
)

// TestNotUnderstood: what cannot be said in types is an error, never left out.
func TestNotUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		"auth_request /a;":                         "not understood",
		"add_header Set-Cookie \"a$host\";":        "always only",
		"add_header X \"$remote_user\" always;":    "$remote_user",
		"proxy_set_header Host evil;":              "can be set",
		"more_set_headers 'a b: c';":               "can be set",
		"more_set_headers -s 404 'A: b';":          "not NAME: VALUE",
		"more_clear_headers 'X-*';":                "can be removed",
		"proxy_set_header X \"a\nb\";":             "line breaks",
		"deny office;":                             "not an IP address",
		"return 301 /a;":                           "redirects",
		"return 200 text;":                         "text",
		"if ($arg_a = 1) { return 403; }":          "$arg_a",
		"if ($http_a = $b) { return 403; }":        "variable",
		"if ($http_a ~ \"(?=a)\") { return 403; }": "no regular expression",
		"if ($http_a = a) { deny all; }":           "only one return",
		"location /a { return 403; }":              "not understood here",
	} {
		if m, err := Location(text); err == nil || !strings.Contains(err.Error(), want) || m != nil {
			t.Errorf("%q: %+v, %v, want %s", text, m, err, want)
		}
	}
	for text, want := range map[string]string{
		"location /a { deny 10.0.0.0/8; }":     "deny all",
		"location /a { proxy_pass http://b; }": "not understood",
		"location a { deny all; }":             "path",
		"location @a { deny all; }":            "path",
		"location ~ (?!a) { deny all; }":       "no regular expression",
		"proxy_set_header A b;":                "not understood",
	} {
		if m, places, err := Server(text); err == nil || !strings.Contains(err.Error(), want) || m != nil || places != nil {
			t.Errorf("%q: %+v, %v, want %s", text, m, err, want)
		}
	}
}
