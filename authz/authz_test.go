package authz

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"legation.dev/authz/rule"
	"legation.dev/translator/route"
)

// TestHomeIsNoService: whatever name or address leads to this machine, what listens there is
// not asked, and nobody is let in. The address counts, once the name is resolved.
func TestHomeIsNoService(t *testing.T) {
	var asked atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer service.Close()
	_, port, _ := net.SplitHostPort(service.Listener.Addr().String())
	for local, want := range map[bool]int{true: http.StatusOK, false: http.StatusInternalServerError} {
		server := New(Config{Local: local})
		for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"} {
			text, err := rule.Rule{URL: "http://" + host + ":" + port, Method: http.MethodGet}.Text()
			if err != nil {
				t.Fatal(err)
			}
			r, w, before := httptest.NewRequest(http.MethodGet, rule.Path+"/", nil), httptest.NewRecorder(), asked.Load()
			r.Header.Set(rule.Header, text)
			server.ServeHTTP(w, r)
			if reached := asked.Load() > before; w.Code != want || reached != local {
				t.Errorf("%s, services may be here: %t: %d, want %d; it was asked: %t", host, local, w.Code, want, reached)
			}
		}
	}
}

// TestNoLocal: refused are the addresses of this machine and its link, and those by which
// clouds tell secrets, all that Envoy is not to be led to either; and no others.
func TestNoLocal(t *testing.T) {
	refused := func(a netip.Addr) bool { return noLocal("tcp", netip.AddrPortFrom(a, 80).String(), nil) != nil }
	for _, p := range route.Home {
		if !refused(p.Addr()) {
			t.Errorf("%s may be asked", p.Addr())
		}
	}
	for address, home := range map[string]bool{
		"127.9.9.9": true, "0.0.0.0": true, "::1": true, "::ffff:169.254.169.254": true, "169.254.169.254": true, "fe80::1": true, "fe80::1%lo": true, "255.255.255.255": true,
		"10.0.0.1": false, "192.0.2.1": false, "100.100.100.201": false, "168.63.129.17": false, "fd00::1": false, "2001:db8::1": false, "::ffff:10.0.0.1": false,
	} {
		if refused(netip.MustParseAddr(address)) != home {
			t.Errorf("%s: want it refused: %t", address, home)
		}
	}
}
