package policy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Cors is what browsers are told of requests that pages of other origins make.
type Cors struct {
	CorsOn          bool
	CorsOrigins     Origins
	CorsMethods     string
	CorsHeaders     string
	CorsExpose      string
	CorsCredentials bool
	CorsMaxAge      time.Duration
}

// Active reports whether anybody is told anything.
func (c Cors) Active() bool { return c.CorsOn && c.CorsOrigins != "" }

// Told is c if anybody is told anything, else the zero one.
func (c Cors) Told() Cors {
	if !c.Active() {
		return Cors{}
	}
	return c
}

// Origins are those whose pages may use what a route serves: a list separated by commas,
// AnyOrigin, or nothing.
type Origins string

// AnyOrigin are all.
const AnyOrigin Origins = "*"

// NoOrigin is how none is written.
const NoOrigin = "none"

// Pattern is RE2 of an Origin header that is one of them, which nobody is unless there
// are some.
func (o Origins) Pattern() string {
	var list []string
	for one := range strings.SplitSeq(string(o), ",") {
		list = append(list, strings.Replace(regexp.QuoteMeta(one), `\*`, "[A-Za-z0-9-]+", 1))
	}
	return "(?i:" + strings.Join(list, "|") + ")"
}

// corsRows are the settings of Cors.
var corsRows = []Setting{
	{
		Name: "cors", Type: yesNo(func(v *Values) *bool { return &v.CorsOn }),
		Default: "false", Why: "As ingress-nginx: the Service answers for itself.",
		Envoy: "http filter header_mutation of the route, and a route of its own for preflights",
		Doc:   "Whether Envoy answers preflights (OPTIONS) of pages of other origins with 204, and has the headers of CORS on all answers, its own refusals too, in place of those of the Service. A preflight is answered before all else, authentication and the redirect to https included: browsers send no credentials with it. Only what `cors-origins` names is answered so.",
	},
	{
		Name: "cors-credentials", Type: yesNo(func(v *Values) *bool { return &v.CorsCredentials }),
		Default: "true", Why: "As ingress-nginx.",
		Envoy: "Access-Control-Allow-Credentials",
		Doc:   "Whether pages of other origins may send cookies and passwords. With `cors-origins: \"*\"` browsers refuse that in any case.",
	},
	{
		Name: "cors-expose-headers", Type: names(func(v *Values) *string { return &v.CorsExpose }),
		Default: "", Why: "As ingress-nginx: those that browsers always show.",
		Envoy: "Access-Control-Expose-Headers",
		Doc:   "The headers of an answer that pages of other origins may read.",
	},
	{
		Name: "cors-headers", Type: names(func(v *Values) *string { return &v.CorsHeaders }),
		Default: "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization", Why: "As ingress-nginx.",
		Envoy: "Access-Control-Allow-Headers",
		Doc:   "The headers that pages of other origins may send.",
	},
	{
		Name: "cors-max-age", Type: duration(func(v *Values) *time.Duration { return &v.CorsMaxAge }, 0, 365*day),
		Default: "480h", Why: "As ingress-nginx. Browsers forget an answer earlier: after 2 h (Chromium) or 24 h (Firefox).",
		Envoy: "Access-Control-Max-Age",
		Doc:   "How long a browser may remember the answer to a preflight; whole seconds count.",
	},
	{
		Name: "cors-methods", Type: names(func(v *Values) *string { return &v.CorsMethods }),
		Default: "GET, PUT, POST, DELETE, PATCH, OPTIONS", Why: "As ingress-nginx.",
		Envoy: "Access-Control-Allow-Methods",
		Doc:   "The methods that pages of other origins may use.",
	},
	{
		Name: "cors-origins", Type: typeOf("list of origins", "`*`, none, or such as `https://shop.example.com` and `https://*.example.com`", func(v *Values) *Origins { return &v.CorsOrigins }, parseOrigins, func(o Origins) string { return cmp.Or(string(o), NoOrigin) }),
		Default: NoOrigin, Why: "Nobody is allowed who is not named.",
		Envoy: "shadow rules of http filter rbac of the route",
		Doc:   "The origins whose pages are allowed, where `cors` is on. A star stands for one label of the name. One that is not named is told nothing, and its preflights go to the Service like all other requests.",
	},
}

// origin is a scheme and a host, maybe with a star for its first label, and maybe with a
// port.
var origin = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://(\*\.)?[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$`)

func parseOrigins(text string) (Origins, error) {
	if text == NoOrigin {
		return "", nil
	}
	list, err := items(text, "an origin such as https://shop.example.com", func(one string) (string, error) {
		if one != string(AnyOrigin) && !origin.MatchString(one) {
			return "", errors.New("not an origin")
		}
		return one, nil
	})
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "", errors.New("names nobody: write none")
	case slices.Contains(list, string(AnyOrigin)):
		return AnyOrigin, nil
	case len(list) > mostOrigins:
		return "", fmt.Errorf("more than %d origins", mostOrigins)
	}
	return Origins(strings.Join(list, ",")), nil
}

// mostOrigins that a setting may name: they are one pattern, which each request is
// compared with.
const mostOrigins = 100

// nameList are names of methods or headers, as people separate them.
var nameList = regexp.MustCompile(`^([A-Za-z0-9_*-]+(,? |,)?)*$`)

// names is a list of methods or headers. It stays as it is written.
func names(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		if len(text) > longestHeader || !nameList.MatchString(text) {
			return "", fmt.Errorf("not a list of names, separated by commas, of at most %d bytes", longestHeader)
		}
		return text, nil
	}
	return typeOf("list of names", "separated by commas", field, parse, func(s string) string { return s })
}
