//go:build real

package nginx

import (
	"errors"
	"net"
	"slices"
	"testing"

	"legation.dev/test/dns"
)

// TestDNS: a name of a case leads to its backends, and no other name exists.
func TestDNS(t *testing.T) {
	names := dns.Resolver(StartDNS(t, 0, []*Case{{Number: "04", Address: "127.0.0.4"}}))
	for name, want := range map[string][]string{"auth.team-04.svc.cluster.local.": {"127.0.0.4"}, "app-04.example.test.": {"127.0.0.4"},
		"auth.team-05.svc.cluster.local.": nil, "example.test.": nil} {
		got, err := names.LookupHost(t.Context(), name)
		var no *net.DNSError
		if !slices.Equal(got, want) || err != nil && !(errors.As(err, &no) && no.IsNotFound) {
			t.Errorf("%s: %v %v, want %v", name, got, err, want)
		}
	}
}
