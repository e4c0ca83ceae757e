//go:build real

package edge

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"

	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
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

// TestNoIPv6: where the class leaves its addresses to the nodes, an Envoy on a kernel
// without IPv6 is ready and serves, with nothing rejected and nothing behind, and another
// one of the class is reached by both families.
func TestNoIPv6(t *testing.T) {
	binary, err := envoy.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, without := range []bool{true, false} {
		t.Run(fmt.Sprintf("without=%t", without), func(t *testing.T) {
			if without {
				self, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				t.Setenv(envoyWithoutIPv6, binary)
				t.Setenv("ENVOY", self)
			}
			port := envoy.FreePort(t)
			s, err := inprocess.Start(t.Context(), inprocess.Options{
				Config: func(c *bootstrap.Config) { c.NoIPv6 = without },
				Settings: map[string]string{"bind-addresses": "auto", "http-port": fmt.Sprint(port), "https-port": fmt.Sprint(envoy.FreePort(t)),
					"external-https-port": ""}})
			if err != nil {
				t.Fatal(err) // it is not ready, or behind
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			for _, e := range s.Envoys() {
				for of, status := range e.Status.Types {
					if e.NoIPv6 != without || len(status.Rejected) > 0 {
						t.Errorf("without IPv6: %t; type %d: %+v", e.NoIPv6, of, status.Rejected)
					}
				}
			}
			addresses := []string{"127.0.0.1"}
			if !without {
				addresses = append(addresses, "::1")
			}
			for _, address := range addresses {
				resp, err := http.Get("http://" + net.JoinHostPort(address, fmt.Sprint(port)) + "/")
				if err != nil {
					t.Fatal(err)
				}
				if resp.Body.Close(); resp.StatusCode != http.StatusNotFound {
					t.Errorf("%s: %s", address, resp.Status)
				}
			}
		})
	}
}
