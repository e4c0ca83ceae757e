package redact

import (
	"regexp"
	"strings"
)

var (
	// A private key in PEM, also one that is cut off or whose line ends are escaped.
	keyBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	// A hash of a line of htpasswd.
	hash = regexp.MustCompile(`(\$(apr1|2[abxy]?|1|5|6)\$|\{S?SHA\})[^\s"',]+`)
)

// Message is a text that others wrote, as people may see it: a message of an Envoy that
// quotes what it rejects, or the value of a field of an object. What looks like a private
// key or a hash of a password is overwritten. It is a second line: nothing that we write
// has such a thing.
func Message(text string) string {
	if strings.Contains(text, "PRIVATE KEY-----") {
		text = keyBlock.ReplaceAllLiteralString(text, Text)
	}
	if strings.ContainsAny(text, "${") {
		text = hash.ReplaceAllLiteralString(text, Text)
	}
	return text
}
