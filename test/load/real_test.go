//go:build real

package load

import (
	"fmt"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
)

// bootstrap serves one.test and two.test, each from one server.
const bootstrap = `
static_resources:
  listeners:
  - name: http
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          upgrade_configs: [{upgrade_type: websocket}]
          route_config:
            virtual_hosts:
            - {name: one, domains: [one.test], routes: [{match: {prefix: /}, route: {cluster: one}}]}
            - {name: two, domains: [two.test], routes: [{match: {prefix: /}, route: {cluster: two}}]}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - %s
  - %s
`

func cluster(name string, s *echo.Server) string {
	return fmt.Sprintf("{name: %s, load_assignment: {cluster_name: %[1]s, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: %s, port_value: %d}}}}]}]}}",
		name, s.Addr().Addr(), s.Addr().Port())
}

// TestThroughEnvoy shows that the parts fit: no failure through an Envoy that
// stays as it is, and failures as soon as a backend dies.
func TestThroughEnvoy(t *testing.T) {
	one, two := backend(t, "one"), backend(t, "two")
	e, err := envoy.Start(t.Context(), envoy.Options{Bootstrap: fmt.Appendf(nil, bootstrap, cluster("one", one), cluster("two", two))})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	if err := e.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	address, err := e.Address(t.Context(), "http")
	if err != nil {
		t.Fatal(err)
	}
	clients := mixed(address)

	r := run(t, requests(5000), clients...)
	t.Log(r)
	if err := r.Disturbed(); err != nil {
		t.Error(err)
	}
	if n, err := e.Stat(t.Context(), "http.http.downstream_cx_total"); err != nil || n != uint64(len(clients)) {
		t.Errorf("Envoy counts %d connections of %d clients (%v)", n, len(clients), err)
	}

	r = run(t, func(r Results) bool {
		if r.Requests > 1000 {
			two.Kill()
		}
		return r.Failures["status 503"] > 0 && r.Closed > 0 // the latter are WebSockets
	}, clients...)
	if r.Failed == 0 || r.Disturbed() == nil {
		t.Errorf("a backend died, and no client noticed: %s", r)
	}
	t.Log(r)
}

// mixed is a hundred HTTP/1.1, twenty HTTP/2 and fifty WebSocket clients.
func mixed(address string) []Client {
	var clients []Client
	add := func(kind Kind, n int) {
		for i := range n {
			host := []string{"one.test", "two.test"}[i%2]
			clients = append(clients, Client{
				Name: fmt.Sprint(i), Kind: kind, Address: address, Every: 100 * time.Millisecond,
				Next:   func() (string, string) { return host, "/" },
				Oracle: Services{"one.test": "one", "two.test": "two"},
			})
		}
	}
	add(HTTP1, 100)
	add(HTTP2, 20)
	add(WebSocket, 50)
	return clients
}
