package worlds

import "maps"

// sample is a setting with texts for it, wrong ones among them.
type sample struct {
	name  string
	texts []string
}

// Settings of the cluster of a Service: they may stand on a Service, on an
// Ingress and in the class. In order of their names.
var upstream = []sample{
	{"all-metrics-until", []string{"2025-12-31T00:00:00Z", "2026-06-01T00:00:30Z", "2099-01-01T00:00:00Z", "tomorrow"}},
	{"drain-duration", []string{"5s", "1m", "30"}},
	{"hash-by", []string{"address", "header:X-User", "cookie:session", "path", "query:q", "body"}},
	{"health-check-interval", []string{"1s", "5s", "1ms"}},
	{"health-check-path", []string{"/healthz", "/healthz?deep=1", "off", "healthz"}},
	{"health-check-timeout", []string{"100ms", "1s", "5s"}},
	{"load-balancing", []string{"round-robin", "least-request", "ring-hash", "random"}},
	{"max-connections", []string{"100", "20000", "many"}},
	{"max-pending-requests", []string{"1", "100", "20000", "0"}},
	{"outlier-ejection-time", []string{"1s", "30s", "30"}},
	{"outlier-errors", []string{"1", "5", "off", "0"}},
	{"outlier-max-ejected", []string{"10", "100", "0"}},
	{"panic-threshold", []string{"0", "30", "100", "101"}},
	{"same-zone-endpoints", []string{"1", "3", "off", "0"}},
	{"slow-start", []string{"30s", "off", "0"}},
	{"upstream-connect-timeout", []string{"1s", "2s", "2000ms"}},
	{"upstream-idle-timeout", []string{"2s", "3s", "soon"}},
	{"upstream-max-lifetime", []string{"10s", "1h", "off", "0"}},
	{"upstream-max-requests", []string{"1", "100", "off", "0"}},
	{"upstream-preset", []string{"gunicorn", "nginx", "none", "tomcat", "websphere"}},
	{"upstream-protocol", []string{"auto", "http", "https", "h2c", "h2", "ftp"}},
	{"upstream-tcp-keepalive", []string{"1m", "off", "0s"}},
}

