// Package dns is a DNS on loopback for tests, and has Envoys and Go ask it. It knows the
// addresses that a test says, and no other name exists; it asks nobody else.
//
// Start reading at Start.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/authz"
)

// largestQuery is in bytes: what EDNS allows over UDP as a rule.
const largestQuery = 1232

// lifetime of an answer, in seconds.
const lifetime = 30

// Start starts a DNS until the test ends, and returns where it is. Its port is any if it is 0.
// address says of a name, with its last dot, which address it has; the zero Addr: none.
// It is called by one goroutine.
func Start(t testing.TB, port int, address func(name string) netip.Addr) *net.UDPAddr {
	t.Helper()
	socket, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.2:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(socket, address)
	}()
	t.Cleanup(func() { socket.Close(); <-done })
	return socket.LocalAddr().(*net.UDPAddr)
}

// Resolver asks a DNS.
func Resolver(at *net.UDPAddr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.DialUDP("udp", nil, at)
	}}
}

// Asking has the Envoy of a bootstrap ask a DNS.
func Asking(t testing.TB, at *net.UDPAddr) func(*bootstrapv3.Bootstrap) {
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

// serve answers until the socket is closed. What is no query gets no answer.
func serve(socket net.PacketConn, address func(name string) netip.Addr) {
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
		switch is := address(q.Name.String()); {
		case !is.IsValid():
			a.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA && is.Is4():
			a.Answers = answer(q.Name, &dnsmessage.AResource{A: is.As4()})
		case q.Type == dnsmessage.TypeAAAA && is.Is6():
			a.Answers = answer(q.Name, &dnsmessage.AAAAResource{AAAA: is.As16()})
		}
		if text, err := a.Pack(); err == nil {
			_, _ = socket.WriteTo(text, from) // who gets none asks again
		}
	}
}

func answer(name dnsmessage.Name, body dnsmessage.ResourceBody) []dnsmessage.Resource {
	return []dnsmessage.Resource{{Body: body, Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: lifetime}}}
}

// Authorization starts an authorization server that asks the DNS at an address, and returns where
// Envoy finds it.
func Authorization(t testing.TB, known *net.UDPAddr) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authz.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- authz.New(authz.Config{Dialer: &net.Dialer{Resolver: Resolver(known)}, Local: true}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "unix:" + path
}
