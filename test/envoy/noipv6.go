package envoy

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BecomeWithoutIPv6 runs a program in place of this one, with its arguments; it returns only if
// that fails. The kernel refuses it sockets of IPv6 as one does that has none. A network
// namespace does not do: with the sysctl disable_ipv6 there the address :: can still be bound.
func BecomeWithoutIPv6(binary string) error {
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
