package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const whyManifests = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: legation}
spec: {controller: legation.dev/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, annotations: {legation.dev/allowed-addresses: 10.0.0.0/8, legation.dev/request-timeout: 7s}}
spec:
  ingressClassName: legation
  tls: [{hosts: [web.test], secretName: missing}]
  rules:
  - host: web.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /api, pathType: Prefix, backend: {service: {name: nobody, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: open, namespace: shop, annotations: {nginx.ingress.kubernetes.io/custom-http-errors: "404", nginx.ingress.kubernetes.io/default-backend: web}}
spec:
  ingressClassName: legation
  rules:
  - host: open.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: open-canary, namespace: shop, annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "25"}}
spec:
  ingressClassName: legation
  rules:
  - host: open.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: next, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: younger, namespace: shop}
spec:
  ingressClassName: legation
  rules:
  - host: web.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: next, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, annotations: {legation.dev/upstream-idle-timeout: 4s}}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{port: 8080}]
endpoints: [{addresses: ["fd00::1"], zone: a}, {addresses: ["fd00::2"], conditions: {ready: false, serving: true, terminating: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: next, namespace: shop}
spec: {ports: [{port: 80}]}
`

// TestWhy: each question is answered with the object and the field that decide, and the exit
// status says whether somebody answers.
func TestWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(whyManifests), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		want   []string // in this order
	}{
		"redirect": {[]string{"http://web.test/a?b=c"}, 0, []string{"host web.test", "answer 308, to https://web.test/a?b=c"}},
		"stand-in, and whose address": {[]string{"https://web.test/", "--from", "10.1.2.3"}, 0, []string{
			"certificate a stand-in", "rule Prefix / of Ingress shop/web", "guard address: 10.1.2.3 may come", "answer of cluster shop/web/80 (75 %)",
			"endpoint [fd00::2]:8080, draining", "cluster has upstream-idle-timeout: 4s, by Service shop/web, metadata.annotations.legation.dev/upstream-idle-timeout",
			"route has request-timeout: 7s, by Ingress shop/web", "problem", "shop/missing"}},
		"who lost":     {[]string{"https://web.test/", "--from", "10.1.2.3"}, 0, []string{"rule Prefix / of Ingress shop/web", "problem", "PathTaken: ", "Ingress shop/younger: "}},
		"barred":       {[]string{"https://web.test/", "--from", "192.0.2.1"}, 1, []string{"guard address: this client is answered 403", "answer 403"}},
		"too large":    {[]string{"https://web.test/", "--from", "10.1.2.3", "--header", "Content-Length: 1048577"}, 1, []string{"body: at most 1048576 bytes", "answer 413"}},
		"no Service":   {[]string{"https://web.test/api/x", "--from", "10.1.2.3"}, 1, []string{"rule Prefix /api", "503: cluster shop/nobody/80 has no endpoint", "problem", "there is no such Service"}},
		"no host":      {[]string{"http://other.test/"}, 1, []string{"host *", "rule Prefix / of legation/not-found", "answer 404"}},
		"endpoint":     {[]string{"http://open.test/"}, 0, []string{"endpoint [fd00::1]:8080, zone a"}},
		"canary":       {[]string{"http://open.test/../x//y"}, 0, []string{"host open.test", "503: cluster shop/next/80 (25 %) has no endpoint"}},
		"no such flag": {[]string{"http://open.test/", "--from", "me"}, 2, []string{`--from "me": want an IP address`}},
		"no URL":       {[]string{"ftp://open.test/"}, 2, []string{"want http://HOST/PATH"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			status := run(append(append([]string{"why"}, c.args...), "--source", "dir:"+file), &out, &out)
			if status != c.status {
				t.Errorf("exit status %d, want %d", status, c.status)
			}
			rest := strings.Join(strings.Fields(out.String()), " ")
			for _, text := range c.want {
				_, after, ok := strings.Cut(rest, text)
				if !ok {
					t.Fatalf("no %q, in this order, in\n%s", text, &out)
				}
				rest = after
			}
		})
	}
}
