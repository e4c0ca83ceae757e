package snippet

import (
	"fmt"
	"strings"
	"testing"
)

// TestNotUnderstood: what cannot be said in types is an error, never left out.
func TestNotUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		"auth_request /a;":                                                  "not understood",
		"add_header Set-Cookie \"a$host\";":                                 "always only",
		"add_header X \"$remote_user\" always;":                             "$remote_user",
		"proxy_set_header Host evil;":                                       "can be set",
		"more_set_headers 'a b: c';":                                        "can be set",
		"more_set_headers -s 404 'A: b';":                                   "not NAME: VALUE",
		"more_clear_headers 'X-*';":                                         "can be removed",
		"proxy_set_header X \"a\nb\";":                                      "line breaks",
		"deny office;":                                                      "not an IP address",
		"return 301;":                                                       "no redirect with a URL",
		"return 302 elsewhere;":                                             "no URL, and no path",
		"return 302 https://a.test/$arg_x;":                                 "$arg_x",
		"return 304 /a;":                                                    "no redirect with a URL",
		"rewrite ^/a$ /b;":                                                  "needs a flag",
		"rewrite ^/a$ /b lst;":                                              `flag "lst" is none`,
		"rewrite ^/a$ /b? last;":                                            "query cannot be taken away",
		"rewrite ^/a$ /b permanent now;":                                    "needs a pattern",
		"rewrite ^/a(?=b) /b break;":                                        "no regular expression",
		"rewrite ^/a$ /b?c=d redirect;":                                     "arguments",
		"rewrite ^/a$ /b? break;":                                           "query cannot be taken away",
		"rewrite ^/a$ b redirect;":                                          "no URL, and no path",
		"rewrite ^/(.*)$ /$host/$1 break;":                                  "$host",
		"rewrite ^/(.*)$ https://$1.a.test/ redirect;":                      "in front of the path",
		"rewrite ^/ https://$host/a permanent;":                             "no arguments are added",
		"return 200 $args;":                                                 "$args",
		"if ($arg_a = 1) { return 403; }":                                   "$arg_a",
		"if ($http_a = $b) { return 403; }":                                 "variable",
		"if ($http_a ~ \"(?=a)\") { return 403; }":                          "no regular expression",
		"if ($http_a ~ \"a)(?:b\") { return 403; }":                         "no regular expression", // but it is one within brackets
		"if ($http_a !~ \"a)(?:b\") { return 403; }":                        "no regular expression",
		"rewrite ^/a)(?:b /b break;":                                        "no regular expression",
		`if ($http_a !~ \ba) { return 403; }`:                               "ends of lines or of words",
		"if ($http_a = a) { deny all; }":                                    "only one return",
		strings.Repeat(`if ($http_a !~ "^x{0,190}$") { return 403; } `, 20): "too large together",
		"location /a { return 403; }":                                       "not understood here",
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
		"rewrite ^/a$ /b;":                     "needs a flag",
	} {
		if m, places, err := Server(text); err == nil || !strings.Contains(err.Error(), want) || m != nil || places != nil {
			t.Errorf("%q: %+v, %v, want %s", text, m, err, want)
		}
	}
}

// TestRewrites: where a path is another one for the Service, and where clients are sent, with
// the groups and the query as nginx has them.
func TestRewrites(t *testing.T) {
	for text, want := range map[string]string{
		`rewrite ^/a/(.*)$ /$1/$2 break;`:                               `to \1/ of ^/a/(.*)$`,
		`rewrite ^/a(\d+) /b redirect;`:                                 `302 "" "" "/b" query of (?s:.*)(?:^/a(\d+))(?s:.*)`,
		`rewrite /a https://a.test permanent;`:                          `301 "https" "a.test" "/" query of (?s:.*)(?:/a)(?s:.*)`,
		`rewrite ^/(a|b)$ https://a.test:8443/x/$1? redirect;`:          `302 "https" "a.test:8443" "/x/\\1" none of (?s:.*)(?:^/(a|b)$)(?s:.*)`,
		`rewrite ^ https://a.test$request_uri? permanent;`:              `301 text 2 of (?s:.*)(?:^)(?s:.*)`,
		`return https://a.test/;`:                                       `302 text 1 of `,
		`return 308 /b;`:                                                `308 text 4 of `,
		`if ($request_method = POST) { return 303 $scheme://a.test/; }`: `303 text 2 of `,
	} {
		m, err := Location(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := ""
		for _, w := range m.Rewrites {
			got += fmt.Sprintf("to %s of %s", strings.TrimPrefix(w.To, "/"), w.Pattern)
		}
		for _, b := range m.Before {
			d := b.Action.Redirect
			path, query := d.Path, "query"
			if d.Rewrite != nil {
				path = d.Rewrite.To
			}
			if d.NoQuery {
				query = "none"
			}
			got += fmt.Sprintf("%d %q %q %q %s of %s", d.Status, d.Scheme, d.Host, path, query, b.Match.Path)
			if len(d.To) > 0 {
				got = fmt.Sprintf("%d text %d of %s", d.Status, len(d.To), b.Match.Path)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if _, places, err := Server(`rewrite ^/old/(.*)$ /new/$1 permanent;`); err != nil || len(places) != 1 || !places[0].First || places[0].Action.Redirect.Rewrite.To != `/new/\1` {
		t.Errorf("of a server: %+v, %v", places, err)
	}
}
