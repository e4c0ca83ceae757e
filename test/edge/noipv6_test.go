//go:build real

package edge

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"legation.dev/test/envoy"
	"legation.dev/test/inprocess"
	"legation.dev/xds/bootstrap"
)

// envoyWithoutIPv6 names the Envoy that this program becomes when it is started with it, on
// what is a kernel without IPv6 for it. A network namespace does not do: with the sysctl
// disable_ipv6 there the address :: can still be bound.
const envoyWithoutIPv6 = "LEGATION_TEST_ENVOY_WITHOUT_IPV6"

func TestMain(m *testing.M) {
	if binary := os.Getenv(envoyWithoutIPv6); binary != "" {
		fmt.Fprintln(os.Stderr, "no Envoy without IPv6:", becomeWithoutIPv6(binary))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// becomeWithoutIPv6 runs a program in place of this one; it returns only if that fails. The
// kernel refuses it sockets of IPv6 as one does that has none.
func becomeWithoutIPv6(binary string) error {
	runtime.LockOSThread()
	const number, family = 0, 16 // where struct seccomp_data has the number and the first argument
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(value uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
	}
	end := func(with uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: with}
	}
	filter := []unix.SockFilter{load(number), unless(unix.SYS_SOCKET, 3), load(family), unless(unix.AF_INET6, 1),
		end(unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)), end(unix.SECCOMP_RET_ALLOW)}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	if _, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0); err != unix.EAFNOSUPPORT {
		return fmt.Errorf("a socket of IPv6: %v", err)
	}
	return syscall.Exec(binary, append([]string{binary}, os.Args[1:]...), os.Environ())
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
