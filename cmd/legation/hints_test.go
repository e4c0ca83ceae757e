package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hinted is an Ingress that nothing is wrong with.
func hinted(name, annotations, spec string) string {
	return fmt.Sprintf("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s, namespace: shop, annotations: {%s}}\nspec: {%s}\n", name, annotations, spec)
}

// TestHints: what nothing is wrong with is told where somebody looks for it, by one command; and
// nothing of it where it is not so.
func TestHints(t *testing.T) {
	const class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: legation}\nspec: {controller: legation.dev/ingress-controller, parameters: {kind: ConfigMap, name: settings, namespace: shop, scope: Namespace}}\n" +
		"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {%s}\n"
	const ours = "ingressClassName: legation, "
	const nginx = "nginx.ingress.kubernetes.io/"
	at := func(host, service string) string {
		return "rules: [{host: '" + host + "', http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: " + service + ", port: {number: 80}}}}]}}]"
	}
	ingresses := hinted("bare", "", at("bare.test", "web")) +
		hinted("tls", "", ours+"tls: [{hosts: [tls.test], secretName: lost}], "+at("tls.test", "web")) +
		hinted("round", nginx+"permanent-redirect: 'http://round.test/'", ours+at("round.test", "web")) +
		hinted("main", "", ours+at("main.test", "web")) +
		hinted("idle", nginx+"canary: 'true', "+nginx+"canary-weight: '0'", ours+at("main.test", "next")) +
		hinted("busy-main", "", ours+at("busy.test", "web")) +
		hinted("busy", nginx+"canary: 'true', "+nginx+"canary-weight: '9'", ours+at("busy.test", "next")) +
		hinted("alone", nginx+"canary: 'true', "+nginx+"canary-weight: '50'", ours+at("alone.test", "next")) +
		hinted("rated", "legation.dev/requests-per-second: '1'", ours+at("rated.test", "web")) +
		hinted("wild", "", ours+at("*.wild.test", "web")) +
		hinted("down", nginx+"auth-url: 'http://auth.shop.svc.cluster.local:4180/auth?of=$host'", ours+at("down.test", "web")) +
		hinted("lost", nginx+"auth-url: 'http://lost.shop.svc/'", ours+at("lost.test", "web")) +
		hinted("up", nginx+"auth-url: 'http://up.shop.svc/', "+nginx+"auth-signin: 'https://login.test/start'", ours+at("up.test", "web")) +
		hinted("login", "", ours+at("login.test", "web")) +
		hinted("abroad", nginx+"auth-url: 'https://auth.example.org/'", ours+at("abroad.test", "web")) +
		hinted("loop", nginx+"auth-url: 'http://up.shop.svc/', "+nginx+"auth-signin: 'https://$host/start?rd=$escaped_request_uri'", ours+at("loop.test", "web")) +
		hinted("challenge", "", "ingressClassName: other, "+strings.Replace(at("main.test", "web"), "path: /,", "path: /.well-known/acme-challenge/T,", 1)) +
		hinted("vendor", "", ours+at("vendor.test", "vendor")) +
		"---\n{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: other}, spec: {controller: example.com/other}}\n" +
		"---\n{apiVersion: v1, kind: Service, metadata: {name: vendor, namespace: shop}, spec: {type: ExternalName, externalName: api.vendor.example, ports: [{port: 80}]}}\n" +
		"---\n{apiVersion: v1, kind: Service, metadata: {name: auth, namespace: shop}, spec: {ports: [{port: 4180}]}}\n" +
		"---\n{apiVersion: v1, kind: Service, metadata: {name: up, namespace: shop}, spec: {ports: [{port: 80}]}}\n" +
		"---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: up, namespace: shop, labels: {kubernetes.io/service-name: up}}, addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [192.0.2.1]}]}\n"
	const nobody = "unless IngressClass legation believes the proxy (trusted-proxies)"
	for _, c := range []struct{ settings, url, says, not string }{
		{"", "http://bare.test/", "NoDefaultClass: ", "hint"},
		{"", "http://tls.test/", "if TLS ends at a proxy before Envoy, this redirect is for ever", "leads to itself"},
		{"trusted-proxies: 10.0.0.0/8", "http://tls.test/", "308", "hint"},
		{"", "http://round.test/", "hint the redirect leads to itself", "for ever"},
		{"", "http://main.test/", "no request goes to the canary of Ingress shop/idle: its weight is 0", "busy"},
		{"", "http://busy.test/", "9 %", "hint"},
		{"", "http://alone.test/", "CanaryAlone: ", "hint"},
		{"", "http://rated.test/", nobody, "for ever"},
		{"trusted-hops: '1'", "http://rated.test/", "1 requests a second of each client", "hint"},
		{"", "http://a.b.wild.test/", "a wildcard stands for one label", "for ever"},
		{"", "http://a.wild.test/", "of Ingress shop/wild", "hint"},
		{"", "http://down.test/", "auth-url asks Service shop/auth, of which no endpoint is ready: requests are answered 500", "for ever"},
		{"", "http://lost.test/", "auth-url asks Service shop/lost, and there is no such Service: requests are answered 500", "for ever"},
		{"", "http://up.test/", "route has auth-signin", "hint"},
		{"", "http://abroad.test/", "route has auth-url", "hint"},
		{"", "http://loop.test/", "sent to https://loop.test/start (auth-signin), which Ingress shop/loop guards by auth-url, too", "auth-url asks"},
		{"", "http://main.test/.well-known/acme-challenge/T", "Ingress shop/challenge has a rule for it, too, and is not served here: it is of IngressClass other, of controller example.com/other", "for ever"},
		{"", "http://main.test/elsewhere", "of Ingress shop/main", "shop/challenge"},
		{"external-names: 'true'", "http://vendor.test/", "Service shop/vendor is the name api.vendor.example, and Envoy asks the DNS", "for ever"},
		{"", "http://mian.test/", "no Ingress has host mian.test hint did you mean host main.test?", "problem"},
	} {
		file := filepath.Join(t.TempDir(), "all.yaml")
		if err := os.WriteFile(file, []byte(fmt.Sprintf(class, c.settings)+ingresses), 0o600); err != nil {
			t.Fatal(err)
		}
		_, out, errs := legation("why", c.url, file)
		if text := strings.Join(strings.Fields(out), " "); !strings.Contains(text, c.says) || strings.Contains(text, c.not) {
			t.Errorf("%s with %q: want %q and not %q:\n%s%s", c.url, c.settings, c.says, c.not, out, errs)
		}
	}
}