// Settings of a route: they may stand on an Ingress and in the class.
var routing = []sample{
	{"allowed-addresses", []string{"10.0.0.0/8", "127.0.0.0/8,2001:db8::/32", "10.0.0.0/33"}},
	{"auth-always-set-cookie", []string{"true", "false", "yes"}},
	{"auth-headers-from", []string{"settings", "shop/settings", "A_B"}},
	{"auth-method", []string{"GET", "POST", "CONNECT"}},
	{"auth-realm", []string{"Staff \"only\"", "a\\b", "\x01"}},
	{"auth-request-redirect", []string{"{uri}", "https://{host}/back", "{path}"}},
	{"auth-response-headers", []string{"X-User,X-Email", "Authorization", "Host"}},
	{"auth-secret", []string{"users", "shop/users", "A_B"}},
	{"auth-secret-type", []string{"auth-file", "auth-map", "file"}},
	{"auth-signin", []string{"https://{host}/oauth2/start?rd={uri-escaped}", "https://login.example.com", "login"}},
	{"auth-signin-redirect-param", []string{"rd", "back", "a b"}},
	{"auth-type", []string{"basic", "none", "digest"}},
	{"auth-url", []string{"http://auth.shop.svc:8080/check", "https://{host}/oauth2/auth", "http://x/{path}", "ftp://x"}},
	{"cors", []string{"true", "true", "on"}},
	{"cors-credentials", []string{"true", "false", "no"}},
	{"cors-expose-headers", []string{"X-Total", "X-A, X-B", "X:A"}},
	{"cors-headers", []string{"Authorization,X-Key", "*", "a b,,c"}},
	{"cors-max-age", []string{"10m", "0s", "600"}},
	{"cors-methods", []string{"GET, POST", "PUT", "GET;POST"}},
	{"cors-origins", []string{"*", "https://a.example.com,https://*.b.example.com:8443", "none", "a.example.com"}},
	{"custom-headers", []string{"settings", "shop/settings", "A_B"}},
	{"denied-addresses", []string{"10.1.0.0/16", "192.0.2.1", "here"}},
	{"force-ssl-redirect", []string{"true", "false", "1"}},
	{"forwarded-prefix", []string{"/shop", "/100%", "a b"}},
	{"global-auth", []string{"true", "false", "no"}},
	{"idle-timeout", []string{"5s", "1m", "60"}},
	{"log-requests", []string{"true", "false", "off"}},
	{"max-request-body", []string{"1Mi", "100Mi", "1Ki", "off", "10m"}},
	{"max-stream-duration", []string{"1h", "10s", "off", "0s"}},
	{"per-try-timeout", []string{"1s", "10s", "off"}},
	{"rate-burst", []string{"1", "5", "11"}},
	{"rate-exempt-addresses", []string{"10.0.0.0/8", "192.0.2.1,2001:db8::/32", "here"}},
	{"request-timeout", []string{"5s", "30s", "off", "15"}},
	{"requests-per-minute", []string{"1", "60", "off", "0"}},
	{"requests-per-second", []string{"1", "100", "off", "many"}},
	{"retries", []string{"0", "1", "5", "11"}},
	{"retry-idempotent", []string{"true", "false", "yes"}},
	{"satisfy", []string{"any", "all", "both"}},
	{"session-affinity", []string{"cookie", "off", "address"}},
	{"session-cookie-domain", []string{"example.com", "a b"}},
	{"session-cookie-expires", []string{"1h", "off", "0"}},
	{"session-cookie-max-age", []string{"1h", "off", "0"}},
	{"session-cookie-name", []string{"route", "a=b"}},
	{"session-cookie-path", []string{"/", "/shop", "shop"}},
	{"session-cookie-same-site", []string{"Lax", "None", "lax"}},
	{"session-cookie-secure", []string{"true", "false", "1"}},
	{"session-on-canary", []string{"true", "false", "no"}},
	{"ssl-redirect", []string{"true", "false"}},
	{"upstream-tls-ciphers", []string{"ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA,AES256-SHA", "DEFAULT"}},
	{"upstream-tls-name", []string{"inner.example.com", "a b"}},
	{"upstream-tls-secret", []string{"i00000", "shop/i00001", "i00002", "A_B"}},
	{"upstream-tls-server-name", []string{"true", "false", "on"}},
	{"upstream-tls-verify", []string{"true", "false", "on"}},
	{"upstream-tls-verify-depth", []string{"0", "2", "11"}},
	{"upstream-tls-versions", []string{"1.2", "1.2-1.3", "1.1"}},
	{"upstream-host", []string{"inner.example.com", "100%", "a b"}},
}

// Settings of traces: they stand in the class alone.
var tracing = []sample{
	{"tracing-collector", []string{Namespace + "/" + ServiceName(0) + ":80", Namespace + "/" + ServiceName(1) + ":http", OtherSpace + "/" + ServiceName(0) + ":80", Namespace + "/none:4317", "collector"}},
	{"tracing-parents", []string{"proxies", "everybody", "nobody"}},
	{"tracing-sampling", []string{"0", "0.0001", "100", "101"}},
	{"tracing-service", []string{"edge", "100%", "\x01"}},
}

// Drawn are the names of the settings that Random gives objects, besides those
// that say what a whole class is.
func Drawn() map[string]bool {
	names := map[string]bool{}
	for _, list := range [][]sample{upstream, routing, tracing} {
		for _, s := range list {
			names[s.name] = true
		}
	}
	return names
}

// settings draws one or two of the lists.
func (w *World) settings(prefix string, lists ...[]sample) map[string]string {
	drawn := map[string]string{}
	for range 1 + w.rng.IntN(2) {
		s := pick(w, pick(w, lists...)...)
		drawn[prefix+s.name] = pick(w, s.texts...)
	}
	return drawn
}

// annotation is what the names of our annotations begin with.
const annotation = "legation.dev/"

func (w *World) ingressSettings(annotations map[string]string) {
	maps.Copy(annotations, w.settings(annotation, upstream, routing))
}

func (w *World) serviceSettings() map[string]string { return w.settings(annotation, upstream) }

// traceSettings has a class traced in every second ConfigMap, if the World is: mostly with a
// collector, without which the other settings mean nothing.
func (w *World) traceSettings(data map[string]string) {
	if w.traces == nil || w.traces.IntN(2) > 0 {
		return
	}
	for _, s := range tracing {
		one, text := w.traces.IntN(3), s.texts[w.traces.IntN(len(s.texts))]
		if one == 0 || s.name == "tracing-collector" && one == 1 {
			data[s.name] = text
		}
	}
}

func (w *World) classSettings(data map[string]string) {
	maps.Copy(data, w.settings("", upstream, routing))
}
