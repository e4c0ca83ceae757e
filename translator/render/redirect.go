package render

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"legation.dev/translator/route"
)

// redirect sends a client elsewhere. The scheme that it came by is x-forwarded-proto:
// what Envoy itself found it to be, unless a trusted proxy said so.
func redirect(to *route.Redirect, from route.Match) *routev3.Route_Redirect {
	m := &routev3.RedirectAction{HostRedirect: to.Host, PortRedirect: to.Port, ResponseCode: redirectCodes[to.Status]}
	switch to.Scheme {
	case "":
	case "https":
		m.SchemeRewriteSpecifier = &routev3.RedirectAction_HttpsRedirect{HttpsRedirect: true}
	default:
		m.SchemeRewriteSpecifier = &routev3.RedirectAction_SchemeRedirect{SchemeRedirect: to.Scheme}
	}
	switch {
	case to.Path != "":
		m.PathRewriteSpecifier = &routev3.RedirectAction_PathRedirect{PathRedirect: to.Path}
	case to.Prefix != "":
		replacePrefix(m, to.Prefix, from)
	case to.Rewrite != nil:
		m.PathRewriteSpecifier = &routev3.RedirectAction_RegexRewrite{RegexRewrite: substitution(to.Rewrite)}
	}
	m.StripQuery = to.NoQuery
	return &routev3.Route_Redirect{Redirect: m}
}

// substitution is a rewrite of the whole path.
func substitution(r *route.Rewrite) *matcherv3.RegexMatchAndSubstitute {
	return &matcherv3.RegexMatchAndSubstitute{Pattern: &matcherv3.RegexMatcher{Regex: r.Whole()}, Substitution: r.To}
}

// formatted is a text as a format string of Envoy, in which each % of a literal is
// doubled.
func formatted(t route.Text) string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(escaped(p.Literal) + parts[p.Part])
	}
	return b.String()
}

// parts are how Envoy writes the parts of a request.
var parts = [...]string{route.PathAndQuery: "%REQ(:PATH)%", route.PathOnly: "%PATH(NQ)%", route.Authority: "%REQ(:AUTHORITY)%", route.Scheme: "%REQ(X-FORWARDED-PROTO)%",
	route.Address: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}

// redirectCodes are how Envoy calls the statuses.
var redirectCodes = map[uint32]routev3.RedirectAction_RedirectResponseCode{
	301: routev3.RedirectAction_MOVED_PERMANENTLY,
	302: routev3.RedirectAction_FOUND,
	303: routev3.RedirectAction_SEE_OTHER,
	307: routev3.RedirectAction_TEMPORARY_REDIRECT,
	308: routev3.RedirectAction_PERMANENT_REDIRECT,
}

// replacePrefix has a text stand for the prefix that a route matches. Envoy replaces
// bytes: where the prefix or the text ends with a slash, it would make two slashes, or
// none.
func replacePrefix(m *routev3.RedirectAction, text string, from route.Match) {
	if from.Kind != route.Prefix {
		m.PathRewriteSpecifier = &routev3.RedirectAction_PrefixRewrite{PrefixRewrite: text}
		return
	}
	prefix, text := strings.TrimRight(from.Path, "/"), strings.TrimRight(text, "/")
	switch {
	case prefix == "":
		m.PathRewriteSpecifier = &routev3.RedirectAction_PrefixRewrite{PrefixRewrite: text + "/"}
	case text == "":
		m.PathRewriteSpecifier = replaced("^"+route.EverySpelling(prefix)+"/?", "/")
	case route.TwoSpellings(prefix): // the route matches a pattern, all of which Envoy would replace
		m.PathRewriteSpecifier = replaced("^"+route.EverySpelling(prefix), strings.ReplaceAll(text, `\`, `\\`))
	default:
		m.PathRewriteSpecifier = &routev3.RedirectAction_PrefixRewrite{PrefixRewrite: text}
	}
}

func replaced(pattern, by string) *routev3.RedirectAction_RegexRewrite {
	return &routev3.RedirectAction_RegexRewrite{RegexRewrite: &matcherv3.RegexMatchAndSubstitute{Pattern: &matcherv3.RegexMatcher{Regex: pattern}, Substitution: by}}
}
