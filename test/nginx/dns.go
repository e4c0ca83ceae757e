//go:build real

package nginx

import (
	"net"
	"net/netip"
	"regexp"
	"testing"

	"legation.dev/test/dns"
)

// apartName is a name of one case: auth.team-38.svc.cluster.local, front-15.example.test.
var apartName = regexp.MustCompile(`-([0-9]+)\.(svc|example\.test)\b`)

// StartDNS starts a DNS where each name of a case leads to its backends, as all names did
// for ingress-nginx. Its port is any if it is 0. It returns where it is.
func StartDNS(t *testing.T, port int, cases []*Case) *net.UDPAddr {
	t.Helper()
	addresses := map[string]netip.Addr{}
	for _, c := range cases {
		addresses[c.Number] = netip.MustParseAddr(c.Address)
	}
	return dns.Start(t, port, func(name string) netip.Addr {
		of := apartName.FindStringSubmatch(name)
		if of == nil {
			return netip.Addr{}
		}
		return addresses[of[1]]
	})
}
