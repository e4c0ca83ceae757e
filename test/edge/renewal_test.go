//go:build real

package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	chainv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/filter_chain/v3"
	headersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/translator/input"
)

// TestRenewConnections: no client is told to leave before the moment by Envoy's clock,
// those of older connections are then, also where a route has filters of its own in the
// filter of the renewal; both run. A WebSocket begins on an old connection as on any, and
// a new connection stays.
func TestRenewConnections(t *testing.T) {
	moment := time.Now().Add(10 * time.Second) // by then Envoy serves
	w := newSuite(t)
	w.at = moment
	w.settings["renew-connections"], w.settings["renew-connections-within"] = moment.Format(time.RFC3339Nano), "0s"
	w.echo(t, "web", "")
	for _, host := range []string{"plain.test", "own.test"} {
		w.ingress(host, host, false, route{"/", input.PathPrefix, "web"})
	}
	own := marking(t)
	w.edit = func(host string, r *routev3.Route) {
		if host == "own.test" {
			r.TypedPerFilterConfig = map[string]*anypb.Any{"legation.pre": own}
		}
	}
	w.start(t)
	older := map[string]*client{"plain.test": dial(t, w.http), "own.test": dial(t, w.http)}
	socket := dial(t, w.http)
	if resp, _ := socket.ask(t, get("plain.test", "/")); resp.Close {
		t.Fatal("told before the moment")
	}
	for host, c := range older {
		c.untilTold(t, host, host == "own.test", moment)
	}
	resp, _ := socket.ask(t, upgrade("plain.test", "/"))
	if got := resp.Header.Get("Connection"); resp.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(got, "upgrade") {
		t.Errorf("a WebSocket on an old connection: %s, Connection: %s", resp.Status, got)
	}
	newer := dial(t, w.http)
	for range 3 {
		if resp, _ := newer.ask(t, get("plain.test", "/")); resp.Close {
			t.Error("a client is told to leave a connection that began after the moment")
		}
	}
}

// client has one connection.
type client struct {
	conn net.Conn
	from *bufio.Reader
}

func dial(t *testing.T, port int) *client {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{conn, bufio.NewReader(conn)}
}

// ask sends a request and reads the answer.
func (c *client) ask(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(c.from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// untilTold asks until it is told to leave, and looks whether the route's own filter ran
// each time, and nothing of a renewal reached the backend.
func (c *client) untilTold(t *testing.T, host string, marked bool, moment time.Time) {
	t.Helper()
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		resp, body := c.ask(t, get(host, "/"))
		headers := seen(t, body).Headers
		if got := headers.Get("X-Own") != ""; got != marked {
			t.Fatalf("%s: the route's own filter ran: %t", host, got)
		}
		for name := range headers {
			if strings.Contains(strings.ToLower(name), "legation") {
				t.Errorf("the backend sees %s", name)
			}
		}
		if resp.Close {
			tick.Stop()
			if time.Now().Before(moment) {
				t.Errorf("%s: told %s before the moment", host, time.Until(moment))
			}
			return
		}
	}
}

// marking is a filter chain of a route that gives requests a header.
func marking(t *testing.T) *anypb.Any {
	mark := &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
		Header: &corev3.HeaderValue{Key: "x-own", Value: "ran"}}}}
	return anyOf(t, &chainv3.FilterChainConfigPerRoute{FilterChain: &chainv3.FilterChain{Filters: []*corev3.TypedExtensionConfig{{
		Name:        "own",
		TypedConfig: anyOf(t, &headersv3.HeaderMutation{Mutations: &headersv3.Mutations{RequestMutations: []*mutationv3.HeaderMutation{mark}}}),
	}}}})
}
