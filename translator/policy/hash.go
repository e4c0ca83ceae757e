package policy

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// HashKey is what requests are told apart by: a client's address if both fields
// are empty, else one of the two, by its name.
type HashKey struct{ Header, Cookie string }

// String is "address", "header:NAME" or "cookie:NAME".
func (k HashKey) String() string {
	switch {
	case k.Header != "":
		return "header:" + k.Header
	case k.Cookie != "":
		return "cookie:" + k.Cookie
	}
	return "address"
}

// token is what a header or a cookie may be called. RFC 9110, 5.6.2.
var token = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$")

func hashKey(field func(*Values) *HashKey) Type {
	parse := func(text string) (HashKey, error) {
		kind, name, _ := strings.Cut(text, ":")
		switch {
		case text == "address":
			return HashKey{}, nil
		case kind == "header" && token.MatchString(name):
			return HashKey{Header: strings.ToLower(name)}, nil
		case kind == "cookie" && token.MatchString(name):
			return HashKey{Cookie: name}, nil
		}
		return HashKey{}, errors.New("neither address nor header:NAME nor cookie:NAME")
	}
	return typeOf("part of a request", "address, header:NAME or cookie:NAME", field, parse, HashKey.String)
}

// checkPath is the path of a health check, or "off".
func checkPath(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		unfit := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }
		if text != off && (!strings.HasPrefix(text, "/") || len(text) > longestPath || strings.ContainsFunc(text, unfit)) {
			return "", errors.New("neither off nor a path such as /healthz")
		}
		return text, nil
	}
	return typeOf("path", "printable ASCII, or off", field, parse, func(s string) string { return s })
}

// longestPath of a health check, in bytes.
const longestPath = 1024

// HealthChecked says whether endpoints are asked for their health, and where.
func (v Values) HealthChecked() (path string, interval, timeout time.Duration, ok bool) {
	return v.HealthCheckPath, v.HealthCheckInterval, v.HealthCheckTimeout, v.HealthCheckPath != off
}
