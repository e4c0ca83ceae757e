//go:build real

package oracle

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"legation.dev/test/nginx"
)

// Services of each world, and their ports. Of those without one, down has no endpoint and
// gone does not exist.
var services = map[string][]int{"one": {18001}, "two": {18002}, "many": {18003, 18004}, "next": {18005}, "pages": {18006}, "secure": {18443}, "copies": {18012}, "down": nil}

const (
	prefix = "nginx.ingress.kubernetes.io/"
	// users has alice, whose password is secret (SHA-1, as htpasswd -s writes it).
	users = "YWxpY2U6e1NIQX01ZW42RzZNZXpScm9UM1hLcWtkUE9tWS9CZlE9Cg=="
	// mapped is her password alone.
	mapped = "e1NIQX01ZW42RzZNZXpScm9UM1hLcWtkUE9tWS9CZlE9"
)

// world is random Ingresses of one namespace, and what they lead to. Hosts meet, and so do
// annotations: what is drawn for one Ingress acts on another.
type world struct {
	*rand.Rand
	hosts []string
	regex bool // paths are drawn with patterns
	list  []nginx.Manifest
	// paths that are drawn for requests.
	paths []string
	// told are the annotations of each Ingress.
	told []map[string]any
	// kinds are the types of the rules with a host and path, in order.
	kinds map[string][]string
	// all: it has what takes the requests that no host takes, so no other is served with it.
	all bool
}

// apart reports whether a world is served alone.
func apart(number int) bool { return number%20 == 19 }

func pick[T any](w *world, list ...T) T { return list[w.IntN(len(list))] }

// one is true once in n times.
func (w *world) one(n int) bool { return w.IntN(n) == 0 }

// newWorld draws a world and requests to it.
func newWorld(seed uint64, number, requests int) *nginx.Case {
	w := &world{Rand: rand.New(rand.NewPCG(seed, uint64(number))), kinds: map[string][]string{}, all: apart(number)}
	w.hosts = []string{"app.example.test", "b.example.test", "*.wild.example.test", "x.wild.example.test"}[:1+w.IntN(4)]
	w.regex = w.one(3)
	for i := range 1 + w.IntN(4) {
		w.ingress(i)
	}
	if w.all {
		w.catchAll()
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		w.service(name, services[name])
	}
	w.list = append(w.list, nginx.Manifest{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "staff", "namespace": "team"}, "data": map[string]any{"auth": users}})
	w.list = append(w.list, nginx.Manifest{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "map", "namespace": "team"}, "data": map[string]any{"alice": mapped}},
		configMap("sent", map[string]any{"X-Extra": " of a ConfigMap"}), configMap("told", map[string]any{"X-Team": "shop"}))
	// nginx keeps the certificates of hosts that are gone, so no two worlds have the same.
	c := &nginx.Case{Name: fmt.Sprintf("%04d-world-%d-of-seed-%d", number, number, seed), Objects: w.list,
		Settings: settings(seed, number)}
	for i := range requests {
		r := w.request(c.Settings)
		if asked := (nginx.Asked{Case: c, Request: r}); asked.Copied() && !w.one(4) {
			r.Header[nginx.CopiedHeader] = fmt.Sprintf("%d-%d", number, i) // the backend tells of the copy; a late one of another world has another name
		}
		c.Requests = append(c.Requests, r)
	}
	return c
}

func configMap(name string, data map[string]any) nginx.Manifest {
	return nginx.Manifest{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "namespace": "team"}, "data": data}
}

