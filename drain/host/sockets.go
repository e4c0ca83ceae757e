package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// socket is a TCP socket of the network namespace.
type socket struct {
	local, remote netip.AddrPort
	// listening ones: connections that wait to be accepted, and how many may.
	queue, limit uint32
	unsent       uint32 // bytes that the other side has not confirmed
}

// The states of a TCP socket as the kernel counts them (include/net/tcp_states.h).
const (
	stateListen = 10
	// stateMask is every state from established (1) to new (12).
	stateMask = 1<<13 - 2
)

// Sizes, in bytes, of the messages of sock_diag (include/uapi/linux/inet_diag.h):
// a request, an answer without attributes, and where in an answer things are.
const (
	requestSize = 56
	answerSize  = 72
	atPorts     = 4 // source and destination, big endian
	atSource    = 8
	atRemote    = 24
	atQueue     = 56 // of a listening socket: the accept queue
	atLimit     = 60 // of a listening socket: its limit; of others: what is not confirmed
)

// sockets are those of both families in given states.
func sockets(states uint32) ([]socket, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for sockets: %w", err)
	}
	defer conn.Close()
	var all []socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		answers, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
			Data:   request(family, states),
		})
		if errors.Is(err, unix.ENOENT) && family == unix.AF_INET6 {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("asking the kernel for sockets: %w", err)
		}
		for _, a := range answers {
			s, err := parse(a.Data)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	return all, nil
}

func request(family uint8, states uint32) []byte {
	r := make([]byte, requestSize)
	r[0], r[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(r[4:], states)
	return r
}

// parse reads one answer.
func parse(b []byte) (socket, error) {
	if len(b) < answerSize {
		return socket{}, fmt.Errorf("the kernel describes a socket in %d bytes, want %d", len(b), answerSize)
	}
	s := socket{
		local:  netip.AddrPortFrom(address(b[0], b[atSource:]), binary.BigEndian.Uint16(b[atPorts:])),
		remote: netip.AddrPortFrom(address(b[0], b[atRemote:]), binary.BigEndian.Uint16(b[atPorts+2:])),
	}
	if b[1] == stateListen {
		s.queue, s.limit = binary.NativeEndian.Uint32(b[atQueue:]), binary.NativeEndian.Uint32(b[atLimit:])
	} else {
		s.unsent = binary.NativeEndian.Uint32(b[atLimit:])
	}
	return s, nil
}

func address(family byte, b []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}
