//go:build real

package status

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
)

var unread = flag.Int("unread", 300, "how many changes TestUnread makes of which nothing follows")

// TestUnread: changes of all kinds of objects of which nothing follows lead to no response
// to an Envoy and to no write to the API server (R2): annotations and labels that nobody
// reads, other managers of fields, endpoints that move from one slice to another, Secrets
// and ConfigMaps that nobody names.
func TestUnread(t *testing.T) {
	w := newSuite(t)
	w.ctx = longer(w.ctx, t, time.Duration(*unread)*perIngress)
	s := w.stack()
	u := &unreadChanges{suite: w, authority: authority(t)}
	u.begin()
	w.awaitAddress("192.0.2.1", "secure")
	if err := s.Settle(w.ctx); err != nil {
		t.Fatal(err)
	}
	sent, applied, start := w.responses(s), w.applied(), time.Now()
	u.make(*unread)
	took := time.Since(start)
	u.read(s.Replicas[0])
	if now := w.responses(s); now != sent {
		t.Errorf("%d changes of which nothing follows led to %v responses", *unread, now-sent)
	}
	// What does lead to one is the last of Ingresses and of Secrets, so that all of them are read.
	u.certificate("secure.test")
	u.ingress("/more")
	if err := s.Settle(w.ctx); err != nil {
		t.Fatal(err)
	}
	if now := w.responses(s); now != sent+2 {
		t.Errorf("%v responses, with those of a new certificate and of a new path, want 2", now-sent)
	}
	w.events(w.namespace, "secure", all(""))
	if n := w.applied() - applied; n != 0 {
		t.Errorf("%d writes of status", n)
	}
	t.Logf("%d changes in %s", *unread, took.Round(time.Millisecond))
}

// responses is how many a replica has sent.
func (w *suite) responses(s *incluster.Stack) float64 {
	w.Helper()
	n, err := s.Replicas[0].Metric(w.ctx, "legation_xds_responses_total")
	if err != nil || n == 0 {
		w.Fatalf("%v responses, %v", n, err)
	}
	return n
}

// longer is ctx with so much more time.
func longer(ctx context.Context, t *testing.T, more time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hang+more)
	t.Cleanup(cancel)
	return ctx
}

func authority(t *testing.T) *fixture.Authority {
	t.Helper()
	a, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// unreadChanges changes what nobody reads of the objects of one host, and of others.
type unreadChanges struct {
	*suite
	authority *fixture.Authority
	slices    [2]*discoveryv1.EndpointSlice
}

// begin makes the objects: a TLS host, whose Service has two slices by hand.
func (u *unreadChanges) begin() {
	u.Helper()
	deployment, service := kube.Web(u.namespace, "web", 2, time.Second)
	if err := cluster.Apply(u.ctx, deployment, service); err != nil {
		u.Fatal(err)
	}
	if err := cluster.AwaitServed(u.ctx, deployment); err != nil {
		u.Fatal(err)
	}
	pods, err := cluster.AwaitEndpoints(u.ctx, u.namespace, "web", 2, 0)
	if err != nil {
		u.Fatal(err)
	}
	byHand := service.DeepCopy()
	byHand.ObjectMeta = metav1.ObjectMeta{Namespace: u.namespace, Name: "by-hand"}
	byHand.Spec.Selector = nil
	u.apply(byHand)
	name, port, tcp := kube.PortName, int32(kube.Port), corev1.ProtocolTCP
	for i, address := range pods.Ready {
		u.slices[i] = &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: fmt.Sprint("by-hand-", i),
			Labels: map[string]string{discoveryv1.LabelServiceName: "by-hand"}}, AddressType: discoveryv1.AddressTypeIPv4,
			Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}}, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}}}
		u.apply(u.slices[i])
	}
	u.certificate("secure.test")
	u.ingress("/")
	u.apply(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: "unnamed"}})
	u.apply(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: "unnamed"}})
}

func (u *unreadChanges) apply(o kube.Object) {
	u.Helper()
	if err := cluster.Apply(u.ctx, o); err != nil {
		u.Fatal(err)
	}
}

// ingress writes that of the host, with this path.
func (u *unreadChanges) ingress(path string) {
	u.Helper()
	o := u.web("secure", "by-hand")
	o.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"secure.test"}, SecretName: "secure.test"}}
	o.Spec.Rules[0].HTTP.Paths[0].Path = path
	u.apply(o)
}