func (w *world) service(name string, ports []int) {
	meta := map[string]any{"name": name, "namespace": "team"}
	port := map[string]any{"name": "http", "port": 80.0, "targetPort": 18000.0}
	if len(ports) > 0 {
		port["targetPort"] = float64(ports[0])
	}
	if name == "copies" { // whose port is a part of its name
		port["port"] = port["targetPort"]
	}
	w.list = append(w.list, nginx.Manifest{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": map[string]any{"clusterIP": "10.0.0.1", "ports": []any{port}}})
	for _, p := range ports {
		w.list = append(w.list, nginx.Manifest{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
			"metadata":  map[string]any{"name": fmt.Sprint(name, "-", p), "namespace": "team", "labels": map[string]any{"kubernetes.io/service-name": name}},
			"ports":     []any{map[string]any{"name": "http", "port": float64(p), "protocol": "TCP"}},
			"endpoints": []any{map[string]any{"addresses": []any{"127.0.0.1"}, "conditions": map[string]any{"ready": true}}}})
	}
}

// batch is how many worlds are served together.
const batch = 40

// settings draws the ConfigMap of a world, which is that of its batch unless it is served
// alone.
func settings(seed uint64, number int) map[string]string {
	of := number / batch
	if apart(number) {
		of = number
	}
	const stream = 1 << 32 // of random numbers, beside those of worlds
	w := &world{Rand: rand.New(rand.NewPCG(seed, stream+uint64(of)))}
	drawn := map[string]any{}
	for range w.IntN(4) {
		pick(w, keys...)(w, drawn)
	}
	data := map[string]string{"allow-snippet-annotations": "true", "global-allowed-response-headers": "X-Team"}
	for name, value := range drawn {
		data[strings.TrimPrefix(name, prefix)] = value.(string)
	}
	return data
}

// keys are what ConfigMaps are drawn with.
var keys = []func(*world, map[string]any){
	said("ssl-redirect", "false"),
	said("force-ssl-redirect", "true"),
	both(said("hsts", "true", "false"), maybe(said("hsts-max-age", "600")), maybe(said("hsts-include-subdomains", "false")), maybe(said("hsts-preload", "true"))),
	said("proxy-body-size", "1k", "0"),
	said("whitelist-source-range", "127.0.0.0/8,10.0.0.0/8", "127.9.0.0/16,127.192.0.0/10"),
	said("denylist-source-range", "127.9.0.0/16"),
	both(said("global-auth-url", "http://auth.team.svc.cluster.local:18007/auth"), maybe(said("global-auth-response-headers", "X-Auth-Request-User")),
		maybe(said("global-auth-signin", "https://login.example.test/start"))),
	both(said("use-forwarded-headers", "true"), said("proxy-real-ip-cidr", "127.0.0.0/8"), maybe(said("compute-full-forwarded-for", "true"))),
}

// catchAll draws what takes the requests that no host takes: a backend of an Ingress without
// rules, rules without a host, or both.
func (w *world) catchAll() {
	if w.one(2) {
		said := w.said()
		w.add("rest", 5+w.IntN(2), said, map[string]any{"ingressClassName": "nginx", "defaultBackend": w.backend(said)})
	}
	if w.one(2) {
		said := w.said()
		for _, name := range []string{"server-alias", "from-to-www-redirect"} {
			delete(said, prefix+name) // of a host without a name
		}
		w.add("any", 5, said, map[string]any{"ingressClassName": "nginx", "rules": []any{map[string]any{"http": map[string]any{"paths": w.rulePaths("", said)}}}})
	}
}

// said draws annotations of an Ingress.
func (w *world) said() map[string]any {
	said := map[string]any{}
	for range w.IntN(4) {
		pick(w, features...)(w, said)
	}
	return said
}

// ingress draws one Ingress, and perhaps a canary of it.
func (w *world) ingress(i int) {
	said, name := w.said(), fmt.Sprint("i", i)
	var rules []any
	taken := map[string]bool{}
	for range 1 + w.IntN(2) {
		host := pick(w, w.hosts...)
		if taken[host] {
			continue
		}
		taken[host] = true
		rules = append(rules, map[string]any{"host": host, "http": map[string]any{"paths": w.rulePaths(host, said)}})
	}
	if strings.Contains(fmt.Sprint(rules), "*.") {
		delete(said, prefix+"from-to-www-redirect") // www.*.example.test, which nginx refuses
	}
	spec := map[string]any{"ingressClassName": "nginx", "rules": rules}
	if w.one(3) {
		spec["tls"] = []any{map[string]any{"hosts": []any{rules[0].(map[string]any)["host"]}, "secretName": "tls"}}
	}
	if w.one(6) {
		spec["defaultBackend"] = w.backend(said)
	}
	if text, _ := said[prefix+"configuration-snippet"].(string); strings.Contains(text, " break;") {
		delete(said, prefix+"permanent-redirect") // which nginx does not come to then
		delete(said, prefix+"temporal-redirect")
	}
	w.add(name, i, said, spec)
	if w.one(5) {
		canary := map[string]any{prefix + "canary": "true"}
		pick(w, canaries...)(w, canary)
		rule := rules[0].(map[string]any)
		path := map[string]any{}
		for key, value := range rule["http"].(map[string]any)["paths"].([]any)[0].(map[string]any) {
			path[key] = value
		}
		path["backend"] = backend("next")
		w.add(name+"-canary", i, canary, map[string]any{"ingressClassName": "nginx",
			"rules": []any{map[string]any{"host": rule["host"], "http": map[string]any{"paths": []any{path}}}}})
	}
}

func (w *world) add(name string, age int, said, spec map[string]any) {
	w.told = append(w.told, said)
	w.list = append(w.list, nginx.Manifest{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": spec, "metadata": map[string]any{
		"name": name, "namespace": "team", "annotations": said, "creationTimestamp": fmt.Sprintf("2023-05-01T00:%02d:00Z", age)}})
}

func backend(service string) map[string]any {
	return map[string]any{"service": map[string]any{"name": service, "port": map[string]any{"number": 80.0}}}
}

func (w *world) rulePaths(host string, said map[string]any) (list []any) {
	for range 1 + w.IntN(3) {
		// A path of types Prefix and ImplementationSpecific is one location twice, for which
		// nginx refuses the whole configuration.
		kind := pick(w, "Prefix", "Prefix", "Exact")
		path := pick(w, "/", "/", "/a", "/a/b", "/b", "/B", "/docs/", "/a-b")
		if path == "/b" || path == "/a-b" {
			kind = "ImplementationSpecific"
		}
		if w.regex && w.one(2) {
			path, kind = pick(w, "/a(/|$)(.*)", "/x/[0-9]+", "/(a|b)/c", "/v(1|2)/(.*)", "/a/.*"), "ImplementationSpecific"
		}
		kind = w.kind(host+path, kind)
		w.paths = append(w.paths, path)
		list = append(list, map[string]any{"path": path, "pathType": kind, "backend": w.backend(said)})
	}
	return list
}

// backend draws one of an Ingress.
func (w *world) backend(said map[string]any) map[string]any {
	service := pick(w, "one", "one", "two", "two", "many", "down", "gone")
	if said[prefix+"backend-protocol"] == "HTTPS" {
		service = "secure"
	}
	return backend(service)
}

// kind is the type of one more rule with a path: that which is drawn, unless nginx would
// have the location twice. It compares a new rule with the first one of the path only.
func (w *world) kind(path, drawn string) string {
	if w.kinds[path] == nil {
		if strings.HasSuffix(path, ".test/") || path == "/" { // there from the start
			w.kinds[path] = []string{"Prefix"}
		}
	}
	if known := w.kinds[path]; len(known) > 1 && drawn != known[0] {
		return known[0]
	}
	if !slices.Contains(w.kinds[path], drawn) {
		w.kinds[path] = append(w.kinds[path], drawn)
	}
	return drawn
}

// said has a feature write one annotation, with one of these values.
func said(name string, values ...string) func(*world, map[string]any) {
	return func(w *world, to map[string]any) { to[prefix+name] = pick(w, values...) }
}

// both are features together.
func both(list ...func(*world, map[string]any)) func(*world, map[string]any) {
	return func(w *world, to map[string]any) {
		for _, f := range list {
			f(w, to)
		}
	}
}

// maybe is a feature in one of two.
func maybe(f func(*world, map[string]any)) func(*world, map[string]any) {
	return func(w *world, to map[string]any) {
		if w.one(2) {
			f(w, to)
		}
	}
}

// features are what Ingresses are drawn with.
var features = []func(*world, map[string]any){
	said("rewrite-target", "/", "/new", "/$2", "/x$1", "/x/$1/$2"),
	said("use-regex", "true", "true", "false"),
	said("app-root", "/start", "/begin"),
	both(said("permanent-redirect", "https://new.example.org/x"), maybe(said("permanent-redirect-code", "308", "307"))),
	said("temporal-redirect", "https://later.example.org"),
	said("ssl-redirect", "false", "true"),
	said("force-ssl-redirect", "true", "false"),
	said("preserve-trailing-slash", "true"),
	said("whitelist-source-range", "127.0.0.1/32", "127.9.0.0/16", "10.0.0.0/8,127.0.0.0/8"),
	said("denylist-source-range", "127.9.0.0/16", "127.0.0.1"),
	both(said("auth-type", "basic"), said("auth-secret", "staff", "team/staff"), said("auth-secret-type", "auth-file"), maybe(said("auth-realm", "Staff only"))),
	both(said("auth-type", "basic"), said("auth-secret", "staff"), said("auth-secret-type", "auth-file"), said("whitelist-source-range", "127.9.0.0/16"), said("satisfy", "any", "all")),
	both(said("auth-url", "http://auth.team.svc.cluster.local:18007/auth"), maybe(said("auth-response-headers", "X-Auth-Request-User, X-Auth-Request-Email")),
		maybe(said("auth-signin", "https://login.example.test/start"))),
	both(said("enable-cors", "true"), maybe(said("cors-allow-origin", "https://front.example.test", "https://front.example.test, https://*.other.example.test")),
		maybe(said("cors-allow-methods", "GET, PUT")), maybe(said("cors-allow-credentials", "false")), maybe(said("cors-max-age", "600")), maybe(said("cors-expose-headers", "X-Total"))),
	said("server-alias", "alias.example.test", "alias.example.test,other.example.test", "*.alias.example.test"),
	said("from-to-www-redirect", "true"),
	both(said("proxy-redirect-from", "http://inner.example.org/"), said("proxy-redirect-to", "https://outer.example.org/")),
	said("proxy-cookie-path", "/ /shop"),
	said("proxy-cookie-domain", "inner.example.org outer.example.org"),
	said("upstream-vhost", "inner.example.org"),
	both(said("x-forwarded-prefix", "/shop", "true"), maybe(said("rewrite-target", "/$2"))),
	both(said("custom-http-errors", "404,503", "418"), said("default-backend", "pages")),
	said("default-backend", "pages"),
	said("proxy-body-size", "1k", "10", "0", "1m"),
	said("backend-protocol", "HTTPS", "HTTP"),
	both(said("affinity", "cookie"), maybe(said("session-cookie-name", "stay")), maybe(said("session-cookie-path", "/a")), maybe(said("session-cookie-samesite", "Strict", "None")), maybe(said("session-cookie-max-age", "600"))),
	said("configuration-snippet", "more_set_headers \"X-Frame-Options: DENY\";", "proxy_set_header X-Site one;", "return 403;", "deny 127.9.0.0/16;\nallow all;",
		"if ($http_x_block = \"1\") {\n  return 403;\n}", "add_header X-Content-Type-Options nosniff always;", "more_set_input_headers \"X-Site: two\";"),
	said("server-snippet", "location /blocked {\n  return 403;\n}", "location = /metrics { deny all; }"),
	both(said("auth-tls-secret", "team/client-ca"), maybe(said("auth-tls-verify-client", "on", "optional", "off")), maybe(said("auth-tls-verify-depth", "1", "2")),
		maybe(said("auth-tls-pass-certificate-to-upstream", "true")), maybe(said("auth-tls-error-page", "https://error.example.test/why"))),
	said("enable-global-auth", "false", "true"),
	both(said("mirror-target", "http://copies.team.svc.cluster.local:18012$request_uri", "http://copies.team.svc.cluster.local:18012$request_uri", "http://copies.team.svc:18012$request_uri", "http://copies.team.svc:18012"), maybe(said("mirror-host", "copy.example.test"))),
	said("proxy-buffer-size", "8k"),
	said("large-client-header-buffers", "4 8k"), // which nobody knows
	both(said("use-port-in-redirects", "true"), maybe(said("app-root", "/start"))),
	both(said("relative-redirects", "true"), maybe(said("from-to-www-redirect", "true"))),
	said("allowlist-source-range", "127.0.0.1/32", "127.9.0.0/16"),
	both(said("auth-type", "basic"), said("auth-secret", "map"), said("auth-secret-type", "auth-map", "auth-map", "auth-file")),
	both(said("auth-url", "http://auth.team.svc.cluster.local:18007/auth/echo?a=b"), said("auth-response-headers", "X-Seen"), maybe(said("auth-method", "POST", "HEAD")),
		maybe(said("auth-proxy-set-headers", "team/sent")), maybe(said("auth-snippet", "proxy_set_header X-Sent-From snippet;")), maybe(said("auth-request-redirect", "https://back.example.test/x")),
		maybe(both(said("auth-signin", "https://login.example.test/start?x=1", "https://login.example.test/start?rd=$escaped_request_uri"), maybe(said("auth-signin-redirect-param", "back")))),
		maybe(said("auth-always-set-cookie", "true")), maybe(said("auth-keepalive", "4"))),
	both(said("auth-tls-secret", "team/client-ca"), said("auth-tls-match-cn", "CN=client", "CN=.*", "CN=other")),
	said("custom-headers", "team/told"),
	both(said("custom-http-errors", "404,503"), said("disable-proxy-intercept-errors", "true")),
	said("proxy-http-version", "1.0", "1.1"),
	both(said("affinity", "cookie"), maybe(said("affinity-mode", "persistent")), maybe(said("session-cookie-domain", "example.test")), maybe(said("session-cookie-secure", "true", "false")),
		maybe(said("session-cookie-conditional-samesite-none", "true")), maybe(said("session-cookie-expires", "600"))),
	said("upstream-hash-by", "$request_uri", "$remote_addr"),
	said("load-balance", "ewma", "round_robin"),
	both(said("proxy-next-upstream", "off", "error timeout http_503", "http_404 non_idempotent"), maybe(said("proxy-next-upstream-tries", "1", "2"))),
	both(said("proxy-connect-timeout", "5"), said("proxy-read-timeout", "30s", "30"), said("proxy-send-timeout", "x")),
	both(said("backend-protocol", "HTTPS"), said("proxy-ssl-secret", "team/client-ca"), said("proxy-ssl-verify", "off"), said("proxy-ssl-name", "backend.test"),
		maybe(said("proxy-ssl-server-name", "on")), maybe(said("proxy-ssl-protocols", "TLSv1.2")), maybe(said("proxy-ssl-verify-depth", "2"))),
	both(said("ssl-ciphers", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"), said("ssl-prefer-server-ciphers", "true")),
	both(said("limit-rps", "1000"), said("limit-burst-multiplier", "5"), maybe(said("limit-whitelist", "127.9.0.0/16"))),
	both(said("enable-access-log", "false"), said("enable-opentelemetry", "false"), said("http2-push-preload", "true"), said("proxy-buffers-number", "8")),
	said("configuration-snippet", "more_clear_headers Content-Type;", "proxy_hide_header X-Total;", "more_clear_input_headers X-Block;", "return 301 https://new.example.org/s;", "return 200 \"ok\";", "return 200 \"$host$request_uri\";",
		"proxy_set_header X-Uri $request_uri;\nproxy_set_header X-Host $host;", "add_header X-Site $host;", "if ($request_method = POST) {\n  return 405;\n}", "if ($http_x_agent ~* \"(bot|spider)\") { return 403; }",
		"rewrite ^/a/(.*)$ /z/$1 break;", "rewrite /b /c break;\nmore_set_headers \"X-Frame-Options: DENY\";", "rewrite ^/docs https://docs.example.org/ permanent;", "rewrite ^/b(.*)$ /c$1 redirect;",
		"rewrite ^ https://$host/all$request_uri? permanent;", "rewrite ^/x/([0-9]+) https://new.example.org/n-$1;", "return 302 /elsewhere;", "return https://new.example.org/$uri;", "rewrite (?i)/A /upper? redirect;",
		"rewrite ^/docs$ /a/x last;", "rewrite ^/b/?$ /v1 last;\nreturn 403;", "rewrite ^/a/(.*)$ /$1 last;", "rewrite ^/docs/(.*)$ /a/$1 last;", "rewrite ^/(b|docs)(/.*)?$ /x$2 last;", "rewrite ^/x(/|$)(.*)$ /b/$2 last;",
		"expires 1h;", "gzip on;\nmore_set_headers -s 404 \"X-Miss: 1\";", "deny all;", "allow 127.0.0.1;\ndeny all;"),
	said("server-snippet", "if ($http_x_agent ~* \"(bot|spider)\") { return 403; }", "return 302 https://moved.example.org$request_uri;", "rewrite ^/old/(.*)$ /new/$1 permanent;\nrewrite ^/docs/?$ /help redirect;", "location = /v1/x { return 301 https://v2.example.org/x; }", "if ($http_x_agent ~* spider) { return 302 /robots; }", "location ~* \\.(php|env)$ { return 404; }",
		"location ^~ /doc { deny all; }", "rewrite ^/x$ /b break;", "rewrite ^/old/(.*)$ /a/$1 last;", "rewrite ^/old(/.*)?$ /b$1 break;", "deny 127.9.0.0/16;", "add_header X-Server one always;", "more_set_headers \"X-Server: two\";"),
}

// canaries are what canaries are drawn with.
var canaries = []func(*world, map[string]any){
	said("canary-by-header", "X-Canary"),
	both(said("canary-by-header", "X-Canary"), said("canary-by-header-value", "yes")),
	both(said("canary-by-header", "X-Canary"), said("canary-by-header-pattern", "y.*")),
	said("canary-by-cookie", "stay"),
	said("canary-weight", "0", "100"),
	both(said("canary-by-header", "X-Canary"), said("canary-weight", "0", "100")),
	both(said("canary-weight", "0", "1000"), said("canary-weight-total", "1000")),
	both(said("canary-by-cookie", "stay"), said("canary-by-header", "X-Canary"), said("canary-by-header-value", "yes"), said("canary-weight", "0")),
}

// has reports whether an Ingress has an annotation whose name begins so.
func (w *world) has(name string) bool {
	for _, said := range w.told {
		for key := range said {
			if strings.HasPrefix(key, prefix+name) {
				return true
			}
		}
	}
	return false
}

// request draws one near the rules.
func (w *world) request(settings map[string]string) nginx.Request {
	r := nginx.Request{Host: w.host(), Path: w.path(), Method: pick(w, "", "", "", "", "POST", "OPTIONS", "HEAD", "PUT"), Header: map[string]string{}}
	if w.one(2) {
		r.TLS = 1
		r.HTTP2 = w.one(2)
	}
	if w.has("auth-tls") && r.TLS != 0 {
		r.Cert = pick(w, "", "", "client", "client", "stranger")
		if w.one(8) {
			r.SNI = pick(w, "other.example.test", strings.Replace(w.hosts[len(w.hosts)-1], "*", "z", 1))
		}
	}
	if settings["use-forwarded-headers"] != "" && w.one(3) {
		r.Header["X-Forwarded-For"] = pick(w, "127.9.0.7", "192.0.2.1", "10.1.2.3, 192.0.2.1")
	}
	if w.has("enable-cors") && w.one(2) || w.one(12) {
		r.Header["Origin"] = pick(w, "https://front.example.test", "https://a.other.example.test", "https://evil.example.org")
	}
	if w.has("canary") && w.one(2) {
		r.Header["X-Canary"] = pick(w, "always", "never", "yes", "yesterday", "no")
	}
	if w.has("canary-by-cookie") && w.one(2) {
		r.Header["Cookie"] = pick(w, "stay=always", "stay=never", "stay=1")
	}
	if w.has("auth-type") && w.one(2) || w.one(20) {
		r.User = pick(w, "alice:secret", "alice:secret", "alice:wrong", "bob:secret")
	}
	if (w.has("auth-url") || settings["global-auth-url"] != "") && w.one(2) {
		r.Header["Cookie"] = "session=1"
	}
	limits := settings["whitelist-source-range"] + settings["denylist-source-range"]
	if (w.has("whitelist") || w.has("denylist") || w.has("configuration-snippet") || limits != "") && w.one(2) {
		r.Source = "127.9.0.1"
	}
	if w.has("configuration-snippet") && w.one(3) {
		r.Header["X-Block"] = pick(w, "1", "0")
	}
	if (w.has("proxy-redirect") || w.has("proxy-cookie")) && w.one(2) || w.one(15) {
		r.Header["X-Echo-Status"] = "302"
		r.Header["X-Echo-Set"] = pick(w, "Location: http://inner.example.org/x", "Location: /y", "Set-Cookie: a=1; Path=/; Domain=inner.example.org", "Location: http://"+r.Host+"/z")
	}
	if w.has("auth-url") && w.one(4) {
		r.Header["X-Test-User"] = "ann"
	}
	if strings.Contains(fmt.Sprint(w.told), "http_x_agent") && w.one(2) {
		r.Header["X-Agent"] = pick(w, "Spider/1", "curl/8")
	}
	if (w.has("configuration-snippet") || w.has("custom-headers")) && w.one(6) {
		r.Header["X-Echo-Set"] = "X-Total: 3"
	}
	if w.has("custom-http-errors") && w.one(2) || w.one(15) {
		r.Header["X-Echo-Status"] = pick(w, "404", "503", "418", "201")
	}
	if r.Method == "POST" || r.Method == "PUT" {
		r.Body = pick(w, 0, 5, 10, 11, 1024, 1025, 2000)
	}
	return r
}

func (w *world) host() string {
	host := pick(w, w.hosts...)
	if name, ok := strings.CutPrefix(host, "*"); ok {
		host = pick(w, "y", "x", "y.z") + name
	}
	switch w.IntN(14) {
	case 0:
		return "nobody.example.test"
	case 1:
		return "alias.example.test"
	case 2:
		return "www." + host
	case 3:
		return pick(w, "other.example.test", "a.alias.example.test")
	case 4:
		return strings.ToUpper(host[:1]) + host[1:]
	}
	return host
}

// path is one of a rule, or near it.
func (w *world) path() string {
	path := pick(w, pick(w, w.paths...), pick(w, "/", "/a/b/c", "/old/x", "/x/12", "/blocked", "/metrics", "/v1/x", "/a/", "/b/c", "/docs", "/nothing", "/A", "/a%2Fb", "/a//b"))
	if strings.ContainsAny(path, "([") {
		path = pick(w, "/a/b", "/a", "/x/7", "/b/c", "/v2/y/z", "/a/c")
	}
	path += pick(w, "", "", "", "", "/", "x", "/x")
	path = strings.ReplaceAll(path, "//", pick(w, "/", "/", "/", "/", "/", "/", "/", "//"))
	return path + pick(w, "", "", "", "?q=1", "?q=/a%20b&r")
}
