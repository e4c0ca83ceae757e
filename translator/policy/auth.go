package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"legation.dev/authz/rule"
)

// Auth is who may come, by what a request says of its sender.
type Auth struct {
	AuthService
	AuthType              AuthType
	AuthSecret, AuthRealm string
	AuthSecretType        SecretType
	AuthHeadersFrom       string // a ConfigMap
	Everyone              bool   // the service of the class is asked, too
	Satisfy               Satisfy

	users string // no setting, but what is in the Secret
	set   string // no setting, but what is in the ConfigMap: lines of headers
}

// WithSet is a with the headers that its ConfigMap has, "name: value" on lines.
func (a Auth) WithSet(lines string) Auth {
	a.set = lines
	return a
}

// Set are those lines.
func (a Auth) Set() string { return a.set }

// AuthService is a service that is asked, and how.
type AuthService struct {
	AuthURL, AuthMethod, AuthSignIn, AuthSignInArg string
	AuthResponseHeaders                            string // separated by commas
	AuthRedirect                                   string
	AuthAlwaysSetCookie                            bool
}

// WithUsers is a with the lines of htpasswd that its Secret has, joined by commas.
func (a Auth) WithUsers(lines string) Auth {
	a.users = lines
	return a
}

// Users are those lines; without any, nobody has a password.
func (a Auth) Users() string { return a.users }

