package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	sessionv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/stateful_session/v3"
	cookiev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/cookie/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/type/http/v3"

	"legation.dev/translator/policy"
)

// session keeps a client at one endpoint, by a cookie with its address. An address that
// is none of the cluster counts for nothing. A session moves when its endpoint is gone, or
// when a retry leaves it: Envoy cannot be told otherwise.
var session = part{
	differs: func(route, class *policy.Route) bool { return route.Session != class.Session },
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if s.Session.Affinity != policy.ByCookie {
			return nil
		}
		return &corev3.TypedExtensionConfig{Name: "legation.session", TypedConfig: packed(&sessionv3.StatefulSession{
			SessionState: &corev3.TypedExtensionConfig{Name: "envoy.http.stateful_session.cookie",
				TypedConfig: packed(&cookiev3.CookieBasedSessionState{Cookie: cookie(s.Session)})},
		})}
	},
}

// cookie is always HttpOnly: Envoy says so itself.
func cookie(c policy.Session) *httpv3.Cookie {
	m := &httpv3.Cookie{Name: c.Cookie, Path: c.Path, Ttl: seconds(c.MaxAge)}
	add := func(name, value string) {
		m.Attributes = append(m.Attributes, &httpv3.CookieAttribute{Name: name, Value: value})
	}
	if c.Domain != "" {
		add("Domain", c.Domain)
	}
	if c.Site != policy.SiteUnsaid {
		add("SameSite", string(c.Site))
	}
	if c.Secure {
		add("Secure", "")
	}
	return m
}
