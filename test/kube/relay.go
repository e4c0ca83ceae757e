//go:build real

package kube

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/badserver"
)

// Relay passes what connects at l on to where dial leads, both ways, until l is closed
// and the connections have ended.
func Relay(l net.Listener, dial func() (net.Conn, error)) {
	var open sync.WaitGroup
	defer open.Wait()
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		open.Go(func() {
			defer client.Close()
			if server, err := dial(); err == nil {
				badserver.Pass(client.(*net.TCPConn), server.(*net.TCPConn))
			}
		})
	}
}

// nodeAddress is that of a node by name; empty if there is none such.
func (k *kubelet) nodeAddress(name string) string {
	if i := slices.Index(k.nodes, name); i >= 0 {
		return NodeAddress(i)
	}
	return ""
}

// openPorts listens at the ports of the node that the pod asks for. A port that another
// pod has is an error: no scheduler would have put both there.
func (s *sandbox) openPorts() error {
	for _, c := range s.pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.HostPort == 0 || p.Protocol != corev1.ProtocolTCP {
				continue
			}
			l, err := net.Listen("tcp", net.JoinHostPort(s.kubelet.nodeAddress(s.pod.Spec.NodeName), strconv.Itoa(int(p.HostPort))))
			if err != nil {
				return fmt.Errorf("container %s: hostPort: %w", c.Name, err)
			}
			s.listeners = append(s.listeners, l)
			to := net.JoinHostPort(s.address, strconv.Itoa(int(p.ContainerPort)))
			go Relay(l, func() (net.Conn, error) { return net.Dial("tcp", to) })
		}
	}
	return nil
}

// Forward is `kubectl port-forward POD PORT`: until the test ends, that port of the
// loopback address leads to the same one in a pod that is run.
func (c *Cluster) Forward(t testing.TB, namespace, pod string, port int) {
	t.Helper()
	s, err := c.sandbox(namespace, pod)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go Relay(l, func() (net.Conn, error) { return s.dial(t.Context(), address) })
}

// dial connects from inside the network namespace of the pod. A socket stays in the
// namespace that its thread was in.
func (s *sandbox) dial(ctx context.Context, address string) (net.Conn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ours, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ours)
	theirs, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", s.pause.Process.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(theirs)
	if err := unix.Setns(theirs, unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if back := unix.Setns(ours, unix.CLONE_NEWNET); back != nil {
		panic(back) // this thread would go on where it does not belong
	}
	return conn, err
}
