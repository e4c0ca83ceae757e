package real

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"legation.dev/test/envoy"
)

// Feature is what one route has, and a plain one has not.
type Feature struct {
	Name string
	// Says are annotations; those of ingress-nginx without their prefix.
	Says map[string]string
	// Path of its rule; empty: all.
	Path string
	// Lines are those of its requests beside the usual ones.
	Lines []string
	// Canary are the annotations of a canary beside it; nil for none.
	Canary map[string]string
	// Asks: the authorization server is asked.
	Asks bool
}

// Plain is the feature of no feature.
const Plain = "plain"

const origin = "Origin: https://shop.example.com"

// Features are those that are measured, given where the service of external
// authorization is.
func Features(service *net.TCPAddr) []Feature {
	addresses := map[string]string{"whitelist-source-range": "127.0.0.0/8,10.0.0.0/8"}
	cors := map[string]string{"enable-cors": "true", "cors-allow-origin": "https://shop.example.com"}
	headers := map[string]string{"configuration-snippet": `more_set_headers "X-Frame-Options: DENY"; more_set_headers "X-Content-Type-Options: nosniff"; proxy_set_header X-Site main;`}
	auth := map[string]string{"auth-url": fmt.Sprintf("http://%s/auth", service), "auth-response-headers": "X-Auth-Request-User"}
	return []Feature{
		{Name: Plain},
		{Name: "retries of idempotent requests", Says: map[string]string{"legation.dev/retry-idempotent": "true"}},
		{Name: "address rule", Says: addresses},
		{Name: "CORS, any origin", Says: map[string]string{"enable-cors": "true"}, Lines: []string{origin}},
		{Name: "CORS, a list of origins", Says: cors, Lines: []string{origin}},
		{Name: "header changes", Says: headers},
		{Name: "address rule, CORS and header changes", Says: all(addresses, cors, headers), Lines: []string{origin}},
		{Name: "rate limit", Says: map[string]string{"limit-rps": "100000"}},
		{Name: "basic auth", Says: map[string]string{"auth-type": "basic", "auth-secret": "users"}, Lines: []string{"Authorization: Basic YWxpY2U6c2VjcmV0"}, Asks: true},
		{Name: "external auth", Says: auth, Asks: true},
		{Name: "affinity", Says: map[string]string{"affinity": "cookie"}},
		{Name: "canary by weight", Canary: map[string]string{"canary": "true", "canary-weight": "50"}},
		{Name: "canary by header", Canary: map[string]string{"canary": "true", "canary-by-header": "X-Canary"}, Lines: []string{"X-Canary: always"}},
		{Name: "rewrite", Path: "/(.*)", Says: map[string]string{"rewrite-target": "/app/$1"}},
		{Name: "pattern as a path", Path: "/[a-z]*", Says: map[string]string{"use-regex": "true"}},
		{Name: "mirror", Says: map[string]string{"mirror-target": fmt.Sprintf("http://%s$request_uri", service)}},
		{Name: "body size", Says: map[string]string{"proxy-body-size": "8m"}},
	}
}

func all(list ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range list {
		for name, value := range m {
			out[name] = value
		}
	}
	return out
}

// host is that of a feature.
func (f Feature) host() string { return f.slug() + ".features.example.com" }

func (f Feature) slug() string {
	return strings.NewReplacer(" ", "-", ",", "").Replace(strings.ToLower(f.Name))
}

// request is what its clients send.
func (f Feature) request() []byte {
	lines := slices.Concat([]string{"GET / HTTP/1.1", "Host: " + f.host()}, f.Lines, []string{"", ""})
	return []byte(strings.Join(lines, "\r\n"))
}

const featureManifest = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]q, namespace: bench, annotations: {%[2]s}}
spec:
  ingressClassName: legation
  rules:
  - host: %[3]s
    http:
      paths: [{path: %[4]q, pathType: ImplementationSpecific, backend: {service: {name: %[5]s, port: {name: http}}}}]
---
`

const usersManifest = `apiVersion: v1
kind: Secret
metadata: {name: users, namespace: bench}
data: {auth: YWxpY2U6e1NIQX01ZW42RzZNZXpScm9UM1hLcWtkUE9tWS9CZlE9Cg==}
---
`

const serviceManifest = `apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: bench}
spec:
  ports: [{name: http, port: 80, targetPort: %[2]d}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, namespace: bench, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[2]d}]
