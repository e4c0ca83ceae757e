//go:build real

package deploy

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// balancer is what stands in front of the Envoys: it passes TCP connections on to
// pods that are ready, in turn, and does not touch those that are open.
type balancer struct {
	address string

	mu   sync.Mutex // guards the fields below
	pods []string   // addresses of those that are ready
	turn int
	// passed is how many connections went to each address.
	passed map[string]int
}

// balance starts a balancer that ends with the test.
func balance(t *testing.T) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{address: l.Addr().String(), passed: map[string]int{}}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { b.pass(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Wait()
	})
	return b
}

// see takes the pods that are ready, out of all.
func (b *balancer) see(all []*corev1.Pod) {
	var ready []string
	for _, p := range all {
		if p.Labels["app.kubernetes.io/component"] == "envoy" && p.DeletionTimestamp == nil && isReady(p) {
			ready = append(ready, p.Status.PodIP)
		}
	}
	slices.Sort(ready)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pods = ready
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
}

// next is the pod for a connection; "" if none is ready.
func (b *balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pods) == 0 {
		return ""
	}
	b.turn++
	pod := b.pods[b.turn%len(b.pods)]
	b.passed[pod]++
	return net.JoinHostPort(pod, "8080")
}

// reached is how many pods have got connections.
func (b *balancer) reached() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.passed)
}

// pass copies both ways until both sides have ended.
func (b *balancer) pass(client *net.TCPConn) {
	defer client.Close()
	conn, err := net.Dial("tcp", b.next())
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(client, server) // its end is told to the other side
		client.CloseWrite()
	}()
	io.Copy(server, client)
	server.CloseWrite()
	<-back
}
