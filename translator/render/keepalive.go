package render

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// What the kernel does after a connection was silent for as long as a setting says.
const (
	keepAliveProbes   = 3
	keepAliveInterval = 15 * time.Second
)

// tcpKeepAlive is nil for none; Envoy's API counts in whole seconds.
func tcpKeepAlive(silent time.Duration) *corev3.TcpKeepalive {
	if silent == 0 {
		return nil
	}
	return &corev3.TcpKeepalive{KeepaliveProbes: number(keepAliveProbes),
		KeepaliveTime:     number(uint32(silent / time.Second)),
		KeepaliveInterval: number(uint32(keepAliveInterval / time.Second))}
}
