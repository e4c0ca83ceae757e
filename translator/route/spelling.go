package route

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Spelled is a path as Envoy spells those of requests before it compares them, byte by
// byte: what may stand as it is stands so, all else as %XX in capitals, a backslash and an
// escaped slash are slashes, and there are no empty or dotted elements. A rule that were
// compared as it is written would never match. What a request may write in two ways is taken
// in both: escapes in lower case, and those that need not be.
func Spelled(written string) string {
	if !strings.ContainsFunc(written, respelled) && !strings.Contains(written, "//") && !strings.Contains(written, "/.") {
		return written
	}
	var b strings.Builder
	for i := 0; i < len(written); i++ {
		c, escaped := written[i], false
		if of, ok := unescaped(written[i:]); ok {
			c, escaped = of, true
			i += 2
		}
		switch {
		case c == '\\' || c == '/':
			b.WriteByte('/')
		case unreserved(c) || eitherWay(c) || !escaped && !encoded(c) && c != '%':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return shortest(b.String())
}

// unescaped is what an escape stands for; false if a text begins with none.
func unescaped(text string) (byte, bool) {
	if len(text) < 3 || text[0] != '%' {
		return 0, false
	}
	c, err := strconv.ParseUint(text[1:3], 16, 8)
	return byte(c), err == nil
}

// respelled is what makes a path another one.
func respelled(r rune) bool { return r == '%' || r == '\\' || r > 0x7e || encoded(byte(r)) }

// encoded is what a path may not have as it is: Envoy escapes it, or refuses the request.
func encoded(c byte) bool { return c <= ' ' || c > 0x7e || strings.IndexByte("\"<>^`{|}", c) >= 0 }

// unreserved is what is the same with and without an escape, and which Envoy spells without.
// RFC 3986, 2.3.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// eitherWay is what a request may write with and without an escape, and Envoy leaves as it
// came: to backends, and to nginx, it is the same.
func eitherWay(c byte) bool { return strings.IndexByte(twoSpellings, c) >= 0 }

const twoSpellings = "!$&'()*+,;=:@[]"

// anEscape is any.
var anEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// oneSpelling is a path as Envoy has it with its escapes in capitals, and only those that
// must be.
func oneSpelling(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	return anEscape.ReplaceAllStringFunc(path, func(escape string) string {
		if c, _ := unescaped(escape); eitherWay(c) {
			return string(rune(c))
		}
		return strings.ToUpper(escape)
	})
}

// Lettered is an escape that may be written in two cases and is the same in both (RFC 3986,
// 6.2.2.1): Envoy, which compares bytes, leaves those of requests as they came.
var Lettered = regexp.MustCompile(`%(?:[A-Fa-f][0-9A-Fa-f]|[0-9][A-Fa-f])`)

// TwoSpellings reports whether a path, as Spelled has it, has what requests may write with and
// without an escape.
func TwoSpellings(path string) bool { return strings.ContainsAny(path, twoSpellings) }

// EverySpelling is the pattern, RE2, of all that a path, as Spelled has it, is in requests.
func EverySpelling(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c, escaped := unescaped(path[i:])
		switch {
		case escaped:
			b.WriteString("%" + setOf(c).escapes()[0])
			i += 2
		case eitherWay(path[i]):
			b.WriteString(setOf(path[i]).pattern())
		default:
			b.WriteString(regexp.QuoteMeta(path[i : i+1]))
		}
	}
	return b.String()
}

// shortest takes out empty elements, and dotted ones with what they lead back from.
func shortest(written string) string {
	clean := path.Clean("/" + written)
	last := written[strings.LastIndexByte(written, '/')+1:]
	if clean != "/" && (last == "" || last == "." || last == "..") { // what ends in a dotted element is a folder
		return clean + "/"
	}
	return clean
}
