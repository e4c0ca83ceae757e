package host

import "net/netip"

// sending are the states of a socket (include/net/tcp_states.h) that still sends:
// established, FIN_WAIT1, CLOSE_WAIT, LAST_ACK and CLOSING. Those whose program has closed
// them, or is gone, are among them.
const sending = 1<<1 | 1<<4 | 1<<8 | 1<<9 | 1<<11

// Unsent is how many connections to these addresses have bytes that the client has not
// taken: an answer that is complete for the server, and not for the client. An unspecified
// address stands for all of its family.
func Unsent(addresses []netip.AddrPort) (connections uint64, err error) {
	all, err := sockets(sending)
	if err != nil {
		return 0, err
	}
	return unsent(all, addresses), nil
}

func unsent(all []socket, addresses []netip.AddrPort) (n uint64) {
	for _, s := range all {
		if s.unsent > 0 && isAt(s.local, addresses) {
			n++
		}
	}
	return n
}

func isAt(local netip.AddrPort, addresses []netip.AddrPort) bool {
	for _, a := range addresses {
		if a.Port() == local.Port() && (a.Addr() == local.Addr() || a.Addr().IsUnspecified()) {
			return true
		}
	}
	return false
}
