package route

import (
	"strings"
	"testing"
)

// TestAnyOf: one match takes what any of several rules takes, and no more.
func TestAnyOf(t *testing.T) {
	rules := []Match{{Path: "/a/"}, {Path: "/b(c"}, {Path: "/%25e"}, {Kind: Exact, Path: "/"}, {Kind: Exact, Path: "/é"}, {Kind: Exact, Path: "/x|/y"},
		{Kind: Regex, Path: `(?i)/D\.|/e`}, {Kind: Regex, Path: "/f[^/]*$"}}
	paths := []string{"/", "//", "/a", "/a/", "/a/b", "/ab", "/b(c", "/b%28c/d", "/b", "/%25e", "/%25e/x", "/%e", "/é", "/%C3%A9", "/%c3%a9", "/x", "/x|/y", "/y", "/d.", "/dx", "/E", "/D./e", "/f", "/fgh", "/f/g", "/A"}
	for mask := 1; mask < 1<<len(rules); mask++ {
		var list []candidate
		for i, rule := range rules {
			rule.Path = map[bool]string{true: rule.Path, false: Spelled(rule.Path)}[rule.Kind == Regex]
			if mask>>i&1 == 1 {
				list = append(list, candidate{rule: Rule{Match: rule}})
			}
		}
		all, ok := anyOf(list)
		if !ok {
			t.Fatalf("%+v cannot be one match", list)
		}
		for _, path := range paths {
			want := false
			for _, c := range list {
				want = want || c.rule.Match.takesPath(path)
			}
			if all.takesPath(path) != want {
				t.Fatalf("%s takes %q: %t, want %t", all.Path, path, !want, want)
			}
		}
	}
	for _, not := range []Match{{Path: "/a", Method: "GET"}, {Path: "/a", Query: []ValueMatch{{Name: "q"}}}, {Kind: Regex, Path: strings.Repeat("/[a-c]{100}", 250)}} {
		if all, ok := anyOf([]candidate{{rule: Rule{Match: rules[0]}}, {rule: Rule{Match: not}}}); ok {
			t.Errorf("%+v is a part of %+v", not, all)
		}
	}
}
