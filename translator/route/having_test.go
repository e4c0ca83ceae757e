package route

import (
	"regexp"
	"strings"
	"testing"
)

// TestHaving: a rule that has a pattern, too, takes what both take, whatever stands in the query.
func TestHaving(t *testing.T) {
	patterns := []string{"/a", "/a$", "^/a/[a-z]+/.*b", "/a/.*b", `/.*\.php$`, `/a(?:$|/b)`, "/[^a]+b", `/a[^\x00-\x1f]*b`, "/a?", `/a\?b`, `/a/\x{100}|/b`, `(?m)/a$`, `/[\x3f-\x40]b`,
		`/a\bb|/b\b`, "/%41", "/a%2fb", "//a", "/é|/b"}
	paths := []string{"/", "//", "/a", "/a/", "/A", "/b", "/a/b", "/a/c/xb", "/x", "/x.php", "/a/x.php", "/a%3Fb", "/a%3fb", "/a%2Fb", "/a%2fb", "/@b", "/%C3%A9", "/ab"}
	queries := []string{"", "?", "?/b", "?x=b", "?x.php", "?/a", "?b/b?b", "?\n", "?%3F"}
	var rules []Match
	for _, p := range patterns {
		rules = append(rules, Match{Kind: Regex, Path: p}, Match{Kind: Regex, Path: beginsWith("^" + p)})
	}
	for _, p := range append(paths, "/a/b/", "/a(b", "/a%28") {
		rules = append(rules, Match{Path: p}, Match{Kind: Exact, Path: p})
	}
	for _, rule := range rules {
		for _, too := range []string{"(?s:.*)", "(?s:.*)(?:/x)(?s:.*)", "(?s:.*)(?:b$)(?s:.*)"} {
			both := rule.having(too)
			for _, h := range both.Headers {
				if beyond := regexp.MustCompile(`\\x\{|[^\x00-\x7f]`); beyond.MatchString(h.Value) {
					t.Errorf("%+v: Envoy, which reads by bytes, would not take %s", rule, h.Value)
				}
			}
			for _, path := range paths {
				want := rule.takesPath(path) && whole(too, path)
				for _, query := range queries {
					r := Route{Match: both}
					if got := r.differs(Request{Path: path + query}) == ""; got != want {
						t.Errorf("%+v with %s, %+v: %s%s: %v, want %v", rule, too, both.Headers, path, query, got, want)
					}
				}
			}
		}
	}
}

// TestKnown: what Envoy rejects, and with it a whole host, is refused.
func TestKnown(t *testing.T) {
	for _, known := range []string{"/api/[a-z]+", `/\x{ff}`, `/\\p{2}`, strings.Repeat("[^/]{1,64}/", 30), strings.Repeat("a", 4096)} {
		if err := Known(known); err != nil {
			t.Errorf("%s: %v", known, err)
		}
	}
	for _, unknown := range []string{"(", `/\p{Letter}`, `/\\\PL`, `/\x{100}`, `/[\x{100}-\x{200}]`, strings.Repeat("[ab]{1000}", 110), strings.Repeat("a{1000}", 21), "(?:" + strings.Repeat("[ab]{10}", 21) + "){100}"} {
		if Known(unknown) == nil {
			t.Errorf("%s is known", unknown)
		}
	}
	for _, pattern := range []string{`/[\x{100}-\x{200}]`, `/[\\\x{100}]`, `/[^\x00-\x1f]*é`, strings.Repeat("[ab!]{1000}", 110)} {
		if spelled, err := SpelledPattern(pattern); err == nil && strings.Contains(spelled, `\x{`) {
			t.Errorf("%s is %s", pattern, spelled)
		}
	}
}
