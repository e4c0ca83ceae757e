package host

import (
	"net/netip"
	"reflect"
	"strconv"
	"testing"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestQueues(t *testing.T) {
	got := queues([]socket{
		{local: at("0.0.0.0:443"), queue: 1, limit: 4},
		{local: at("0.0.0.0:80"), queue: 2, limit: 8},
		{local: at("0.0.0.0:80"), queue: 8, limit: 8},
	})
	want := []Queue{{"0.0.0.0:80", 2, 10, 16, 1}, {"0.0.0.0:443", 1, 1, 4, 0.25}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// TestPorts: what we dialled counts, what was accepted does not, and the number
// of addresses that are told is bounded.
func TestPorts(t *testing.T) {
	all := []socket{{local: at("0.0.0.0:40000"), limit: 128}}
	add := func(n int, local uint16, remote string) {
		for i := range n {
			all = append(all, socket{local: netip.AddrPortFrom(at("10.0.0.1:1").Addr(), local+uint16(i)), remote: at(remote)})
		}
	}
	for i := range 100 { // a client of the listener
		all = append(all, socket{local: at("10.0.0.1:40000"), remote: at("192.0.2.1:" + strconv.Itoa(1000+i))})
	}
	add(50, 32768, "10.0.0.2:8080")
	add(10, 33000, "10.0.0.3:8080")
	add(9, 33100, "10.0.0.4:8080") // below 1 % of 1,000
	add(9, 1024, "10.0.0.5:8080")  // bound to a port of its own choice
	got := ports(all, 32768, 33767)
	want := []Ports{{"10.0.0.2:8080", 50}, {"10.0.0.3:8080", 10}, {Others, 9}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	all = nil
	for i := range 30 {
		add(10+i, 32768, "10.0.1."+strconv.Itoa(i)+":8080")
	}
	got = ports(all, 32768, 33767)
	if len(got) != toldAtMost+1 || got[0] != (Ports{"10.0.1.29:8080", 39}) || got[toldAtMost] != (Ports{Others, 145}) {
		t.Errorf("got %+v", got)
	}
}

func TestParseShort(t *testing.T) {
	if _, err := parse(make([]byte, answerSize-1)); err == nil {
		t.Error("no error")
	}
}