// certificate writes a new one for a host.
func (u *unreadChanges) certificate(host string) {
	u.Helper()
	secret, err := fixture.New(u.namespace, 0).Secret(u.authority, host, host)
	if err != nil {
		u.Fatal(err)
	}
	u.apply(secret)
}

// patching changes one object.
type patching func(ctx context.Context, patch []byte, o metav1.PatchOptions) error

// patch is that of a client of a kind.
func patch[T any](of func(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (T, error), name string) patching {
	return func(ctx context.Context, patch []byte, o metav1.PatchOptions) error {
		_, err := of(ctx, name, types.MergePatchType, patch, o)
		return err
	}
}

// make makes n changes, of each object in turn, of all objects at once.
func (u *unreadChanges) make(n int) {
	u.Helper()
	c := cluster.Client()
	core, network := c.CoreV1(), c.NetworkingV1()
	metadata := func(i int) string {
		return fmt.Sprintf(`{"metadata":{"annotations":{"example.com/turn":"%d"},"labels":{"example.com/turn":"%d"}}}`, i, i)
	}
	data := func(i int) string { return fmt.Sprintf(`{"data":{"turn":"%08d"}}`, i) } // which is base64, too
	each := []struct {
		patch patching
		text  func(int) string
	}{
		{patch(network.Ingresses(u.namespace).Patch, "secure"), metadata},
		{patch(network.IngressClasses().Patch, incluster.Class), metadata},
		{patch(core.ConfigMaps(incluster.Namespace).Patch, incluster.Class), metadata},
		{patch(core.Services(u.namespace).Patch, "by-hand"), metadata},
		{patch(c.DiscoveryV1().EndpointSlices(u.namespace).Patch, "by-hand-0"), metadata},
		{patch(core.Secrets(u.namespace).Patch, "secure.test"), metadata},
		{patch(core.Secrets(u.namespace).Patch, "unnamed"), data},
		{patch(core.ConfigMaps(u.namespace).Patch, "unnamed"), data},
	}
	turns := n / (len(each) + 1)
	var group errgroup.Group
	for _, e := range each {
		group.Go(func() error {
			for i := range turns {
				if err := e.patch(u.ctx, []byte(e.text(i)), metav1.PatchOptions{FieldManager: fmt.Sprint("manager-", i%3)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error { return u.move(turns) })
	if err := group.Wait(); err != nil {
		u.Fatal(err)
	}
}

// move moves an endpoint from one slice to the other and back, in n writes: at any time at
// least one has it.
func (u *unreadChanges) move(n int) error {
	alone, both := u.slices[1].DeepCopy(), u.slices[1].DeepCopy()
	both.Name = u.slices[0].Name
	both.Endpoints = slices.Concat(u.slices[1].Endpoints, u.slices[0].Endpoints)
	none := alone.DeepCopy()
	none.Endpoints = nil
	steps := []*discoveryv1.EndpointSlice{both, none, alone, u.slices[0]}
	for i := range (n + len(steps) - 1) / len(steps) * len(steps) {
		if err := cluster.Apply(u.ctx, steps[i%len(steps)].DeepCopy()); err != nil {
			return err
		}
	}
	return nil
}

// read waits until a replica has read all that was written before of Services and
// EndpointSlices: events of a kind come in order.
func (u *unreadChanges) read(r *incluster.Replica) {
	u.Helper()
	slice := u.slices[0].DeepCopy()
	slice.Name, slice.Labels = "foreign", map[string]string{discoveryv1.LabelServiceName: "foreign"}
	_, service := kube.Web(u.namespace, "foreign", 0, time.Second)
	for kind, o := range map[string]kube.Object{"EndpointSlice": slice, "Service": service} {
		metric := fmt.Sprintf("legation_input_objects{kind=%q}", kind)
		before, err := r.Metric(u.ctx, metric)
		if err != nil || before == 0 {
			u.Fatalf("%s: %v, %v", metric, before, err)
		}
		u.apply(o)
		err = inprocess.Await(u.ctx, func() error {
			if now, err := r.Metric(u.ctx, metric); err != nil || now == before {
				return fmt.Errorf("%s is still %v, %v", metric, before, err)
			}
			return nil
		})
		if err != nil {
			u.Fatal(err)
		}
	}
}
