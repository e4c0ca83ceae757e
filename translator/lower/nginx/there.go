package nginx

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
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

// takes are the values that 1.12 to 1.15 take of annotations whose value they check, and
// drop the Ingress for else: all of which ingress-nginx's own annotation parser, with its
// check switched on, gives that up for. Of the other annotations a wrong value is left out.
var takes = map[string]func(value string) bool{
	"auth-tls-secret":              spaceless(matches(`^[-._~a-zA-Z0-9/:]*$`)),
	"auth-type":                    spaceless(matches(`basic|digest`)),
	"auth-url":                     spaceless(matches(`^[-._~a-zA-Z0-9/:,?&=$]*$`)),
	"client-body-buffer-size":      spaceless(matches(`^(?i)\d+[bkmg]?$`)),
	"connection-proxy-header":      spaceless(matches(`^(close|keep-alive)$`)),
	"custom-http-errors":           spaceless(matches(`^([4,5]\d{2},?)*$`)),
	"default-backend":              func(value string) bool { return len(validation.IsDNS1035Label(value)) == 0 },
	"fastcgi-index":                spaceless(matches(`^[A-Za-z0-9._-]+$`)),
	"fastcgi-params-configmap":     spaceless(matches(`^[-._~a-zA-Z0-9/:]*$`)),
	"from-to-www-redirect":         parses(strconv.ParseBool),
	"http2-push-preload":           parses(strconv.ParseBool),
	"limit-allowlist":              isRanges,
	"limit-connections":            parses(strconv.Atoi),
	"limit-rpm":                    parses(strconv.Atoi),
	"limit-rps":                    parses(strconv.Atoi),
	"limit-whitelist":              isRanges,
	"load-balance":                 spaceless(matches(`^(round_robin|chash|chashsubset|sticky_balanced|sticky_persistent|ewma)$`)),
	"permanent-redirect":           matches(`^[-._~a-zA-Z0-9/:?&=]*$`),
	"permanent-redirect-code":      parses(strconv.Atoi),
	"proxy-ssl-secret":             spaceless(matches(`^[-._~a-zA-Z0-9/:]*$`)),
	"server-alias":                 serverNames,
	"ssl-ciphers":                  spaceless(matches(`^(([A-Za-z0-9!:+-])*(@STRENGTH)*(@SECLEVEL=[0-5])*(@STRENGTH)*)*$`)),
	"ssl-passthrough":              parses(strconv.ParseBool),
	"temporal-redirect":            matches(`^[-._~a-zA-Z0-9/:?&=]*$`),
	"upstream-hash-by":             spaceless(matches(`^[A-Za-z0-9_${}-]*$`)),
	"upstream-hash-by-subset":      parses(strconv.ParseBool),
	"upstream-hash-by-subset-size": parses(strconv.Atoi),
	"upstream-vhost":               serverName,
	"x-forwarded-prefix":           spaceless(matches(`^[-._~a-zA-Z0-9/:$]*$`)),
}

func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// spaceless is a check that leaves spaces out first.
func spaceless(take func(string) bool) func(string) bool {
	return func(value string) bool { return take(strings.ReplaceAll(value, " ", "")) }
}

func parses[T any](parse func(string) (T, error)) func(string) bool {
	return func(value string) bool { _, err := parse(value); return err == nil }
}

// serverName is what may stand for a name of a server, after spaces around it.
func serverName(value string) bool { return namePattern(strings.TrimSpace(value)) }

// serverNames are several, with commas between.
func serverNames(value string) bool {
	return !slices.ContainsFunc(strings.Split(value, ","), func(one string) bool { return !serverName(one) })
}

var namePattern = matches(`^[-._~a-zA-Z0-9/:^$\[\](){}*+?|&=\\]*$`)

func isRanges(value string) bool {
	_, ok := rangesOf(value)
	return ok
}

// refusedThere reports whether 1.12 to 1.15 refuse the value of an annotation.
func refusedThere(name, value string) bool {
	take, checked := takes[name]
	return checked && !take(value)
}

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
		case (name == "permanent-redirect" || name == "temporal-redirect") && refusedThere(name, value):
			old, always = "1.11 redirects there", true
			new = "1.12 to 1.15 take no such character in a redirect, and drop the whole Ingress: 404"
		case refusedThere(name, value):
			old, always = "1.11 serves it, and checks values only with --enable-annotation-validation", true
			new = "1.12 to 1.15 refuse this value, and drop the whole Ingress: 404"
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
