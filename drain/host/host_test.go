package host

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// TestKernel: what the kernel says of sockets that this test made.
func TestKernel(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 7); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for range 3 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	all, err := Queues()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, q := range all {
		if q.Address == address {
			found = true
			if q.Sockets != 1 || q.Waiting != 3 || q.Limit != 7 {
				t.Errorf("%+v", q)
			}
		}
	}
	if !found {
		t.Errorf("%s is not among %+v", address, all)
	}
	open, err := sockets(stateMask)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range open {
		if s.remote.String() == address {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d connections lead to %s, want 3", n, address)
	}
}

// TestCollector: names and units follow the conventions of Prometheus, and each
// part can be read here.
func TestCollector(t *testing.T) {
	c, err := New(func() (int, bool) { return os.Getpid(), true })
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
		for _, m := range f.GetMetric() {
			if strings.HasSuffix(f.GetName(), "collector_success") && m.GetGauge().GetValue() != 1 {
				t.Errorf("%s was not read", m.GetLabel()[0].GetValue())
			}
		}
	}
	if n := series["shutdown_manager_envoy_cpu_seconds_total"]; n != 2 {
		t.Errorf("%d series of envoy_cpu_seconds_total, want those of workers and of others", n)
	}
	for _, name := range []string{"tcp_listen_overflows_total", "tcp_listen_drops_total", "ephemeral_ports_limit", "envoy_open_fds", "envoy_max_fds"} {
		if series["shutdown_manager_"+name] != 1 {
			t.Errorf("%d series of %s, want 1", series["shutdown_manager_"+name], name)
		}
	}
}
