package route_test

import (
	"math/rand/v2"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"legation.dev/translator/route"
)

// TestOthers: of each text either a pattern takes it or the pattern of all others does.
func TestOthers(t *testing.T) {
	whole := func(pattern, text string) bool {
		runes := []rune{} // Envoy compares bytes
		for _, c := range []byte(text) {
			runes = append(runes, rune(c))
		}
		return regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(string(runes))
	}
	g := rand.New(rand.NewPCG(1, 2))
	for pattern, texts := range map[string][]string{
		"b": {"b", "", "bb", "B"}, "": {"", "a"}, "(?s:.*)": {"", "\xff"}, "(?s:.+)": {""}, "[^\x00-\x7f]?": {"\xe9", "e"},
		route.Anywhere("^Bearer "): {"Bearer x", "Basic Bearer ", "bearer x"}, "(?i)" + route.Anywhere("(firefox|safari)"): {"Mozilla Firefox/3", "Firefo", "safar i", "SAFARI"},
		route.Anywhere("^[0-9a-f]{32}$"): {"0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcde", "g"}, route.Anywhere(`^(10\.|192\.168\.)`): {"10.1", "192.168.0.1", "192.169"},
		route.Anywhere("curl|wget"): {"curl/8", "cur", "wgewget", "cuwget"}, route.Anywhere("^(a|b)*c?$"): {"abab", "abc", "abca"}, route.Anywhere(`\xe9`): {"\xe9", "\xc3\xa9"}, "(?i)k": {"K", "k"},
		route.Anywhere("^a.*b.*c$"): {"abc", "axbxc", "acb"}, route.Anywhere("[a-z]+@[a-z]+"): {"x@y", "@y"},
	} {
		others, err := route.Others(pattern)
		if err != nil {
			t.Errorf("%q: %v", pattern, err)
			continue
		}
		for range 300 {
			text := texts[g.IntN(len(texts))]
			if at := g.IntN(len(text) + 1); g.IntN(2) == 0 {
				text = text[:at] + string("abc k.\xe9BK0fe/"[g.IntN(13)]) + text[at:]
			}
			texts = append(texts, text)
			if whole(pattern, text) == whole(others, text) {
				t.Errorf("%q and %q say the same of %q", pattern, others, text)
			}
		}
	}
	for _, pattern := range []string{`\bword\b`, "é", "(?m)^a$", "(", route.Anywhere("a.{9}x"), `\x{100}`} {
		if others, err := route.Others(pattern); err == nil {
			t.Errorf("%q: %q, wanted an error", pattern, others)
		}
	}
}

// TestOthersCost: whoever writes a pattern cannot have it cost much to turn it round. What costs time
// here costs memory, too.
func TestOthersCost(t *testing.T) {
	const most = 16 << 20 // bytes
	letters := "abcdefghijklmnopqrstuvwxyz0123456789"
	for _, pattern := range []string{strings.Repeat("a{0,1000}", 9), strings.Repeat(".{0,1000}", 5), strings.Repeat("abcdefgh", 1000), "^x{0,190}$", "^.*a.{5}b$",
		"^" + strings.Repeat(letters, 5) + "$", "(?:" + strings.Join(strings.Split(letters, ""), "x|") + ").{0,100}[a-z]{0,100}x", "x{0,999}.y|" + strings.Repeat("[ab].{4}c|", 100) + "z"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		route.WithoutPattern("x-a", pattern)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > most {
			t.Errorf("%.60q: %d MiB", pattern, used>>20)
		}
	}
}
