package route

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
)

// TestSpelledPattern: what has one spelling stays as it is written, and what has several
// takes them all.
func TestSpelledPattern(t *testing.T) {
	for _, same := range []string{"/api/v[0-9]+(/|$)(.*)", `/a\.b/[^/]+/x`, "/a(?P<id>[a-z]+)", `/\w+/\d{2}`, "/a.*/b", "/", ""} {
		if got, err := SpelledPattern(same); got != same || err != nil {
			t.Errorf("%s: %s, %v", same, got, err)
		}
	}
	for _, c := range []struct{ pattern, takes, leaves string }{
		{"/größe", "/gr%C3%B6%C3%9Fe /gr%c3%b6%c3%9Fe", "/grosse /gr%C3%96%C3%9Fe"},
		{"/a b", "/a%20b", "/a+b"},
		{"/a%20b", "/a%20b", "/a%2520b /a b"},
		{"/%c3%a4|/x", "/%C3%A4 /x", "/%C3"},
		{`/k\(b\)`, "/k(b) /k%28b) /k%28b%29", "/kb"},
		{`/w\\x`, "/w/x", "/wx"},
		{"/a.b", "/axb /a%20b /a%c3b", "/a%C3%A4b"},
		{"/[ä]", "/%C3 /%A4", "/%C3%A4 /a"},
		{"/[^ä/]+", "/a%C4 /%28", "/%C3%A4 /a%A4"},
		{"/[a-ü]", "/%C3 /z /%7C", "/A /%C4"},
		{`/\s`, "/%20 /%09", "/x /%C3"},
		{".*9", "/x9", "/x%C9"},
		{"/[^?]+", "/x", "/x%3Fy"},
		{"/50%", "/50%25", "/50"},
	} {
		got, err := SpelledPattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		}
		for path := range strings.FieldsSeq(c.takes) {
			if !whole(got, path) {
				t.Errorf("%s, %s, does not take %s", c.pattern, got, path)
			}
		}
		for path := range strings.FieldsSeq(c.leaves) {
			if path = strings.ReplaceAll(path, "+", " "); whole(got, path) {
				t.Errorf("%s, %s, takes %s", c.pattern, got, path)
			}
		}
	}
	for pattern, none := range map[string]bool{"/a(": true, "/(?=a)": true, `/\bä`: false, "/(?i)ä": false, "/(?-i:A) ": false, `/\x{20ac}`: false} {
		_, err := SpelledPattern(pattern)
		if wrong := (*syntax.Error)(nil); err == nil || errors.As(err, &wrong) != none {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// TestSpellings: of random patterns and paths, each spelling of a path is taken where nginx takes
// its bytes.
func TestSpellings(t *testing.T) {
	taken := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		pattern := anyPattern(r, 3)
		spelled, err := SpelledPattern(pattern)
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		latin, _ := inBytes(pattern)
		theirs, ours := regexp.MustCompile(`\A(?:`+latin+`)\z`), regexp.MustCompile(`\A(?:`+spelled+`)\z`)
		if theirs.NumSubexp() != ours.NumSubexp() {
			t.Fatalf("%s: %s has other groups", pattern, spelled)
		}
		for range 40 {
			decoded := anyBytes(r)
			path := spelling(r, decoded)
			if want := theirs.MatchString(decoded); want != ours.MatchString(path) {
				t.Fatalf("seed %d: %s, which is %s, takes %s: %v, want %v", seed, pattern, spelled, path, !want, want)
			} else if want {
				taken++
			}
		}
	}
	if taken < 300 {
		t.Errorf("only %d paths were taken", taken)
	}
}

// TestPlainSpellings: the pattern of a plain path takes each spelling of it, and Decide does.
func TestPlainSpellings(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 8))
		decoded := "/" + strings.ReplaceAll(anyBytes(r), "/", "x")
		path, again := spelling(r, decoded), spelling(r, decoded)
		exact := Match{Kind: Exact, Path: Spelled(path)}
		if !whole(EverySpelling(exact.Path), again) || !exact.takesPath(again) {
			t.Fatalf("seed %d: %s, which is %s, does not take %s", seed, path, EverySpelling(exact.Path), again)
		}
		bytes := "/" + strings.ReplaceAll(anyBytes(r), "/", "x")
		other := spelling(r, bytes)
		if same := bytes == decoded; same != whole(EverySpelling(exact.Path), other) || same != exact.takesPath(other) {
			t.Fatalf("seed %d: %s, which is %s, takes %s: %v", seed, path, EverySpelling(exact.Path), other, !same)
		}
	}
}

// anyPattern draws a pattern of few signs.
func anyPattern(r *rand.Rand, deep int) string {
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	var b strings.Builder
	for range 1 + r.IntN(3) {
		atom := one("a", "c", "3", "/", "ä", "%C3", "%28", `\(`, " ", ".", "[a-c]", "[^/]", "[^ä]", "[^3]", "[ä3]", "[ -)]", `\s`, `\W`, "(?s:.)", "[^(]")
		if deep > 0 && r.IntN(4) == 0 {
			atom = one("(", "(?:") + anyPattern(r, deep-1) + one("", "|"+anyPattern(r, deep-1)) + ")"
		}
		b.WriteString(atom + one("", "", "", "*", "+", "?", "{2}", "{1,}", "*?"))
	}
	return b.String()
}

// anyBytes draws those of a path, each a rune.
func anyBytes(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteRune(rune("ac3/\xc3\xa4( )"[r.IntN(9)]))
	}
	return b.String()
}

// spelling is a path with these bytes as Envoy has it.
func spelling(r *rand.Rand, decoded string) string {
	var b strings.Builder
	for _, c := range decoded {
		switch raw := single(byte(c)) || eitherWay(byte(c)) && r.IntN(2) == 0; {
		case raw:
			b.WriteRune(c)
		case r.IntN(2) == 0:
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
