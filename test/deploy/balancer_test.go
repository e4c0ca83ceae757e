//go:build real

package deploy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/kube"
)

// balancer is what stands in front of the Envoys: it passes TCP connections on to those
// that are ready, in turn, and does not touch those that are open.
type balancer struct {
	address string

	mu        sync.Mutex // guards the fields below
	addresses []string   // of the pods that are ready
	turn      int
	// passed is how many connections went to each.
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
	var all sync.WaitGroup
	all.Go(func() { kube.Relay(l, func() (net.Conn, error) { return net.Dial("tcp", b.next()) }) })
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return b
}

// see takes the pods that are ready, out of all.
func (b *balancer) see(all []*corev1.Pod) {
	var ready []string
	for _, p := range all {
		if p.Labels["app.kubernetes.io/component"] == "envoy" && p.DeletionTimestamp == nil && isReady(p) {
			ready = append(ready, clientAddress(p))
		}
	}
	slices.Sort(ready)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addresses = ready
}

// clientAddress is where the clients of an Envoy come in: a port of its node, or else of the pod.
func clientAddress(p *corev1.Pod) string {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			switch {
			case port.Name != "http":
			case port.HostPort != 0:
				return net.JoinHostPort(p.Status.HostIP, strconv.Itoa(int(port.HostPort)))
			default:
				return net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(port.ContainerPort)))
			}
		}
	}
	return ""
}

// await waits until it knows n Envoys: it learns of them by itself.
func (b *balancer) await(ctx context.Context, n int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		b.mu.Lock()
		got := len(b.addresses)
		b.mu.Unlock()
		if got == n {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: the balancer knows %d Envoys, want %d", ctx.Err(), got, n)
		}
	}
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
}

// next is where to go with a connection; "" if none is ready.
func (b *balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.addresses) == 0 {
		return ""
	}
	b.turn++
	to := b.addresses[b.turn%len(b.addresses)]
	b.passed[to]++
	return to
}

// reached is how many pods have got connections.
func (b *balancer) reached() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.passed)
}
