//go:build real

package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/translator/input"
	"legation.dev/xds/snapshot"
)

// edited is a snapshot whose routes say what no object can say yet.
func edited(t *testing.T, s snapshot.Snapshot, edit func(host string, r *routev3.Route)) snapshot.Snapshot {
	t.Helper()
	hosts := s.Of(snapshot.VirtualHost)
	for name, r := range hosts.All() {
		var m routev3.VirtualHost
		if err := r.Any().UnmarshalTo(&m); err != nil {
			t.Fatal(err)
		}
		for _, route := range m.Routes {
			edit(m.Domains[0], route)
		}
		changed, err := snapshot.New(snapshot.VirtualHost, name, &m, snapshot.Meta{Needs: r.Needs, Pulls: r.Pulls, From: r.From})
		if err != nil {
			t.Fatal(err)
		}
		hosts = hosts.Replace(name, changed)
	}
	return s.With(snapshot.VirtualHost, hosts)
}

func anyOf(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	packed, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// TestNoBody: an answer of Envoy's own with a status that has no body has none, in both
// protocols; others keep theirs.
func TestNoBody(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	status := map[string]uint32{"204.test": 204, "304.test": 304, "404.test": 404}
	for host := range status {
		w.ingress(host, host, true, route{"/", input.PathPrefix, "web"})
	}
	w.edit = func(host string, r *routev3.Route) {
		if s := status[host]; s > 0 {
			r.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: s}}
		}
	}
	w.start(t)
	for host, s := range status {
		want := ""
		if s == 404 {
			want = "404\n"
		}
		if resp, body := overHTTP2(t, w, host); resp.StatusCode != int(s) || body != want || (resp.ContentLength > 0) != (want != "") {
			t.Errorf("HTTP/2: got %d with %q, length %d", resp.StatusCode, body, resp.ContentLength)
		}
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.https), &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		from := bufio.NewReader(conn)
		for range 2 { // a body where none is would be read as the begin of the second
			fmt.Fprint(conn, get(host, "/"))
			resp, err := http.ReadResponse(from, nil)
			if err != nil {
				t.Fatalf("%s: %v", host, err)
			}
			if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != int(s) || string(body) != want {
				t.Errorf("HTTP/1.1: got %d with %q, %v", resp.StatusCode, body, err)
			}
		}
		if from.Buffered() > 0 {
			t.Errorf("%s: something came behind the answer", host)
		}
	}
}

// overHTTP2 asks for / by HTTP/2.
func overHTTP2(t *testing.T, w *suite, host string) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", w.https))
		}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatalf("%s: %s, %v", host, resp.Proto, err)
	}
	return resp, string(body)
}

// upgrade asks for a WebSocket.
func upgrade(host, path string) string {
	return get(host, path, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
}

// guarded lets a filter of that name run, on the route that is edited, rules of addresses.
func guarded(t *testing.T, r *routev3.Route, name string, rules *rbacv3.RBAC) {
	r.TypedPerFilterConfig = map[string]*anypb.Any{name: anyOf(t, &chainv3.FilterChainConfigPerRoute{
		FilterChain: &chainv3.FilterChain{Filters: []*corev3.TypedExtensionConfig{
			{Name: "envoy.filters.http.rbac", TypedConfig: anyOf(t, rules)}}}})}
}

// only allows one address.
func only(address string) *rulesv3.RBAC {
	return &rulesv3.RBAC{Action: rulesv3.RBAC_ALLOW, Policies: map[string]*rulesv3.Policy{"only": {
		Permissions: []*rulesv3.Permission{{Rule: &rulesv3.Permission_Any{Any: true}}},
		Principals: []*rulesv3.Principal{{Identifier: &rulesv3.Principal_RemoteIp{
			RemoteIp: &corev3.CidrRange{AddressPrefix: address, PrefixLen: wrapperspb.UInt32(32)}}}},
	}}}
}

// TestPolicyOnUpgrades: what a route says of the filters for policy keeps out a
// WebSocket as it does a request. What it says of the filter for bodies does not.
func TestPolicyOnUpgrades(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	hosts := map[string]string{"pre.test": "legation.pre", "policy.test": "legation.policy", "body.test": "envoy.filters.http.filter_chain"}
	for host := range hosts {
		w.ingress(host, host, false, route{"/", input.PathPrefix, "web"})
	}
	w.edit = func(host string, r *routev3.Route) {
		if name := hosts[host]; name != "" {
			guarded(t, r, name, &rbacv3.RBAC{Rules: only("127.0.0.9")})
		}
	}
	w.start(t)
	for host := range hosts {
		want := http.StatusForbidden
		if host == "body.test" {
			want = http.StatusSwitchingProtocols
		}
		for _, c := range []struct {
			from, text string
			status     int
		}{
			{"127.0.0.9", get(host, "/"), http.StatusOK},
			{"127.0.0.9", upgrade(host, "/ws"), http.StatusSwitchingProtocols},
			{"127.0.0.1", get(host, "/"), http.StatusForbidden},
			{"127.0.0.1", upgrade(host, "/ws"), want},
		} {
			if resp, _ := askFrom(t, c.from, w.http, c.text); resp.StatusCode != c.status {
				t.Errorf("from %s, %.80q: got %d, want %d", c.from, c.text, resp.StatusCode, c.status)
			}
		}
	}
}
