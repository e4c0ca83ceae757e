package render

import (
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"legation.dev/authz/rule"
	"legation.dev/translator/policy"
)

// auth asks the authorization server beside Envoy, and tells it the rule of the route. If
// there is none, or it does not answer, the client is told 500, as by nginx.
var auth = part{
	differs: func(route, class *policy.Route) bool { return route.Asked() != class.Asked() },
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if !s.Auth.Active() {
			return nil
		}
		m := &authzv3.ExtAuthz{
			TransportApiVersion: corev3.ApiVersion_V3,
			Services:            &authzv3.ExtAuthz_HttpService{HttpService: askAuthz(ruleOf(&s.Auth))},
			AllowedHeaders:      &matcherv3.ListStringMatcher{Patterns: []*matcherv3.StringMatcher{matching(".*")}},
			DisallowedHeaders:   notAsked(),
			StatusOnError:       &typev3.HttpStatus{Code: typev3.StatusCode_InternalServerError},
		}
		if enough(s) {
			m.FilterEnabledMetadata = unless("envoy.filters.http.rbac", "addresses_shadow_engine_result", "allowed")
		}
		return &corev3.TypedExtensionConfig{Name: "legation.auth", TypedConfig: packed(m)}
	},
}

// enough reports whether an address that may come needs nothing else.
func enough(s *policy.Route) bool {
	return s.Satisfy == policy.Any && s.Auth.Active() && len(s.Allowed)+len(s.Denied) > 0
}

// authzTimeout is a little longer than the server asks a service.
const authzTimeout = 61 * time.Second

// ruleOf is what the server is told.
func ruleOf(a *policy.Auth) rule.Rule {
	r := rule.Rule{Basic: a.AuthType == policy.Basic, Any: a.Satisfy == policy.Any}
	if r.Basic {
		r.Realm, r.Users = a.AuthRealm, strings.Split(a.Users(), ",")
	}
	if a.AuthURL != "" {
		r.URL, r.Method, r.Redirect, r.Cookies = a.AuthURL, a.AuthMethod, a.AuthRedirect, a.AuthAlwaysSetCookie
		if set := a.Set(); set != "" {
			r.Set = strings.Split(set, "\n")
		}
		if a.AuthSignIn != "" {
			r.SignIn, r.Back = a.AuthSignIn, a.AuthSignInArg
		}
		if a.AuthResponseHeaders != "" {
			r.Headers = strings.Split(strings.ToLower(a.AuthResponseHeaders), ",")
		}
	}
	return r
}

func askAuthz(r rule.Rule) *authzv3.HttpService {
	text, err := r.Text()
	if err != nil { // texts and numbers make JSON
		panic("render: rule of authorization: " + err.Error())
	}
	add := []*corev3.HeaderValue{
		{Key: rule.Header, Value: escaped(text)},
		{Key: rule.ClientHeader, Value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"},
	}
	if r.Basic {
		add = append(add, &corev3.HeaderValue{Key: rule.UsersHeader, Value: escaped(strings.Join(r.Users, ","))})
	}
	return &authzv3.HttpService{
		ServerUri: &corev3.HttpUri{Uri: "http://" + rule.Cluster, Timeout: seconds(authzTimeout),
			HttpUpstreamType: &corev3.HttpUri_Cluster{Cluster: rule.Cluster}},
		PathPrefix:           rule.Path,
		AuthorizationRequest: &authzv3.AuthorizationRequest{HeadersToAdd: add},
		AuthorizationResponse: &authzv3.AuthorizationResponse{
			AllowedUpstreamHeaders:        named(r.Headers...),
			AllowedClientHeaders:          named("www-authenticate", "location", "set-cookie"),
			AllowedClientHeadersOnSuccess: named("set-cookie"),
		},
	}
}

// escaped is a text as a format string of Envoy.
func escaped(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// named matches these headers; none at all would leave the choice to Envoy.
func named(names ...string) *matcherv3.ListStringMatcher {
	list := &matcherv3.ListStringMatcher{}
	for _, name := range names {
		list.Patterns = append(list.Patterns, exactly(name))
	}
	if len(names) == 0 {
		list.Patterns = []*matcherv3.StringMatcher{exactly(rule.Header)} // which no answer has
	}
	return list
}

// notAsked are headers of a client that the authorization server must not get: ours, by
// which it could choose its own rule, and those about the client's connection and body.
func notAsked() *matcherv3.ListStringMatcher {
	list := named("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "content-length")
	list.Patterns = append(list.Patterns, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: rule.HeaderPrefix}})
	return list
}

// unless matches metadata that do not have a value, those that lack it among them.
func unless(filter, key, value string) *matcherv3.MetadataMatcher {
	return &matcherv3.MetadataMatcher{Filter: filter, Invert: true,
		Path:  []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: key}}},
		Value: &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: exactly(value)}}}
}
