package nginx

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is a release of ingress-nginx, as far as releases differ in what they make of
// annotations.
type Version int

// The versions.
const (
	V111 Version = iota // up to 1.11: values are checked only if a flag says so
	V115                // 1.12 to 1.15, the last one: a value that is refused drops the whole Ingress
)

// ParseVersion reads "1.11", "v1.15.1" and the like.
func ParseVersion(text string) (Version, error) {
	major, rest, _ := strings.Cut(strings.TrimPrefix(text, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	switch {
	case major != "1" || err != nil || n < 0 || n > 15:
		return 0, errors.New("want the version of ingress-nginx, such as 1.11 or 1.15")
	case n < 12:
		return V111, nil
	}
	return V115, nil
}

// Told is what ingress-nginx made of an annotation.
type Told struct {
	Field, Value string
	// Dropped: the whole Ingress was not served, whatever its ConfigMap says.
	Dropped bool
	Text    string
}

// critical are annotations that a version drops the Ingress for unless its ConfigMap lets
// them in.
var critical = []string{"auth-snippet", locationSnippet, "modsecurity-snippet", serverSnippet, "stream-snippet"}

// plainURL is what the last version takes for the target of a redirect.
var plainURL = regexp.MustCompile(`^[-._~a-zA-Z0-9/:?&=]*$`)

// There says what a version of ingress-nginx made of annotations that versions differ in:
// those that the last one dropped the Ingress for. What all of them ignore, lowering tells.
func There(v Version, annotations map[string]string) (list []Told) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, Prefix)
		value := annotations[key]
		var old, new string
		always := false
		switch {
		case !ok || value == "":
		case slices.Contains(critical, name):
			old = "1.11 leaves a snippet out unless its ConfigMap has allow-snippet-annotations"
			new = "1.12 to 1.15 drop the whole Ingress for it, unless their ConfigMap has allow-snippet-annotations and annotations-risk-level: Critical"
		case (name == "permanent-redirect" || name == "temporal-redirect") && !plainURL.MatchString(value):
			old, always = "1.11 redirects there", true
			new = "1.12 to 1.15 take no such character in a redirect, and drop the whole Ingress: 404"
		}
		if new == "" {
			continue
		}
		text := new + "; " + old
		if v == V111 {
			text = old + "; " + new
		}
		list = append(list, Told{Field: field(name), Value: shown(value), Dropped: always && v == V115, Text: text})
	}
	return list
}

// opener are annotations that keep somebody or something out there, which is not kept out
// where they are not honoured.
var opener = map[string]string{
	"limit-connections":      "connections of one client have a limit there",
	"limit-rate":             "answers have a limit of speed there",
	"proxy-ssl-secret":       "the certificate of the Service is checked there, if proxy-ssl-verify says so",
	"proxy-ssl-verify":       "the certificate of the Service is checked there",
	"proxy-ssl-verify-depth": "the certificate of the Service is checked there",
	"ssl-ciphers":            "clients with other ciphers are refused there",
}

// MoreOpen is what a field of an Ingress keeps out there, and not here if it is not
// honoured; empty for nothing.
func MoreOpen(at, value string) string {
	name, ok := strings.CutPrefix(at, field(""))
	if !ok || name == "proxy-ssl-verify" && value != "on" || strings.HasPrefix(name, "limit-") && value == "0" {
		return ""
	}
	return opener[name]
}
