package ingress

import (
	"path"
	"strings"
)

// spelled is a path as Envoy spells those of requests before it compares them, byte by
// byte: what may stand as it is stands so, all else as %XX in capitals, a backslash and an
// escaped slash are slashes, and there are no empty or dotted elements. A rule that were
// compared as it is written would never match. (Of what a request has escaped without need
// Envoy spells only the unreserved anew; escapes in lower case are taken by the match.)
func spelled(written string) string {
	if !strings.ContainsFunc(written, respelled) && !strings.Contains(written, "//") && !strings.Contains(written, "/.") {
		return written
	}
	var b strings.Builder
	for i := 0; i < len(written); i++ {
		c, escaped := written[i], false
		if c == '%' && i+2 < len(written) {
			if high, low := hex(written[i+1]), hex(written[i+2]); high >= 0 && low >= 0 {
				c, escaped = byte(high<<4|low), true
				i += 2
			}
		}
		switch {
		case c == '\\' || c == '/':
			b.WriteByte('/')
		case unreserved(c) || !escaped && !encoded(c):
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return shortest(b.String())
}

const digits = "0123456789ABCDEF"

// respelled is what makes a path another one.
func respelled(r rune) bool { return r == '%' || r == '\\' || r > 0x7e || encoded(byte(r)) }

// encoded is what a path may not have as it is: Envoy escapes it, or refuses the request.
func encoded(c byte) bool { return c <= ' ' || c > 0x7e || strings.IndexByte("\"<>^`{|}", c) >= 0 }

// unreserved is what is the same with and without an escape. RFC 3986, 2.3.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func hex(c byte) int {
	if 'a' <= c && c <= 'f' {
		c -= 'a' - 'A'
	}
	return strings.IndexByte(digits, c)
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