// ClientNames reports whether the client names the host of the service that is asked,
// where it may name any host: it could name one of its own, which says yes.
func (a Auth) ClientNames() bool {
	_, rest, _ := strings.Cut(a.AuthURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return strings.Contains(host, rule.Host) || strings.Contains(host, rule.Authority)
}

// Asked is a if anybody is asked who they are, else the zero one.
func (a Auth) Asked() Auth {
	if !a.Active() {
		return Auth{}
	}
	return a
}

// Active reports whether anybody is asked who they are.
func (a Auth) Active() bool { return a.AuthType == Basic || a.AuthURL != "" }

// AuthType is how a name and a password are asked for.
type AuthType string

// The types.
const (
	NoAuth AuthType = "none"
	Basic  AuthType = "basic"
)

// SecretType is how a Secret has names and passwords.
type SecretType string

// The types.
const (
	AuthFile SecretType = "auth-file" // lines of htpasswd, in the key auth
	AuthMap  SecretType = "auth-map"  // each key is a name
)

// Satisfy says how many restrictions of access a request has to meet.
type Satisfy string

// What it takes.
const (
	All Satisfy = "all"
	Any Satisfy = "any"
)

// authRows are the settings of Auth. A class has none of them: if one of its settings is
// wrong, the default counts, which keeps nobody out. Those of the service have names of
// their own there: see GlobalAuth.
var authRows = slices.Concat(serviceRows(func(v *Values) *AuthService { return &v.AuthService }), []Setting{
	{
		Name: "auth-realm", Type: typeOf("text", "printable ASCII", func(v *Values) *string { return &v.AuthRealm }, parseRealm, func(s string) string { return s }),
		Default: "", Why: "As ingress-nginx.",
		Envoy: "http filter ext_authz of the route",
		Doc:   "What a browser shows when it asks for a password.",
	},
	{
		Name: "auth-secret", Type: typeOf("name of a Secret", "of the same namespace", func(v *Values) *string { return &v.AuthSecret }, parseSecretName, func(s string) string { return s }),
		Default: "", Why: "There are no passwords.",
		Envoy:     "http filter ext_authz of the route",
		Restricts: "authentication",
		Doc:       "The Secret whose key `auth`, or whose keys (`auth-secret-type`), have names and passwords, as htpasswd and `openssl passwd` write them ($apr1$, $1$, $2y$, $5$, $6$, {SHA}, {SSHA}). It counts where `auth-type` is basic. Without the Secret, or without a line that counts, the paths answer 503.",
	},
	{
		Name: "auth-secret-type", Type: oneOf(func(v *Values) *SecretType { return &v.AuthSecretType }, AuthFile, AuthMap),
		Default: string(AuthFile), Why: "As ingress-nginx.",
		Envoy:     "http filter ext_authz of the route",
		Restricts: "authentication",
		Doc:       "How `auth-secret` has names and passwords: `auth-file` is lines of htpasswd in the key `auth`; with `auth-map` each key is a name, and its value the hash of the password.",
	},
	{
		Name: "auth-type", Type: oneOf(func(v *Values) *AuthType { return &v.AuthType }, NoAuth, Basic),
		Default: "none", Why: "Everybody may come.",
		Envoy:     "http filter ext_authz of the route",
		Restricts: "authentication",
		Doc:       "Whether a name and a password of `auth-secret` are asked for. The Service is not told them. A value that cannot be read closes the paths.",
	},
	{
		Name: "satisfy", Type: oneOf(func(v *Values) *Satisfy { return &v.Satisfy }, All, Any),
		Default: "all", Why: "As ingress-nginx.",
		Envoy: "ExtAuthz.filter_enabled_metadata, shadow rules of http filter rbac",
		Doc:   "Whether a request has to meet all of `allowed-addresses`, `denied-addresses`, `auth-type` and `auth-url`, or any one of those that are set.",
	},
	{
		Name: "auth-headers-from", Type: configMapName(func(v *Values) *string { return &v.AuthHeadersFrom }),
		Default: "", Why: "The service is told what the client says, and no more.",
		Envoy: "http filter ext_authz of the route", Restricts: "authentication",
		Doc: "A ConfigMap of the same namespace with headers that the service of `auth-url` is told besides: each key is a name. Without it, or with a value that can be none, the paths answer 503.",
	},
	{
		Name: "global-auth", Type: yesNo(func(v *Values) *bool { return &v.Everyone }),
		Default: "true", Why: "As ingress-nginx.",
		Envoy: "http filter ext_authz of the route",
		Doc:   "Whether the service of `global-auth-url` of the class is asked about the paths.",
	},
})

// serviceRows are those of what asks a service.
func serviceRows(of func(*Values) *AuthService) []Setting {
	list := []Setting{
		{
			Name: "auth-always-set-cookie", Type: yesNo(func(v *Values) *bool { return &of(v).AuthAlwaysSetCookie }),
			Default: "false", Why: "As ingress-nginx.",
			Envoy: "http filter ext_authz of the route",
			Doc:   "Whether a client whom `auth-url` refuses, by 401 or 403, is given the cookies of that answer. With a yes, and on the way to `auth-signin`, it always is.",
		},
		{
			Name: "auth-method", Type: oneOf(func(v *Values) *string { return &of(v).AuthMethod }, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
			Default: "GET", Why: "As ingress-nginx.",
			Envoy: "http filter ext_authz of the route",
			Doc:   "The method by which the service of `auth-url` is asked.",
		},
		{
			Name: "auth-request-redirect", Type: typeOf("text", "printable ASCII without spaces", func(v *Values) *string { return &of(v).AuthRedirect }, parsePlaces, func(s string) string { return s }),
			Default: "", Why: "The path and query of the request, as ingress-nginx.",
			Envoy: "http filter ext_authz of the route",
			Doc:   "What the service of `auth-url` is told in X-Auth-Request-Redirect. The places of `auth-url` may be in it.",
		},
		{
			Name: "auth-response-headers", Type: typeOf("list of headers", "separated by commas", func(v *Values) *string { return &of(v).AuthResponseHeaders }, parseHeaders, func(s string) string { return s }),
			Default: "", Why: "The Service is told what the client says.",
			Envoy:     "AuthorizationResponse.allowed_upstream_headers of http filter ext_authz",
			Restricts: "authentication",
			Doc:       "Headers of the answer of `auth-url` that the Service is told. What the client says in them is taken out, even if the answer has none of them.",
		},
	}
	return append(list, signInRows(of)...)
}

// signInRows are those of serviceRows about whom the service does not know, and its URL.
func signInRows(of func(*Values) *AuthService) []Setting {
	return []Setting{
		{
			Name: "auth-signin", Type: authURL(func(v *Values) *string { return &of(v).AuthSignIn }),
			Default: "", Why: "The client is told 401.",
			Envoy: "http filter ext_authz of the route",
			Doc:   "Where a client is sent, by 302, to whom `auth-url` answers 401. The page that it asked for is added as the parameter of `auth-signin-redirect-param`, unless the URL has that. The places of `auth-url` may be in it.",
		},
		{
			Name: "auth-signin-redirect-param", Type: headerText(func(v *Values) *string { return &of(v).AuthSignInArg }),
			Default: "rd", Why: "As ingress-nginx, and what oauth2-proxy reads.",
			Envoy: "http filter ext_authz of the route",
			Doc:   "The parameter of `auth-signin` that is the page that was asked for.",
		},
		{
			Name: "auth-url", Type: authURL(func(v *Values) *string { return &of(v).AuthURL }),
			Default: "", Why: "Everybody may come.",
			Envoy:     "http filter ext_authz of the route",
			Restricts: "authentication",
			Doc:       "A service that is asked before each request, WebSockets too, without its body: any 2xx is a yes, 401 and 403 are passed on, all else, and no answer, is 500. It is told the headers of the client, and X-Original-URL, X-Original-Method, X-Auth-Request-Redirect, X-Real-IP. `{host}`, `{authority}`, `{scheme}`, `{uri}` and `{uri-escaped}` stand for those of the request. A certificate of it is verified. Where an Ingress has rules for no host, so that clients name any, `{host}` and `{authority}` cannot be the host of the service: its paths answer 503. A value that cannot be read closes the paths.",
		},
	}
}

func authURL(field func(*Values) *string) Type {
	parse := func(text string) (string, error) {
		if text == "" {
			return "", nil
		}
		return text, rule.CheckURL(text)
	}
	return typeOf("URL", "http or https", field, parse, func(s string) string { return s })
}

func parseRealm(text string) (string, error) {
	if len(text) > longestHeader || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("not printable ASCII of at most %d bytes", longestHeader)
	}
	return text, nil
}

// secretOf may have the namespace of the object before it.
var secretOf = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)

func parseSecretName(text string) (string, error) {
	if text != "" && (len(text) > 317 || !secretOf.MatchString(text)) { // 63, a slash, 253
		return "", errors.New("not the name of a Secret")
	}
	return text, nil
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// reserved headers are none that a service may say instead of the client.
var reserved = []string{"host", "connection", "content-length", "transfer-encoding", "upgrade", "te"}

func parseHeaders(text string) (string, error) {
	list, err := items(text, "a header that a service may say", func(one string) (string, error) {
		if !headerName.MatchString(one) || slices.Contains(reserved, strings.ToLower(one)) || strings.HasPrefix(strings.ToLower(one), "x-envoy-") {
			return "", errors.New("no")
		}
		return one, nil
	})
	return strings.Join(list, ","), err
}

// parsePlaces reads a text that may have the places of a request.
func parsePlaces(text string) (string, error) { return text, rule.CheckText(text) }

// configMapName is the name of a ConfigMap, or namespace/name.
func configMapName(field func(*Values) *string) Type {
	return typeOf("name of a ConfigMap", "of the same namespace", field, parseSecretName, func(s string) string { return s })
}