endpoints: [{addresses: ["%[3]s"], conditions: {ready: true}}]
---
`

// Offer writes a host for each of some features.
func (s *Side) Offer(features []Feature, backend *net.TCPAddr) error {
	text := usersManifest
	for _, f := range features {
		path, service := f.Path, "web"
		if path == "" {
			path = "/"
		}
		if f.Canary != nil { // a canary is on a Service, which no other host may have
			service = "main-" + f.slug()
			text += fmt.Sprintf(serviceManifest, service, backend.Port, backend.IP) + fmt.Sprintf(serviceManifest, "next-"+f.slug(), backend.Port, backend.IP) +
				fmt.Sprintf(featureManifest, f.slug()+"-canary", annotations(f.Canary), f.host(), path, "next-"+f.slug())
		}
		text += fmt.Sprintf(featureManifest, f.slug(), annotations(f.Says), f.host(), path, service)
	}
	return os.WriteFile(filepath.Join(s.folder, "features.yaml"), []byte(text), 0o600)
}

func annotations(said map[string]string) string {
	var list []string
	for name, value := range said {
		if !strings.Contains(name, "/") {
			name = "nginx.ingress.kubernetes.io/" + name
		}
		list = append(list, fmt.Sprintf("%s: %q", name, value))
	}
	return strings.Join(list, ", ")
}

// Ready waits until features are served.
func (s *Side) Ready(ctx context.Context, features []Feature) error {
	for _, f := range features {
		err := until(ctx, f.Name+" to be served", func() (bool, error) {
			conn, err := net.Dial("tcp", s.plainAddress())
			if err != nil {
				return false, nil
			}
			defer conn.Close()
			return newClient(conn, f.request()).ask() == nil, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Price makes n requests to a feature on each of some connections, and returns what
// Envoy's workers used for one.
func (s *Side) Price(f Feature, connections, n int) (perRequest, error) {
	return price(s.envoy, s.plainAddress(), func(int) []byte { return f.request() }, connections, n)
}

// Bare is an Envoy without Legation, whose one host asks a service by Envoy's own
// ext_authz, and whose other host asks nobody.
type Bare struct {
	envoy   *envoy.Envoy
	address string
}

const bareBootstrap = `admin: {address: {pipe: {path: x}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: %[1]d}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bare
          use_remote_address: true
          http_filters:
          - name: ask
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              allowed_headers: {patterns: [{safe_regex: {regex: ".*"}}]}
              http_service:
                server_uri: {uri: "http://backend", cluster: backend, timeout: 60s}
                path_prefix: /auth
                authorization_response: {allowed_upstream_headers: {patterns: [{exact: x-auth-request-user}]}}
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - {name: asked, domains: [asked.example.com], routes: [{match: {prefix: /}, route: {cluster: backend}}]}
            - name: plain
              domains: [plain.example.com]
              routes: [{match: {prefix: /}, route: {cluster: backend}}]
              typed_per_filter_config:
                ask: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, disabled: true}
  clusters:
  - name: backend
    load_assignment: {cluster_name: backend, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[2]d}}}}]}]}
`

// StartBare starts one before a backend, which is the service, too.
func StartBare(ctx context.Context, backend *net.TCPAddr) (*Bare, error) {
	port, err := envoy.Port()
	if err != nil {
		return nil, err
	}
	e, err := envoy.Start(ctx, envoy.Options{Bootstrap: fmt.Appendf(nil, bareBootstrap, port, backend.Port), Args: []string{"--concurrency", "1"}})
	if err != nil {
		return nil, err
	}
	return &Bare{envoy: e, address: fmt.Sprintf("127.0.0.1:%d", port)}, e.WaitReady(ctx)
}

// Close ends it.
func (b *Bare) Close() error { return b.envoy.Stop() }

// Price is that of one request to either of the hosts.
func (b *Bare) Price(asked bool, connections, n int) (perRequest, error) {
	host := "plain.example.com"
	if asked {
		host = "asked.example.com"
	}
	return price(b.envoy, b.address, func(int) []byte { return get(host) }, connections, n)
}

// withCookie is a request with the cookie that an answer to it set, as browsers send it.
func withCookie(request []byte, answer *http.Response) []byte {
	cookies := answer.Cookies()
	if len(cookies) == 0 {
		return request
	}
	head := strings.TrimSuffix(string(request), "\r\n")
	return []byte(head + "Cookie: " + cookies[0].Name + "=" + cookies[0].Value + "\r\n\r\n")
}
