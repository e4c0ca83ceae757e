//go:build real

package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/test/dns"
	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	"legation.dev/xds/bootstrap"
)

// envoyWithoutIPv6 names the Envoy that this program becomes when it is started with it, on
// what is a kernel without IPv6 for it.
const envoyWithoutIPv6 = "LEGATION_TEST_ENVOY_WITHOUT_IPV6"

func TestMain(m *testing.M) {
	if binary := os.Getenv(envoyWithoutIPv6); binary != "" {
		fmt.Fprintln(os.Stderr, "no Envoy without IPv6:", envoy.BecomeWithoutIPv6(binary))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestNoIPv6: an Envoy on a kernel without IPv6 is ready and serves, with nothing rejected and
// nothing behind, whatever has an address of IPv6: lists of who may come, of hosts and of the
// class, endpoints, names. A list that is tightened counts there, one of IPv6 alone lets nobody
// in, and a client whose address a proxy gives in IPv6 is not taken for the proxy. Another Envoy
// of the class is reached by both families, and knows these clients.
func TestNoIPv6(t *testing.T) {
	binary, err := envoy.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, without := range []bool{true, false} {
		t.Run(fmt.Sprintf("without=%t", without), func(t *testing.T) {
			if without {
				startWithoutIPv6(t, binary)
			}
			w := newSuite(t)
			w.sixes(t)
			var asked atomic.Int64 // for the name of IPv6
			known := dns.Start(t, 0, func(name string) netip.Addr {
				if name == "six.test." {
					asked.Add(1)
					return netip.MustParseAddr("2001:db8::1")
				}
				return netip.MustParseAddr("127.0.0.1")
			})
			s, err := inprocess.Start(t.Context(), inprocess.Options{
				Config: func(c *bootstrap.Config) { c.NoIPv6 = without }, Bootstrap: dns.Asking(t, known),
				Settings: map[string]string{"bind-addresses": "auto", "http-port": fmt.Sprint(w.http), "https-port": fmt.Sprint(w.https), "external-https-port": "",
					"external-names": "true", "trusted-proxies": "127.0.0.2,2001:db8:9::/48", "allowed-addresses": "127.0.0.0/29,::1,2001:db8:1::/48,2001:db8:2::/48", "rate-exempt-addresses": "2001:db8::/32"}})
			if err != nil {
				t.Fatal(err) // it is not ready, or behind
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			s.Change(w.changes...)
			w.settled(t, s, without)
			if err := s.Await(t.Context(), func() error {
				if resp, _ := ask(t, w.http, get("four.test", "/")); asked.Load() == 0 || resp.StatusCode == http.StatusServiceUnavailable {
					return errors.New("names are not resolved")
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			w.comers(t, without)
			w.changes = nil
			w.annotated("allowed", "allowed.test", false, map[string]string{"allowed-addresses": "127.0.0.4,2001:db8:1::/48"}, route{"/", input.PathPrefix, "web"})
			s.Change(w.changes...)
			w.settled(t, s, without)
			for from, want := range map[string]int{"127.0.0.3": http.StatusForbidden, "127.0.0.4": http.StatusOK} {
				if resp, _ := askFrom(t, from, w.http, get("allowed.test", "/")); resp.StatusCode != want {
					t.Errorf("once the list is another one, %s gets %d, want %d", from, resp.StatusCode, want)
				}
			}
			if !without {
				resp, err := http.Get("http://" + net.JoinHostPort("::1", fmt.Sprint(w.http)) + "/")
				if err != nil {
					t.Fatal(err)
				}
				if resp.Body.Close(); resp.StatusCode != http.StatusNotFound {
					t.Errorf("by IPv6: %s", resp.Status)
				}
			}
		})
	}
}

// startWithoutIPv6 has the Envoys of a test start on a kernel without IPv6.
func startWithoutIPv6(t *testing.T, binary string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(envoyWithoutIPv6, binary)
	t.Setenv("ENVOY", self)
}

// TestNoIPv6Balancer: there, who comes by PROXY protocol of a balancer that is trusted, and is no
// trusted proxy himself, is who the balancer says, whatever he says of himself.
func TestNoIPv6Balancer(t *testing.T) {
	binary, err := envoy.Binary()
	if err != nil {
		t.Fatal(err)
	}
	startWithoutIPv6(t, binary)
	w := newSuite(t)
	w.echo(t, "web", "")
	w.annotated("denied", "denied.test", false, map[string]string{"denied-addresses": "192.0.2.0/24"}, route{"/", input.PathPrefix, "web"})
	w.annotated("sixes", "sixes.test", false, map[string]string{"allowed-addresses": "::/0"}, route{"/", input.PathPrefix, "web"})
	s, err := inprocess.Start(t.Context(), inprocess.Options{Config: func(c *bootstrap.Config) { c.NoIPv6 = true },
		Settings: map[string]string{"bind-addresses": "auto", "http-port": fmt.Sprint(w.http), "https-port": fmt.Sprint(w.https), "external-https-port": "",
			"proxy-protocol": "required", "trusted-proxies": "127.0.0.1,10.64.0.0/10"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Change(w.changes...)
	w.settled(t, s, true)
	for _, c := range []struct {
		client, host, said string
		want               int
	}{
		{"192.0.2.9", "denied.test", "", 403}, {"192.0.2.9", "denied.test", "2001:db8::1", 403}, {"198.51.100.9", "denied.test", "2001:db8::1", 200},
		{"198.51.100.9", "sixes.test", "2001:db8::1", 403}, {"10.127.0.9", "sixes.test", "2001:db8::1", 200}, {"10.127.0.9", "denied.test", "192.0.2.9", 403},
	} {
		resp, _ := ask(t, w.http, "PROXY TCP4 "+c.client+" 127.0.0.1 1234 80\r\n"+get(c.host, "/", "X-Forwarded-For: "+c.said))
		if resp.StatusCode != c.want {
			t.Errorf("%s, who says to be %q, gets %d at %s, want %d", c.client, c.said, resp.StatusCode, c.host, c.want)
		}
	}
}

// sixes adds hosts that have something of IPv6.
func (w *suite) sixes(t *testing.T) {
	pod := w.echo(t, "web", "")
	paths := route{"/", input.PathPrefix, "web"}
	w.annotated("allowed", "allowed.test", false, map[string]string{"allowed-addresses": "127.0.0.2/31,2001:db8:1::/48"}, paths)
	w.foreign("six", "sixonly.test", false, map[string]string{"whitelist-source-range": "2001:db8:1::/48"}, paths)
	w.foreign("everybody", "everybody.test", false, map[string]string{"whitelist-source-range": "0.0.0.0/1,128.0.0.0/1,::/0"}, paths)
	w.annotated("fours", "fours.test", false, map[string]string{"allowed-addresses": "0.0.0.0/0"}, paths)
	w.annotated("denied", "denied.test", false, map[string]string{"denied-addresses": "2001:db8:1::/48"}, paths)
	w.ingress("secure", "secure.test", true, paths)
	w.annotated("class", "class.test", false, map[string]string{"requests-per-minute": "10000"}, paths)
	for _, service := range []string{"mixed", "far"} {
		if service == "mixed" {
			w.service(service, "", pod.Addr().String())
		} else {
			w.service(service, "")
		}
		w.put(input.Seal(&input.Slice{Meta: meta(service + "-six"), Service: service, AddressType: "IPv6", Ports: []input.SlicePort{{Name: "http", Port: 80}},
			Endpoints: []input.Endpoint{{Addresses: []string{"2001:db8::1"}, Ready: true, Serving: true, Pod: "six"}}}))
		w.ingress(service, service+".test", false, route{"/", input.PathPrefix, service})
	}
	for _, name := range []string{"four", "six"} {
		w.put(input.Seal(&input.Service{Meta: meta(name), ExternalName: name + ".test", Ports: []input.ServicePort{{Name: "http", Port: 80}}}))
		w.ingress(name+"-name", name+".test", false, route{"/", input.PathPrefix, name})
	}
}

// settled waits until Envoy runs all, and nothing of it was rejected.
func (w *suite) settled(t *testing.T, s *inprocess.Stack, without bool) {
	t.Helper()
	waiting, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Settle(waiting); err != nil {
		t.Error(err)
	}
	for _, e := range s.Envoys() {
		for of, status := range e.Status.Types {
			if e.NoIPv6 != without || len(status.Rejected) > 0 {
				t.Errorf("without IPv6: %t; type %d: %+v", e.NoIPv6, of, status.Rejected)
			}
		}
	}
}

// comers asks as clients of both families. Those of IPv6 come by a proxy that is trusted.
func (w *suite) comers(t *testing.T, without bool) {
	t.Helper()
	const in, other = "2001:db8:1::7", "2001:db8:2::7"
	for _, c := range []struct {
		host, from    string
		want, instead int // without IPv6, if that is another one
	}{
		{"allowed.test", "127.0.0.3", 200, 0}, {"allowed.test", "127.0.0.4", 403, 0}, {"allowed.test", other, 403, 0}, {"allowed.test", in, 200, 403},
		{"sixonly.test", "127.0.0.3", 403, 0}, {"sixonly.test", other, 403, 0}, {"sixonly.test", in, 200, 403},
		{"everybody.test", "127.0.0.3", 200, 0}, {"everybody.test", in, 200, 0},
		{"fours.test", "127.0.0.3", 200, 0}, {"fours.test", in, 403, 0},
		{"denied.test", "127.0.0.3", 200, 0}, {"denied.test", in, 403, 0}, {"denied.test", other, 200, 403},
		{"class.test", "127.0.0.3", 200, 0}, {"class.test", "127.0.0.9", 403, 0}, {"class.test", "2001:db8:3::7", 403, 0}, {"class.test", in, 200, 403},
		{"four.test", "127.0.0.3", 403, 0}, // the name leads to the node itself
		{"mixed.test", "127.0.0.3", 0, 200}, {"far.test", "127.0.0.3", 0, 503}, {"six.test", "127.0.0.3", 0, 503},
	} {
		from, headers := c.from, []string(nil)
		if netip.MustParseAddr(c.from).Is6() {
			from, headers = "127.0.0.2", []string{"X-Forwarded-For: " + c.from}
		}
		want := c.want
		if without && c.instead > 0 {
			want = c.instead
		}
		if want == 0 { // nobody answers there
			continue
		}
		if resp, _ := askFrom(t, from, w.http, get(c.host, "/", headers...)); resp.StatusCode != want {
			t.Errorf("%s from %s: got %d, want %d", c.host, c.from, resp.StatusCode, want)
		}
	}
}
