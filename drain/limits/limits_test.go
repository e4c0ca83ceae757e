package limits

import (
	"math"
	"net"
	"os"
	"testing"
)

var (
	enough = System{Somaxconn: 4096, SynBacklog: 4096, AcceptLimit: 4096, PortLow: 32768, PortHigh: 60999,
		ConntrackMax: 262144, ConntrackUsed: 100, OpenFiles: 1 << 20}
	demand = Demand{Backlog: 4096, Downstream: 50000, Upstream: 32768, PerEndpoint: 16384}
)

// TestCheck: each limit alone is found when it is one too small, and not when it
// is just enough.
func TestCheck(t *testing.T) {
	for _, f := range Check(enough, demand) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
	for _, c := range []struct {
		limit string
		set   func(s *System, by int)
	}{
		{"net.core.somaxconn", func(s *System, by int) { s.Somaxconn = 4096 + by }},
		{"backlog of Envoy's listeners", func(s *System, by int) { s.AcceptLimit = 4096 + by }},
		{"net.ipv4.tcp_max_syn_backlog", func(s *System, by int) { s.SynBacklog = 4096 + by }},
		{"net.netfilter.nf_conntrack_max", func(s *System, by int) { s.ConntrackMax = 82768 + by }},
		{"RLIMIT_NOFILE (ulimit -n) of Envoy", func(s *System, by int) { s.OpenFiles = uint64(82768 + Reserve + by) }},
		{"net.ipv4.ip_local_port_range", func(s *System, by int) { s.PortHigh = s.PortLow + 16384 - 1 + by }},
	} {
		for _, by := range []int{0, -1} {
			s := enough
			c.set(&s, by)
			for _, f := range Check(s, demand) {
				if want := f.Limit != c.limit || by == 0; f.OK != want {
					t.Errorf("%s by %d: %+v", c.limit, by, f)
				}
				if f.Why == "" {
					t.Errorf("%s: no reason", f.Limit)
				}
			}
		}
	}
}

// TestAbsent: what the system does not have, or does not need, is not too small.
func TestAbsent(t *testing.T) {
	s := enough
	s.ConntrackMax, s.ConntrackUsed, s.AcceptLimit, s.OpenFiles = Absent, Absent, Absent, math.MaxUint64
	s.SynBacklog, s.SynCookies = 1, 1
	for _, f := range Check(s, demand) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
}

func TestRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := Read(os.Getpid(), []string{l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if s.Somaxconn <= 0 || s.AcceptLimit <= 0 || s.AcceptLimit > s.Somaxconn || s.PortHigh <= s.PortLow || s.OpenFiles == 0 {
		t.Errorf("%+v", s)
	}
	if s, err := Read(os.Getpid(), nil); err != nil || s.AcceptLimit != Absent {
		t.Errorf("without listeners: %+v, %v", s, err)
	}
}
