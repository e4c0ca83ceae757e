package worlds

// Texts are texts of annotations of ingress-nginx, by their names, that "true" is none for.
var Texts = map[string]string{
	"affinity": "cookie", "allowlist-source-range": "10.0.0.0/8", "app-root": "/app", "auth-secret": "users", "auth-signin": "https://a.test/in", "auth-tls-secret": Namespace + "/ca",
	"auth-type": "basic", "auth-url": "https://a.test/ask", "backend-protocol": "HTTPS", "canary-weight": "10", "configuration-snippet": `more_set_headers "X-A: b";`,
	"cors-allow-origin": "https://a.test", "custom-http-errors": "404", "default-backend": "pages", "denylist-source-range": "10.0.0.0/8", "limit-connections": "5", "limit-rps": "5", "limit-rpm": "5",
	"load-balance": "ewma", "mirror-target": "http://a.test$request_uri", "permanent-redirect": "https://a.test", "proxy-body-size": "9m", "proxy-connect-timeout": "9", "proxy-cookie-path": "/a /b",
	"proxy-next-upstream-tries": "2", "proxy-read-timeout": "9", "proxy-redirect-from": "/a", "proxy-ssl-secret": Namespace + "/ca", "rewrite-target": "/a", "server-alias": "alias.test",
	"server-snippet": "location /x { return 403; }", "ssl-ciphers": "ECDHE-RSA-AES128-GCM-SHA256", "temporal-redirect": "https://a.test", "upstream-hash-by": "$request_uri", "upstream-vhost": "a.test",
	"whitelist-source-range": "10.0.0.0/8", "x-forwarded-prefix": "/a",
}

// hostile are texts by which the owner of OtherSpace wants what Namespace has, or what
// concerns a whole host.
var hostile = map[string][]string{
	"server-alias": {"a.test", "x.wild.test", "*.test", "alias.test,b.a.test", "~^.*$", "default-certificate"},
	"auth-secret":  {"users", Namespace + "/users"}, "auth-tls-secret": {Namespace + "/ca", OtherSpace + "/ca"}, "proxy-ssl-secret": {Namespace + "/ca", OtherSpace + "/ca"},
	"custom-headers": {Namespace + "/" + TenantHeaders, TenantHeaders}, "auth-proxy-set-headers": {Namespace + "/" + TenantHeaders, OtherSpace + "/" + TenantHeaders},
	"default-backend": {"web", Namespace + "/web"}, "mirror-target": {"http://web." + Namespace + ".svc$request_uri"}, "auth-url": {"http://web." + Namespace + ".svc/ask", "https://$host/ask"},
	"rewrite-target": {"/", "/$1", "https://elsewhere.test/"}, "configuration-snippet": {"deny all;", "return 403;", `more_set_headers "X-A: b";`, "proxy_pass http://127.0.0.1;",
		"rewrite ^ https://elsewhere.test/ permanent;", "rewrite ^/(.*)$ /x/$1 break;", "return 200 theirs;", "return 302 https://elsewhere.test$request_uri;", `if ($http_cookie ~ "[[:word:]]{900}|\pL") { return 403; }`, "proxy_set_header Host a.test;"},
	"server-snippet": {"return 403;", "location / { deny all; }", "location /a { return 404; }", "lua {}",
		"rewrite ^ https://elsewhere.test/ redirect;", "return 200 theirs;", `location ~* .* { return 302 https://elsewhere.test/; }`, `if ($request_method = GET) { return 200 theirs; }`, "more_set_headers \"Set-Cookie: s=theirs; Domain=test\";", "deny all;"}, "canary-by-header": {"x-canary"}, "canary-by-cookie": {"canary"},
	"canary-weight": {"100", "10"}, "session-cookie-path": {"/"}, "session-cookie-domain": {"test"}, "whitelist-source-range": {"10.0.0.0/8", "nowhere", "0.0.0.0/0,::/0"},
}

// Said are texts for annotations of ingress-nginx, and for some of others, by their whole
// names: right ones, a wrong one, and those by which OtherSpace wants what Namespace has.
func Said(prefix string, names []string) map[string][]string {
	list := map[string][]string{"haproxy.org/allow-list": {"10.0.0.0/8"}, "traefik.ingress.kubernetes.io/router.middlewares": {Namespace + "-auth@kubernetescrd"}}
	for _, name := range names {
		texts := []string{"true", "wrong value"}
		if text := Texts[name]; text != "" {
			texts = append(texts, text)
		}
		list[prefix+name] = append(texts, hostile[name]...)
	}
	return list
}

// Ours are texts for our own annotations of an Ingress, wrong ones among them, by their whole names.
func Ours() map[string][]string {
	list := map[string][]string{}
	for _, of := range [][]sample{upstream, routing} {
		for _, s := range of {
			list[annotation+s.name] = s.texts
		}
	}
	return list
}
