package host

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestUnsent: a client that reads nothing has bytes at the kernel, until it has read them.
func TestUnsent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	client, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when string, want uint64) {
		t.Helper()
		for _, a := range []netip.AddrPort{at, netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())} {
			if n, err := Unsent([]netip.AddrPort{a}); n != want || err != nil {
				t.Errorf("%s: %d connections to %s have bytes on their way, %v", when, n, a, err)
			}
		}
		if n, err := Unsent([]netip.AddrPort{netip.AddrPortFrom(at.Addr(), at.Port()+1)}); n != 0 || err != nil {
			t.Errorf("%s: %d at another port, %v", when, n, err)
		}
	}
	expect("nothing was sent", 0)
	written := make(chan error)
	go func() { // more than the kernel keeps
		_, err := server.Write(make([]byte, 32<<20))
		server.Close()
		written <- err
	}()
	io.ReadFull(client, make([]byte, 1<<20))
	expect("much is left", 1)
	if _, err := io.Copy(io.Discard, client); err != nil {
		t.Error(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	for begin := time.Now(); ; { // the last byte is acknowledged when the client's kernel likes
		if n, err := Unsent([]netip.AddrPort{at}); err != nil || n == 0 || time.Since(begin) > 10*time.Second {
			break
		}
	}
	expect("all was read", 0)
}
