package policy

import (
	"errors"
	"strings"
	"time"
)

// Session is by what a client stays at one endpoint.
type Session struct {
	Affinity Affinity
	Cookie   string        // its name
	MaxAge   time.Duration // of the cookie; zero: until the client forgets it
	Expires  time.Duration // of the cookie, as a date; zero: it has none
	Path     string        // of the cookie; empty: that of the rule
	Domain   string        // of the cookie; empty: none
	Site     SameSite      // of the cookie
	Secure   bool          // of the cookie
	// OnCanary: who began at a canary, or beside it, stays on that side.
	OnCanary bool
}

// Affinity is by what a client is known.
type Affinity string

// The ways to know a client.
const (
	NoAffinity Affinity = off
	ByCookie   Affinity = "cookie" // that Envoy sets
)

// SameSite is when a client sends a cookie from other sites.
type SameSite string

// The words of RFC 6265bis, 4.1.2.7.
const (
	SiteUnsaid SameSite = off
	SiteNone   SameSite = "None"
	SiteLax    SameSite = "Lax"
	SiteStrict SameSite = "Strict"
)

// longestSession is what browsers keep a cookie at most: 400 days.
const longestSession = 400 * 24 * time.Hour

// sessionRows are the settings of Session.
var sessionRows = []Setting{
	{
		Name: "session-affinity", Type: oneOf(func(v *Values) *Affinity { return &v.Affinity }, NoAffinity, ByCookie),
		Default: off, Why: "Requests are spread evenly.",
		Envoy: "http filter stateful_session of the route",
		Doc: "With `cookie`, a client stays at the endpoint that answered it first, as long as that is there and well; then it gets another one. The cookie holds the endpoint's address, readable: " +
			"a client can choose any endpoint of the Service, and no other.",
	},
	{
		Name: "session-cookie-domain", Type: cookieText(func(v *Values) *string { return &v.Session.Domain }, "a DNS name", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."),
		Default: "", Why: "The cookie is for the host alone.",
		Envoy: "type.http.v3.Cookie.attributes",
		Doc:   "The Domain of the cookie of `session-affinity`.",
	},
	{
		Name: "session-cookie-expires", Type: durationOrOff(func(v *Values) *time.Duration { return &v.Session.Expires }, time.Second, longestSession),
		Default: off, Why: "All clients since 2013 follow `session-cookie-max-age`.",
		Envoy: "http filter lua of the route",
		Doc:   "How long a client keeps the cookie of `session-affinity` that knows a date, Expires, and no Max-Age. Each answer that sets the cookie then costs a short script.",
	},
	{
		Name: "session-cookie-max-age", Type: durationOrOff(func(v *Values) *time.Duration { return &v.Session.MaxAge }, time.Second, longestSession),
		Default: off, Why: "As ingress-nginx: the client forgets it when it is closed.",
		Envoy: "type.http.v3.Cookie.ttl",
		Doc:   "How long a client keeps the cookie of `session-affinity`.",
	},
	{
		Name: "session-cookie-name", Type: cookieText(func(v *Values) *string { return &v.Cookie }, "a name", tokenBytes),
		Default: "INGRESSCOOKIE", Why: "As ingress-nginx.",
		Envoy: "type.http.v3.Cookie.name",
		Doc:   "The cookie of `session-affinity`. A canary has one of its own, with `-canary` at its end.",
	},
	{
		Name: "session-cookie-path", Type: cookiePath(func(v *Values) *string { return &v.Session.Path }),
		Default: "", Why: "As ingress-nginx: two rules of a host lead to different endpoints. A rule with a pattern has `/`, since a client could not compare it.",
		Envoy: "type.http.v3.Cookie.path",
		Doc:   "The Path of the cookie of `session-affinity`; the path of the rule if it is empty. A request whose path does not begin with it is of no session.",
	},
	{
		Name: "session-cookie-same-site", Type: oneOf(func(v *Values) *SameSite { return &v.Session.Site }, SiteUnsaid, SiteNone, SiteLax, SiteStrict),
		Default: off, Why: "Clients decide.",
		Envoy: "type.http.v3.Cookie.attributes",
		Doc:   "The SameSite of the cookie of `session-affinity`.",
	},
	{
		Name: "session-cookie-secure", Type: yesNo(func(v *Values) *bool { return &v.Session.Secure }),
		Default: "false", Why: "A client that comes by http would lose its session.",
		Envoy: "type.http.v3.Cookie.attributes",
		Doc:   "Whether the cookie of `session-affinity` is sent by TLS only.",
	},
	{
		Name: "session-on-canary", Type: yesNo(func(v *Values) *bool { return &v.OnCanary }),
		Default: "true", Why: "As ingress-nginx.",
		Envoy: "Route.match, by the cookies",
		Doc:   "Whether a client of `session-affinity` stays with a canary, or beside it, whatever the canary's header, cookie and weight say then. Else a canary has no sessions.",
	},
}

// tokenBytes are what the name of a cookie has. RFC 9110, 5.6.2.
const tokenBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

// cookieText is a text of some bytes; what says of what.
func cookieText(field func(*Values) *string, what, bytes string) Type {
	parse := func(text string) (string, error) {
		if len(text) > longestHeader || strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(bytes, r) }) {
			return "", errors.New("not " + what)
		}
		return text, nil
	}
	return typeOf("text", what, field, parse, func(s string) string { return s })
}

// cookiePath is the path of a cookie, or empty.
func cookiePath(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		unfit := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ',' }
		if text != "" && !strings.HasPrefix(text, "/") || len(text) > longestHeader || strings.ContainsFunc(text, unfit) {
			return "", errors.New("not a path, of printable ASCII without ; and ,")
		}
		return text, nil
	}
	return typeOf("path", "printable ASCII without ; and ,", field, parse, func(s string) string { return s })
}
