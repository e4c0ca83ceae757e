//go:build real

package status

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"legation.dev/pmap"
	"legation.dev/test/kube"
	"legation.dev/translator/finding"
	"legation.dev/watcher/status"
)

// hang bounds what never comes, beside the time that flags ask for; a test that
// passes never gets near it.
const hang = time.Minute

// perIngress is far more than an Ingress costs.
const perIngress = 20 * time.Millisecond

// class is that of the Ingresses that are served here.
const class = "edge"

// cluster is that of all tests of this package, which run one after the other.
var cluster *kube.Cluster

func TestMain(m *testing.M) { kube.MainWithCluster(m, &cluster, kube.Options{}) }

// suite is a namespace with what is served of it.
type suite struct {
	*testing.T
	ctx       context.Context
	namespace string
	config    status.Config
	replicas  []*replica

	served    pmap.Map[pmap.Unit]
	inherited bool // the class is another controller's
	problems  []finding.Problem
}

func newSuite(t *testing.T) *suite {
	ctx, cancel := context.WithTimeout(t.Context(), hang+2**fight+time.Duration(*ingresses)*perIngress)
	t.Cleanup(cancel)
	w := &suite{T: t, ctx: ctx, namespace: cluster.Namespace(t)}
	t.Cleanup(w.clear)
	w.config = status.Config{REST: cluster.REST(), Namespaces: []string{w.namespace},
		Lease:     types.NamespacedName{Namespace: w.namespace, Name: "legation"},
		Addresses: map[string]status.Source{class: {Fixed: []string{"192.0.2.1"}}},
		Timing: status.Timing{Settle: 10 * time.Millisecond, WritesPerSecond: 1000, EventsPerSecond: 100,
			LeaseDuration: 2 * time.Second, RenewDeadline: time.Second, RetryPeriod: 100 * time.Millisecond}}
	return w
}

// clear deletes the Ingresses: thousands take longer than the deletion of a namespace
// may.
func (w *suite) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	err := cluster.Client().NetworkingV1().Ingresses(w.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	if err != nil {
		w.Error(err)
	}
}

// replica is one Legation, as far as it writes.
type replica struct {
	*status.Writer
	end func() // as SIGTERM does
	cut func() // as kill -9 or a pulled cable does: nothing that it sends arrives
}

// start starts a replica.
func (w *suite) start() *replica {
	w.Helper()
	c := w.config
	c.Identity = fmt.Sprintf("replica-%d", len(w.replicas))
	cable := &cable{}
	c.REST = rest.CopyConfig(c.REST)
	c.REST.Dial = cable.dial
	writer, err := status.New(c)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = writer.Run(ctx) // it is the end of ctx
	}()
	r := &replica{Writer: writer, cut: cable.cut, end: func() { cancel(); <-ended }}
	w.Cleanup(r.end)
	w.replicas = append(w.replicas, r)
	w.report()
	return r
}

// report tells all replicas what is served.
func (w *suite) report() {
	for _, r := range w.replicas {
		s := status.State{Fleets: map[string]pmap.Map[pmap.Unit]{class: w.served}, Problems: w.problems}
		if w.inherited {
			s.Inherited = map[string]bool{class: true}
		}
		r.Report(s)
	}
}

// cable is the network of one replica.
type cable struct {
	mu    sync.Mutex
	gone  bool
	conns []net.Conn
}

func (c *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.ErrClosed}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for _, conn := range c.conns {
		conn.Close()
	}
}

// ingress is one of our class.
func (w *suite) ingress(name string) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: networkingv1.IngressSpec{IngressClassName: new(class), DefaultBackend: &networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}
}

// create creates Ingresses and has them served.
func (w *suite) create(names ...string) {
	w.Helper()
	queue, errs := make(chan string), make(chan error, len(names))
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for name := range queue {
				_, err := cluster.Client().NetworkingV1().Ingresses(w.namespace).Create(w.ctx, w.ingress(name), metav1.CreateOptions{})
				errs <- err
			}
		})
	}
	for _, name := range names {
		queue <- name
		w.served = w.served.Set(w.namespace+"/"+name, pmap.Unit{})
	}
	close(queue)
	group.Wait()
	for range names {
		if err := <-errs; err != nil {
			w.Fatal(err)
		}
	}
	w.report()
}

// addressesOf is what stands in the status of an Ingress.
func addressesOf(o *networkingv1.Ingress) string {
	var list []string
	for _, e := range o.Status.LoadBalancer.Ingress {
		list = append(list, e.IP+e.Hostname)
	}
	return strings.Join(list, ",")
}

// awaitAddress waits until all of some Ingresses have addresses; none of them means
// all that are there.
func (w *suite) awaitAddress(want string, names ...string) {
	w.Helper()
	err := kube.Await(w.ctx, cluster.Client().NetworkingV1().Ingresses(w.namespace), func(all []*networkingv1.Ingress) error {
		missing := len(all)
		for _, o := range all {
			if got := addressesOf(o); got == want || len(names) > 0 && !slices.Contains(names, o.Name) {
				missing--
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d Ingresses do not have %s", missing, len(all), want)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

// awaitStats waits until a replica's counters are as ok wants them.
func (w *suite) awaitStats(r *replica, what string, ok func(status.Stats) bool) {
	w.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok(r.Stats()) {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatalf("no %s: %+v", what, r.Stats())
		}
	}
}

func (w *suite) awaitLeader(r *replica) {
	w.Helper()
	w.awaitStats(r, "leader", func(s status.Stats) bool { return s.Leader })
}

// applied is how many requests to apply the status of an Ingress the API server has
// answered, since it began.
func (w *suite) applied() (count int) {
	w.Helper()
	text, err := cluster.Client().Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "apiserver_request_total{") || !strings.Contains(line, `resource="ingresses"`) ||
			!strings.Contains(line, `subresource="status"`) || !strings.Contains(line, `verb="APPLY"`) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
		if err != nil {
			w.Fatal(err)
		}
		count += int(n)
	}
	return count
}

// appliedSince is applied since before, once it is at least that much: a write is
// counted after its watchers have heard of it.
func (w *suite) appliedSince(before, least int) int {
	w.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		n := w.applied() - before
		if n >= least {
			return n
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatalf("%d writes, want %d", n, least)
		}
	}
}

// events waits until the Events of an object are as ok wants them.
func (w *suite) events(namespace, name string, ok func([]*corev1.Event) error) {
	w.Helper()
	err := kube.Await(w.ctx, cluster.Client().CoreV1().Events(namespace), func(all []*corev1.Event) error {
		var of []*corev1.Event
		for _, e := range all {
			if e.InvolvedObject.Name == name {
				of = append(of, e)
			}
		}
		return ok(of)
	})
	if err != nil {
		w.Fatal(err)
	}
}

func describe(list []*corev1.Event) string {
	var lines []string
	for _, e := range list {
		count := int32(1)
		if e.Series != nil {
			count = e.Series.Count
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s (x%d)", e.Type, e.Reason, e.Message, count))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
