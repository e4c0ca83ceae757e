//go:build real

package nginx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/protobuf/types/known/anypb"
)

// largestQuery is in bytes: what EDNS allows over UDP as a rule.
const largestQuery = 1232

// apartName is a name of one case: auth.team-38.svc.cluster.local, front-15.example.test.
var apartName = regexp.MustCompile(`-([0-9]+)\.(svc|example\.test)\b`)

// StartDNS starts a DNS where each name of a case leads to its backends, as all names did
// for ingress-nginx. Its port is any if it is 0. It returns where it is.
func StartDNS(t *testing.T, port int, cases []*Case) *net.UDPAddr {
	t.Helper()
	socket, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.2:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	addresses := map[string]netip.Addr{}
	for _, c := range cases {
		addresses[c.Number] = netip.MustParseAddr(c.Address)
	}
	go serveDNS(socket, addresses)
	return socket.LocalAddr().(*net.UDPAddr)
}

// resolver asks a DNS.
func resolver(at *net.UDPAddr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.DialUDP("udp", nil, at)
	}}
}

// asking has an Envoy ask a DNS.
func asking(t *testing.T, at *net.UDPAddr) func(*bootstrapv3.Bootstrap) {
	t.Helper()
	config, err := anypb.New(&caresv3.CaresDnsResolverConfig{Resolvers: []*corev3.Address{{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Protocol: corev3.SocketAddress_UDP, Address: at.IP.String(),
			PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(at.Port)}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return func(b *bootstrapv3.Bootstrap) {
		b.TypedDnsResolverConfig = &corev3.TypedExtensionConfig{Name: "envoy.network.dns_resolver.cares", TypedConfig: config}
	}
}

// serveDNS answers until the socket is closed. What is no query gets no answer.
func serveDNS(socket net.PacketConn, addresses map[string]netip.Addr) {
	buffer := make([]byte, largestQuery)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		var query dnsmessage.Message
		if err != nil || query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		q := query.Questions[0]
		a := dnsmessage.Message{Questions: query.Questions, Header: dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true}}
		of := apartName.FindStringSubmatch(q.Name.String())
		switch {
		case of == nil || !addresses[of[1]].IsValid():
			a.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			a.Answers = []dnsmessage.Resource{{Body: &dnsmessage.AResource{A: addresses[of[1]].As4()},
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 30}}}
		}
		if text, err := a.Pack(); err == nil {
			_, _ = socket.WriteTo(text, from) // who gets none asks again
		}
	}
}
