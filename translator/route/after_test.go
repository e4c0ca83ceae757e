package route

import "testing"

// TestAfter: what may follow a text is what makes a whole with it.
func TestAfter(t *testing.T) {
	patterns := []string{"", "/", "/a", "/a(?:/.*)?", "/a/[a-z]+", "(?i)/A", "(?i)(?s:.*)(?:^/a/b)(?s:.*)", "(?s:.*)(?:/a)(?s:.*)", "^/a$|/b", "(a|/a)*b?", "/(a|b)+/?", "/a{2,3}b", "/a{0}b", "(?:^/a)?b", "(^|/)a", "/a$", "(/a$)?/ab",
		"(?s:.*)(?:^/a(/|$)(.*)$)(?s:.*)", ".*?a", "[^a]*a", "/a+?b*", "^^/", "(?:^/)+a", "(^a|^/)+b", "/ab|/a", `\A/a\z`, "a*(^/)"}
	texts := []string{"", "/", "/a", "/A", "/b", "/aa", "/a/", "/a/b", "/aab", "/x/a", "a", "b", "ab", "/ab", "/aaab"}
	for _, pattern := range patterns {
		for _, text := range texts {
			re, ok := after(pattern, text)
			if !ok {
				t.Errorf("%s: not known", pattern)
				continue
			}
			for _, rest := range texts {
				if text == "" { // nothing was taken, and what is asked of the beginning is asked still
					continue
				}
				if got, want := whole(re.String(), rest), whole(pattern, text+rest); got != want {
					t.Errorf("%s after %q is %s: takes %q: %v, want %v", pattern, text, re, rest, got, want)
				}
			}
		}
	}
	for _, pattern := range []string{"(?m)^/a", `/a\b`, `\B/`, "(?m)/a$", "("} {
		if re, ok := after(pattern, "/"); ok {
			t.Errorf("%s: %s", pattern, re)
		}
	}
}
