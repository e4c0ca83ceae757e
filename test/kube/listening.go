//go:build real

package kube

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
)

// The states of sockets as the kernel counts them (include/net/tcp_states.h); a Unix socket
// that listens has a flag (__SO_ACCEPTCON of include/linux/net.h).
const (
	tcpListen     = 10
	udpOpen       = 7
	unixAccepting = 1 << 16
)

// Listening is where somebody waits to be talked to in the network of a pod that is run:
// "tcp 8080" for all its addresses, "tcp 127.0.0.1:8080" for one, likewise of udp, and
// "unix /path". Each is there once, in order.
func (c *Cluster) Listening(namespace, pod string) (list []string, err error) {
	s, err := c.sandbox(namespace, pod)
	if err != nil {
		return nil, err
	}
	proc, err := procfs.NewFS(filepath.Join("/proc", strconv.Itoa(s.pause.Process.Pid)))
	if err != nil {
		return nil, err
	}
	add := func(network string, at net.IP, port uint64) {
		if where := fmt.Sprint(port); at.IsUnspecified() {
			list = append(list, network+" "+where)
		} else {
			list = append(list, network+" "+net.JoinHostPort(at.String(), where))
		}
	}
	//lint:ignore SA1019 netlink, which is to be used instead, tells of the caller's own network
	for _, read := range []func() (procfs.NetTCP, error){proc.NetTCP, proc.NetTCP6} {
		sockets, err := read()
		if err != nil {
			return nil, err
		}
		for _, s := range sockets {
			if s.St == tcpListen {
				add("tcp", s.LocalAddr, s.LocalPort)
			}
		}
	}
	for _, read := range []func() (procfs.NetUDP, error){proc.NetUDP, proc.NetUDP6} {
		sockets, err := read()
		if err != nil {
			return nil, err
		}
		for _, s := range sockets {
			if s.St == udpOpen {
				add("udp", s.LocalAddr, s.LocalPort)
			}
		}
	}
	sockets, err := proc.NetUNIX()
	if err != nil {
		return nil, err
	}
	for _, s := range sockets.Rows {
		if s.Flags&unixAccepting != 0 {
			list = append(list, "unix "+s.Path)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
