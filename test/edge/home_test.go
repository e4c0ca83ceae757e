//go:build real

package edge

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/translator/policy"
	"legation.dev/translator/render"
	model "legation.dev/translator/route"
	"legation.dev/xds/admin"
)

// homes are names and addresses that lead an Envoy to its own node or link. Each passes
// whatever looks at the name alone, once a resolver gives it out.
var homes = []string{"a.localhost", "localhost", "127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "169.254.169.254", "fe80::1", "fd00:ec2::254", "168.63.129.16"}

// TestNamesNeverLeadHome: where Envoy resolves a name, a request for which it has an
// address of its own node or link is answered 403, an upgrade too, and no connection is
// made. One cluster is not guarded, to see that its backend could be reached.
func TestNamesNeverLeadHome(t *testing.T) {
	backend, err := echo.Start("home", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Kill)
	port := uint32(backend.Addr().Port())
	at := envoy.FreePort(t)
	var clusters []*clusterv3.Cluster
	var hosts []*routev3.VirtualHost
	for i, name := range append([]string{"127.0.0.1"}, homes...) {
		c := namedCluster(t, fmt.Sprintf("home%d", i), name, port, i > 0)
		clusters = append(clusters, c)
		hosts = append(hosts, &routev3.VirtualHost{Name: c.Name, Domains: []string{fmt.Sprintf("h%d.test", i)}, Routes: []*routev3.Route{{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: c.Name}}}}}})
	}
	e := startStatic(t, at, clusters, hosts)
	for i := range hosts { // the names are resolved
		if err := e.WaitStat(t.Context(), "cluster."+clusters[i].Name+".membership_total", envoy.AtLeast(1)); err != nil {
			t.Fatal(err)
		}
	}
	if resp, _ := ask(t, at, get("h0.test", "/")); resp.StatusCode != http.StatusOK {
		t.Fatalf("without the guard: %d", resp.StatusCode)
	}
	for i, name := range homes {
		host := fmt.Sprintf("h%d.test", i+1)
		upgrade := "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
		for _, request := range []string{get(host, "/"), upgrade} {
			if resp, _ := ask(t, at, request); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: got %d, want 403: %q", name, resp.StatusCode, request)
			}
		}
		if n, err := e.Stat(t.Context(), fmt.Sprintf("cluster.%s.upstream_cx_total", clusters[i+1].Name)); err != nil || n > 0 {
			t.Errorf("%s: %d connections, %v", name, n, err)
		}
	}
}

// TestCopiesPassTheGuard: the filter that answers for an address of Envoy's own node is not run
// for the copy of a request, which arrives: so names get none (finding.NameCopied). If this
// fails, Envoy has learned it, and names can.
func TestCopiesPassTheGuard(t *testing.T) {
	backend, err := echo.Start("home", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Kill)
	at, port := envoy.FreePort(t), uint32(backend.Addr().Port())
	open, guarded := namedCluster(t, "open", "127.0.0.1", port, false), namedCluster(t, "guarded", "127.0.0.1", port, true)
	e := startStatic(t, at, []*clusterv3.Cluster{open, guarded}, []*routev3.VirtualHost{{Name: "any", Domains: []string{"*"}, Routes: []*routev3.Route{{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: open.Name},
			RequestMirrorPolicies: []*routev3.RouteAction_RequestMirrorPolicy{{Cluster: guarded.Name}}}}}}}})
	for _, c := range []*clusterv3.Cluster{open, guarded} {
		if err := e.WaitStat(t.Context(), "cluster."+c.Name+".membership_total", envoy.AtLeast(1)); err != nil {
			t.Fatal(err)
		}
	}
	if resp, _ := ask(t, at, get("any.test", "/")); resp.StatusCode != http.StatusOK {
		t.Fatalf("got %d", resp.StatusCode)
	}
	if err := e.WaitStat(t.Context(), "cluster."+guarded.Name+".upstream_rq_200", envoy.AtLeast(1)); err != nil {
		t.Error(err)
	}
}

// TestLoopbackAsks: a request that comes through an Envoy on the same machine comes from
// loopback. What listens there for everybody has neither the level of the log nor profiles.
func TestLoopbackAsks(t *testing.T) {
	server := admin.HTTP{Level: new(slog.LevelVar), Metrics: prometheus.NewRegistry()}.Server()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	at := envoy.FreePort(t)
	c := namedCluster(t, "admin", "127.0.0.1", uint32(l.Addr().(*net.TCPAddr).Port), false)
	e := startStatic(t, at, []*clusterv3.Cluster{c}, []*routev3.VirtualHost{{Name: "any", Domains: []string{"*"}, Routes: []*routev3.Route{{
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: c.Name}}}}}}})
	if err := e.WaitStat(t.Context(), "cluster."+c.Name+".membership_total", envoy.AtLeast(1)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/livez": 200, "/loglevel": 404, "/debug/pprof/": 404, "/debug/pprof/heap": 404} {
		if resp, _ := ask(t, at, get("any.test", path)); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
	put := "PUT /loglevel HTTP/1.1\r\nHost: any.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\ndebug"
	if resp, _ := ask(t, at, put); resp.StatusCode != http.StatusNotFound {
		t.Errorf("PUT /loglevel: %d", resp.StatusCode)
	}
}

// namedCluster is a cluster of one name, as it is made for a Service of names.
func namedCluster(t *testing.T, service, name string, port uint32, guarded bool) *clusterv3.Cluster {
	t.Helper()
	b, ok := model.NewBackend("shop", service, "80", nil, "")
	if !ok {
		t.Fatal(service)
	}
	defaults := policy.Defaults()
	r, err := render.Cluster(model.Cluster{Backend: b, Settings: defaults.Upstream, Named: true, NotHome: guarded, Endpoints: []model.Endpoint{{Name: name, Port: port}}})
	if err != nil {
		t.Fatal(err)
	}
	m := &clusterv3.Cluster{}
	if err := r.Any().UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
	m.Name = strings.ReplaceAll(m.Name, "/", "_")
	m.LoadAssignment.ClusterName = m.Name
	return m
}

// startStatic starts an Envoy with a listener for these hosts.
func startStatic(t *testing.T, port int, clusters []*clusterv3.Cluster, hosts []*routev3.VirtualHost) *envoy.Envoy {
	t.Helper()
	l := &listenerv3.Listener{}
	listens := listening("static", port).Resource
	if err := listens.UnmarshalTo(l); err != nil {
		t.Fatal(err)
	}
	hcm := &hcmv3.HttpConnectionManager{}
	filter := l.FilterChains[0].Filters[0]
	if err := filter.GetTypedConfig().UnmarshalTo(hcm); err != nil {
		t.Fatal(err)
	}
	hcm.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{Name: "static", VirtualHosts: hosts}}
	hcm.UpgradeConfigs = []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}}
	filter.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: message("", hcm).Resource}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&bootstrapv3.Bootstrap{Node: &corev3.Node{Id: "one", Cluster: "edge"},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{Listeners: []*listenerv3.Listener{l}, Clusters: clusters}})
	if err != nil {
		t.Fatal(err)
	}
	return envoy.Run(t, envoy.Options{Bootstrap: text})
}
