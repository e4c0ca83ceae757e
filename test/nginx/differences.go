//go:build real

package nginx

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Difference is one that is known between ingress-nginx and Legation in a compatible
// class. When says, of what is asked and of whom, where it may show, and Fields in what of
// an answer, by the names of Differ.
type Difference struct {
	What, Theirs, Ours, Why string
	Fields                  *regexp.Regexp
	When                    func(Asked) bool
}

// Differences are all that are known.
var Differences = []Difference{
	{What: "Host of a redirect", Theirs: "as the client wrote it, that of a snippet in lower case; with `use-port-in-redirects` the port 443 behind it", Ours: "in lower case, that of a snippet as the client wrote it; without the port that https has", Why: "clients do not tell them apart",
		Fields: fields("headers.location"), When: func(a Asked) bool {
			if a.says("use-port-in-redirects", "true") && a.TLS == 0 && (a.anyTLS() || a.forced()) || a.Host != strings.ToLower(a.Host) && a.sends() {
				return true
			}
			return a.Host != strings.ToLower(a.Host) && (a.TLS == 0 && a.anyTLS() || a.has("app-root", "from-to-www-redirect") || a.forced() || a.slashed() || a.Header["X-Echo-Set"] != "")
		}},
	{What: "Path with `//` or `%2F`; escapes in one that is rewritten", Theirs: "passed on, and told in redirects, as the client wrote it; written anew", Ours: "as it was matched; as the client wrote them", Why: "what a backend gets is what the guards have seen; they stand for the same",
		Fields: fields("headers.location", "upstream.path", "upstream.headers.x-original-uri", "upstream.headers.x-seen", "headers.set-cookie"),
		When: func(a Asked) bool {
			return strings.Contains(a.Path, "//") || strings.Contains(a.Path, "%2F") || a.rewritesEscapes()
		}},
	{What: "HSTS on answers of a `server-snippet`, `app-root`, the www redirect, error pages, a sign-in, and to a client whose certificate has another name", Theirs: "none", Ours: "as on every answer by TLS", Why: "a host has the header, or it has not",
		Fields: fields("headers.strict-transport-security"), When: func(a Asked) bool {
			return a.TLS != 0 && (a.snipped() || a.has("auth-tls-match-cn") || a.rooted() || a.has("from-to-www-redirect") && a.www() || a.has("custom-http-errors") && (a.Header["X-Echo-Status"] != "" || a.unruled()) || a.has("auth-signin") && a.Header["Cookie"] == "")
		}},
	{What: "Certificate that does not cover the host whose TLS section names it", Theirs: "the default certificate", Ours: "that certificate", Why: "either is refused by clients; ours says why",
		Fields: fields("certificate"), When: func(a Asked) bool {
			greeted := a.greeted()
			return a.TLS != 0 && (greeted.deep() && greeted.tls() || a.SNI != "" && greeted.aliased() && !greeted.certified())
		}},
	{What: "Alias, or www name, of a host with TLS, that its certificate does not cover, or that a later host without TLS has, too", Theirs: "has the default certificate, and is not sent to https", Ours: "as its host", Why: "an alias is another name of the same host",
		Fields: fields(""), When: func(a Asked) bool { return a.anyTLS() && (a.aliased() && !a.certified() || a.redirected() && a.deep()) }},
	{What: "Cookie of a session, by https", Theirs: "Secure, unless `session-cookie-secure` says otherwise", Ours: "as `session-cookie-secure` says, and not otherwise", Why: "Envoy has one cookie for http and https",
		Fields: fields("headers.set-cookie"), When: func(a Asked) bool { return a.TLS != 0 && a.has("affinity") && !a.says("session-cookie-secure", "true") }},
	{What: "Path of the cookie of a session: other paths than `session-cookie-path`, paths that no rule has, and patterns", Theirs: "set there, too; the text of the pattern", Ours: "not set there; `/`", Why: "the client would not send it back",
		Fields: fields("headers.set-cookie"), When: func(a Asked) bool {
			return a.has("session-cookie-path") || a.has("affinity") && (a.patterned() || a.unruled())
		}},
	{What: "Session of a Service to which paths of several Ingresses lead", Theirs: "as one of them says, on the paths of all", Ours: "on the paths of the Ingress that asks for it", Why: "an Ingress says what holds for its own paths",
		Fields: fields("headers.set-cookie"), When: func(a Asked) bool { return a.sticks() }},
	{What: "`location` of a `server-snippet`, on a host of patterns, or beside another one of the host, and `deny` of the latter; `deny` of a snippet, beside `whitelist-source-range`; of a `server-snippet`, beside any list of the path", Theirs: "not reached: patterns, and the list, come before it, or take its place; an older `server-snippet` is the only one", Ours: "answers as it says", Why: "whoever wrote that something is denied is taken at his word",
		Fields: fields("status", "headers", "upstream"), When: func(a Asked) bool { return a.snipped() && (a.patterned() || a.outdone()) || a.younger() || a.denied() }},
	{What: "Canary of a Service without endpoints", Theirs: "503 for all", Ours: "the canary answers its share", Why: "a share that can be served is served",
		Fields: fields("status", "upstream", "headers"), When: func(a Asked) bool { return a.canaryOfNone() }},
	{What: "`x-forwarded-prefix` where nothing is rewritten", Theirs: "not sent", Ours: "sent", Why: "who sets it wants it told",
		Fields: fields("upstream.headers.x-forwarded-prefix"), When: func(a Asked) bool { return a.prefixed() }},
	{What: "Body over `proxy-body-size`", Theirs: "413 before anything else", Ours: "a redirect, a refusal and the answer of a guard come first; the redirect to https goes by the size of the class", Why: "a body is counted where it is read, and nobody reads it who sends the client elsewhere",
		Fields: fields("status", "headers"), When: func(a Asked) bool { return a.over() }},
	{What: "Slash at the end of a path, in the redirect of a www name", Theirs: "lost", Ours: "kept", Why: "the same page is asked for there",
		Fields: fields("headers.location"), When: func(a Asked) bool {
			return a.has("from-to-www-redirect") && a.www() && strings.HasSuffix(a.Path, "/")
		}},
	{What: "Session that begins at a canary", Theirs: "has the cookie of the others", Ours: "has one of its own, whose name ends with `-canary`", Why: "an endpoint is looked for among those of one Service",
		Fields: fields("headers.set-cookie"), When: func(a Asked) bool { return a.has("affinity") && a.canaried() }},
	{What: "Service that is the canary of several", Theirs: "what the first of them says of header, cookie and weight holds for all", Ours: "each says what holds for its own Service", Why: "a canary is of one Ingress",
		Fields: fields("upstream", "status", "headers"), When: func(a Asked) bool { return a.sharesCanary() }},
	{What: "Cookie that the service of `auth-url` sets, on an error", Theirs: "left out, but for `auth-always-set-cookie`", Ours: "passed on", Why: "who let a client in has perhaps renewed its session",
		Fields: fields("headers.set-cookie"), When: func(a Asked) bool {
			return (a.has("auth-url") || a.Settings["global-auth-url"] != "") && strings.Contains(a.Header["X-Echo-Set"], "Set-Cookie")
		}},
	{What: "`default-backend` for a Service without endpoints", Theirs: "gets the request with its method and body, and the headers of the path are on its answer", Ours: "gets a GET, and its answer is told as it is; a request with a body is answered 503", Why: "Envoy asks it once it knows that nobody else is there, and by then a body is gone",
		Fields: fields("upstream", "status", "headers"), When: func(a Asked) bool { return a.has("default-backend") && a.none() }},
	{What: "Guard before a Service without endpoints, or before a path that no rule has where `default-backend` is said", Theirs: "503, or the page in its place; 404", Ours: "the guard answers first: 401, 403, the redirect to https", Why: "who may not come in is not told what is there",
		Fields: fields("status", "headers"), When: func(a Asked) bool {
			return (a.none() || a.unruled() && a.has("default-backend")) && a.guarded()
		}},
	{What: "Request to an error page", Theirs: "with the method and query of the client, without what was set for the Service; a canary of the Service gets its share of them; also for a refusal where no rule is", Ours: "GET, without query; a refusal there is told as it is", Why: "a page is fetched, and nothing is done again",
		Fields: fields("upstream", "headers", "status"), When: func(a Asked) bool {
			return a.paged() && (a.Header["X-Echo-Status"] != "" || a.none()) || a.unruled() && a.has("custom-http-errors") && a.guarded()
		}},
	{What: "Headers of a snippet, and of CORS, on a redirect to https; of CORS to a client whose certificate has another name; on the error page of a path without a rule; those of a snippet on the redirect to a sign-in", Theirs: "added; not added; not added; not added", Ours: "not added; added; added; added", Why: "the redirect to https comes before the rule whose headers they are; others are answers of the rule",
		Fields: fields("headers.x-frame-options", "headers.x-content-type-options", "headers.access-control-"), When: func(a Asked) bool {
			page := a.unruled() && a.has("custom-http-errors")
			renamed := a.has("auth-tls-match-cn")
			return a.decorated() && (a.leaves() || a.signsIn() || a.snipped() || renamed || page) || a.has("enable-cors") && (a.leaves() || renamed || page)
		}},
	{What: "`proxy-next-upstream` by a status, where all endpoints answer it", Theirs: "502", Ours: "that answer", Why: "a server's own answer says more",
		Fields: fields("status", "headers", "upstream"), When: func(a Asked) bool {
			status := a.Header["X-Echo-Status"]
			return status != "" && strings.Contains(strings.Join(a.values("proxy-next-upstream"), " "), "http_"+status)
		}},
	{What: "Variable in `permanent-redirect`", Theirs: "1.15 drops the whole Ingress, which 1.11 served", Ours: "the redirect that its owner wrote", Why: "nothing is guarded by leaving it out",
		Fields: fields("headers.location", "status"), When: func(a Asked) bool { return strings.Contains(strings.Join(a.values("permanent-redirect"), ""), "$") }},
	{What: "Client certificates at a host without a TLS section, or where an older Ingress says `off`, or on a connection for another name, or more than one label below a wildcard", Theirs: "asked for beside the default certificate; for nobody; 421, but where nobody has the name: 400, or served if they are `optional`; not asked for", Ours: "https of the host is closed; asked for; 421; as at the wildcard", Why: "who asks for certificates is taken at his word, and one that another host has asked for is not his",
		Fields: fields("status", "headers", "upstream"), When: func(a Asked) bool {
			return a.TLS == 0 && a.has("auth-tls-match-cn") && a.says("auth-tls-verify-client", "off") || a.TLS != 0 && (a.beyond("auth-tls-secret") || a.has("auth-tls-secret") && (!a.tls() || a.deep() || slices.Contains(a.values("auth-tls-verify-client"), "off") || a.SNI != "" && !a.named(a.SNI)))
		}},
	{What: "Path of a copy (`mirror-target`): of one that is rewritten, with `//` or `%2F`; a target that does not end with `$request_uri`, or has a slash before it", Theirs: "as the client wrote it; `/_mirror-` and a name, or two slashes", Ours: "the path that the Service gets", Why: "Envoy copies the request that it sends, and does not let a copy have another path",
		Fields: fields("upstream.headers.x-echo-copied"), When: func(a Asked) bool { return a.mirrored() && (a.rewritten() || !a.plainly()) }},
	{What: "X-Forwarded-For and -Host of a proxy in front", Theirs: "believed of everybody: the left-most address is the client, and the host takes the place of Host", Ours: "believed as far as `trusted-proxies` says, the last address that none of them wrote is the client, and Host stays", Why: "who may write the header would choose address and virtual host",
		Fields: fields("status", "upstream"), When: func(a Asked) bool {
			return a.Header["X-Forwarded-For"] != "" && a.Settings["proxy-real-ip-cidr"] == "" || a.Header["X-Forwarded-Host"] != ""
		}},
}

// fields are those whose names begin so.
func fields(names ...string) *regexp.Regexp {
	for i, name := range names {
		names[i] = regexp.QuoteMeta(name)
	}
	return regexp.MustCompile("^(" + strings.Join(names, "|") + ")")
}

// Known reports whether all that differs in two answers is known, and by which of the
// Differences.
func Known(a Asked, got, want Answer) (by []int, all bool) {
	used := map[int]bool{}
	all = true
	for _, field := range differing(got, want) {
		found := slices.IndexFunc(Differences, func(d Difference) bool { return d.Fields.MatchString(field) && d.When(a) })
		if found < 0 {
			all = false
			continue
		}
		used[found] = true
	}
	return slices.Sorted(maps.Keys(used)), all
}
