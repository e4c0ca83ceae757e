//go:build real

package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

// newIngresses is how many Ingresses TestServesWhenWritten makes, one after the
// other.
const newIngresses = 20

// stack is the binary with an Envoy; it writes on behalf of a suite.
func (w *suite) stack() *incluster.Stack {
	w.Helper()
	return w.stackOf(incluster.Options{Args: w.args()})
}

// args have the binary write on behalf of a suite.
func (w *suite) args() []string {
	return []string{"--lease", w.namespace + "/legation", "--namespaces", w.namespace + "," + incluster.Namespace,
		"--publish-address", incluster.Class + "=192.0.2.1"}
}

// stackOf is the binary with an Envoy, by these options.
func (w *suite) stackOf(o incluster.Options) *incluster.Stack {
	w.Helper()
	o.Binary = true
	s, err := incluster.Start(w.ctx, cluster, o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.Error(err)
		}
	})
	return s
}

// web is an Ingress of the stack's class for a host, with a default backend that
// nobody asks for.
func (w *suite) web(name, service string) *networkingv1.Ingress {
	o := w.ingress(name)
	prefix := networkingv1.PathTypePrefix
	path := networkingv1.HTTPIngressPath{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Name: kube.PortName}}}}
	o.Spec = networkingv1.IngressSpec{IngressClassName: new(incluster.Class), Rules: []networkingv1.IngressRule{{Host: name + ".test",
		IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{path}}}}}}
	return o
}

// TestServesWhenWritten: who finds the address of a new Ingress finds it serving.
func TestServesWhenWritten(t *testing.T) {
	w := newSuite(t)
	s := w.stack()
	deployment, service := kube.Web(w.namespace, "web", 1, time.Second)
	if err := cluster.Apply(w.ctx, deployment, service); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, deployment); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for i := range newIngresses {
		name := fmt.Sprintf("shop-%d", i)
		if err := cluster.Apply(w.ctx, w.web(name, "web")); err != nil {
			t.Fatal(err)
		}
		w.awaitAddress("192.0.2.1", name)
		if got := w.ask(s.Envoys[0], name+".test"); got != "200" {
			t.Errorf("%s has its address and answers %s", name, got)
		}
	}
	t.Logf("%v from an Ingress to its address", time.Since(begin)/newIngresses)
}

// ask returns the status of an answer, or an error.
func (w *suite) ask(e *incluster.Envoy, host string) string {
	got := e.Ask(w.ctx, host, "/")
	if status, _, _ := strings.Cut(got, " "); len(status) == len("200") {
		return status
	}
	return got
}

// shortPatterns has an Envoy take patterns of a hundred instructions, which is its own default:
// it rejects what others take.
func shortPatterns(b *bootstrapv3.Bootstrap) {
	delete(b.LayeredRuntime.Layers[0].GetStaticLayer().Fields, "re2.max_program_size.error_level")
}

// TestOwnerIsTold: an Ingress whose Service is missing has an Event that says so,
// and one more when it is there; a fight over its status sends nothing to Envoys. So has one
// of which something is made that Envoy rejects.
func TestOwnerIsTold(t *testing.T) {
	w := newSuite(t)
	s := w.stackOf(incluster.Options{Args: w.args(), Bootstrap: shortPatterns})
	if err := cluster.Apply(w.ctx, w.web("shop", "web")); err != nil {
		t.Fatal(err)
	}
	w.awaitAddress("192.0.2.1")
	w.events(w.namespace, "shop", only("Warning NoService: spec.rules[0].http.paths[0].backend.service.name=\""+w.namespace+"/web\": there is no such Service"))
	deployment, service := kube.Web(w.namespace, "web", 1, time.Second)
	if err := cluster.Apply(w.ctx, deployment, service); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, deployment); err != nil {
		t.Fatal(err)
	}
	w.events(w.namespace, "shop", starts("Normal NoService: mended: ", "Warning NoService: "))
	if err := s.Settle(w.ctx); err != nil {
		t.Fatal(err)
	}
	before := w.updates(s.Envoys[0])
	ctx, cancel := context.WithTimeout(w.ctx, *fight)
	defer cancel()
	undone := 0
	if err := w.undo(ctx, "shop", "rival-controller", &undone); err != nil || undone != 3 {
		t.Errorf("undone %d times, %v", undone, err)
	}
	w.events(w.namespace, "shop", starts("Normal NoService: mended: ", "Warning AddressContested: status.loadBalancer: rival-controller rewrites it", "Warning NoService: "))
	if after := w.updates(s.Envoys[0]); after != before {
		t.Errorf("a fight over status sent Envoy %d responses", after-before)
	}
	if got := w.ask(s.Envoys[0], "shop.test"); got != "200" {
		t.Errorf("it answers %s", got)
	}
	w.rejectionTold(s)
	w.ownersTold(s)
	w.classesTold(s)
	w.withoutSettings(s)
}

// ownersTold: both sides have an Event when two namespaces have rules for a host, which the
// older one has; it keeps the host while its Ingress is gone, and when it is made anew.
func (w *suite) ownersTold(s *incluster.Stack) {
	w.Helper()
	claim := w.web("claim", "web")
	claim.Namespace, claim.Spec.Rules[0].Host = incluster.Namespace, "shop.test"
	if err := cluster.Apply(w.ctx, claim); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { w.drop(claim) })
	w.told(incluster.Namespace, "claim", "Warning HostOwned: spec.rules[0].host=\"shop.test\": belongs to namespace "+w.namespace+" by Ingress "+w.namespace+"/shop")
	w.told(w.namespace, "shop", "Normal HostClaimed: spec.rules[0].host: Ingress "+incluster.Namespace+"/claim of another namespace has rules for host shop.test, too; they are not served")
	w.drop(w.web("shop", "web"))
	w.awaitStatus(s.Envoys[0], "shop.test", "404") // else the claim would answer 503: it has no Service
	if err := cluster.Apply(w.ctx, w.web("shop", "web")); err != nil {
		w.Fatal(err)
	}
	w.awaitStatus(s.Envoys[0], "shop.test", "200")
	w.told(w.namespace, "shop", "Warning HostRemembered: spec.rules[0].host=\"shop.test\": the namespace keeps the host by its former Ingress "+w.namespace+"/shop")
	w.drop(claim)
	w.told(w.namespace, "shop", "Normal HostRemembered: mended: ")
}

// drop deletes an object.
func (w *suite) drop(o kube.Object) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang) // that of the test may have ended
	defer cancel()
	if err := cluster.Delete(ctx, o); err != nil {
		w.Fatal(err)
	}
}

// awaitStatus asks an Envoy until it answers with a status, and nothing else in between than
// what it answered before.
func (w *suite) awaitStatus(e *incluster.Envoy, host, want string) {
	w.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	before := w.ask(e, host)
	for got := before; got != want; got = w.ask(e, host) {
		if got != before {
			w.Fatalf("%s answers %s after %s, want %s", host, got, before, want)
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatalf("%s answers %s, want %s", host, got, want)
		}
	}
}

// told waits for an Event of an object that begins so.
func (w *suite) told(namespace, name, begins string) {
	w.Helper()
	w.events(namespace, name, func(list []*corev1.Event) error {
		if got := "\n" + describe(list); !strings.Contains(got, "\n"+begins) {
			return fmt.Errorf("%s has the Events%s\nwant %s", name, got, begins)
		}
		return nil
	})
}

// withoutSettings: a process that never saw the settings which a class names does not publish
// the class. It is not ready, says why, on Ingresses too, and Envoys keep what they run.
func (w *suite) withoutSettings(s *incluster.Stack) {
	w.Helper()
	class, settings := fixture.Class(incluster.Class, incluster.Namespace, nil)[0], fixture.Class(incluster.Class, incluster.Namespace, nil)[1]
	r := s.Replicas[0]
	if err := errors.Join(cluster.Apply(w.ctx, class), cluster.Delete(w.ctx, settings), r.Stop(), r.Begin()); err != nil {
		w.Fatal(err)
	}
	w.told(w.namespace, "late", "Warning ClassUnset: spec.ingressClassName=\""+incluster.Class+"\": the settings of class "+incluster.Class+" are not there")
	page, err := r.Page(w.ctx, "/readyz")
	if err != nil || strings.HasPrefix(page, "ready") || !strings.Contains(page, "there is no such ConfigMap") {
		w.Errorf("/readyz says %q, %v", page, err)
	}
	if got := w.ask(s.Envoys[0], "kept.test"); got != "200" {
		w.Errorf("the class has no settings, and its Envoy answers %s", got)
	}
	if fleets, err := r.Page(w.ctx, "/metrics"); err != nil || strings.Contains(fleets, `fleet="`+incluster.Class+`"`) {
		w.Errorf("a fleet is published, %v", err)
	}
	if err := errors.Join(s.Settings(w.ctx, nil), r.WaitReady(w.ctx)); err != nil {
		w.Fatal(err)
	}
	w.told(w.namespace, "late", "Normal ClassUnset: mended: ")
}

// rejectionTold: an Ingress has an Event of what an Envoy rejects, in Envoy's words, and one
// more when Envoy takes it; others have none, and are served.
func (w *suite) rejectionTold(s *incluster.Stack) {
	w.Helper()
	long, pattern := w.web("long", "web"), networkingv1.PathTypeImplementationSpecific
	long.Annotations = map[string]string{"nginx.ingress.kubernetes.io/use-regex": "true"}
	path := &long.Spec.Rules[0].HTTP.Paths[0]
	path.Path, path.PathType = "/[a-z]{1,99}/x", &pattern
	if err := cluster.Apply(w.ctx, long, w.web("beside", "web")); err != nil {
		w.Fatal(err)
	}
	told := fmt.Sprintf("Warning Rejected: Envoy %s of class %s rejects the VHDS resource ingress/long.test made of it", s.Envoys[0].ID, incluster.Class)
	w.events(w.namespace, "long", func(list []*corev1.Event) error {
		if got := describe(list); !strings.Contains(got, "max program size of 100 ") {
			return fmt.Errorf("not in Envoy's words: %s", got)
		}
		return starts(told)(list)
	})
	w.awaitAddress("192.0.2.1", "beside")
	if got := w.ask(s.Envoys[0], "beside.test"); got != "200" {
		w.Errorf("what comes beside what is rejected answers %s", got)
	}
	w.events(w.namespace, "beside", all(""))
	path.Path = "/[a-z]{1,9}/x"
	if err := cluster.Apply(w.ctx, long); err != nil {
		w.Fatal(err)
	}
	w.events(w.namespace, "long", starts("Normal Rejected: mended: ", told))
	if got := s.Envoys[0].Ask(w.ctx, "long.test", "/shop/x"); got != "200 web" {
		w.Errorf("what Envoy takes answers %s", got)
	}
}

// classesTold: an Ingress that a class of ours loses is told, and its address goes; so is
// one that is made while its class is frozen.
func (w *suite) classesTold(s *incluster.Stack) {
	w.Helper()
	patch := func(name, text string) {
		w.Helper()
		_, err := cluster.Client().NetworkingV1().Ingresses(w.namespace).Patch(w.ctx, name, types.MergePatchType, []byte(text), metav1.PatchOptions{})
		if err != nil {
			w.Fatal(err)
		}
	}
	told := func(name, begins string) {
		w.Helper()
		w.told(w.namespace, name, begins)
	}
	if err := cluster.Apply(w.ctx, w.web("old", "web"), w.web("said", "web"), w.web("kept", "web")); err != nil {
		w.Fatal(err)
	}
	w.awaitAddress("192.0.2.1", "old", "said", "kept")
	patch("old", `{"spec":{"ingressClassName":null}}`)
	patch("said", `{"metadata":{"annotations":{"kubernetes.io/ingress.class":"somebody"}}}`)
	told("said", "Warning ClassOverridden: ")
	w.awaitAddress("", "said")
	w.awaitAddress("192.0.2.1", "old") // our class is the default
	theirs := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Annotations: map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}},
		Spec: networkingv1.IngressClassSpec{Controller: "example.com/another"}}
	w.Cleanup(func() { w.dropClass("theirs") })
	if err := cluster.Apply(w.ctx, theirs); err != nil {
		w.Fatal(err)
	}
	told("old", "Warning DefaultElsewhere: spec.ingressClassName: no class is named, and class theirs is")
	w.awaitAddress("", "old", "said")
	if got := w.ask(s.Envoys[0], "old.test"); got != "404" {
		w.Errorf("what another class has answers %s", got)
	}
	w.dropClass("theirs")
	told("old", "Normal DefaultElsewhere: mended: ")
	w.awaitAddress("192.0.2.1", "old")
	w.dropClass(incluster.Class)
	if err := cluster.Apply(w.ctx, w.web("late", "web")); err != nil {
		w.Fatal(err)
	}
	told("late", "Warning FrozenOut: ")
	told("old", "Warning ClassGone: ")
	if out, problems, status := w.command("explain", "ingress/"+w.namespace+"/late", "--address", s.Replicas[0].Address); status != 1 || !strings.Contains(out, "its fleet is frozen") {
		w.Errorf("status %d: %s%s", status, out, problems)
	}
	if err := cluster.Apply(w.ctx, theirs); err != nil { // takes what is of a frozen class, too
		w.Fatal(err)
	}
	w.awaitAddress("", "old")
	w.awaitAddress("192.0.2.1", "kept")
	if got := w.ask(s.Envoys[0], "kept.test"); got != "200" {
		w.Errorf("of a frozen class it answers %s", got)
	}
}

// dropClass deletes an IngressClass.
func (w *suite) dropClass(name string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang) // that of the test may have ended
	defer cancel()
	err := cluster.Client().NetworkingV1().IngressClasses().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		w.Fatal(err)
	}
}

// updates counts the responses that an Envoy took.
func (w *suite) updates(e *incluster.Envoy) (sum uint64) {
	w.Helper()
	stats, err := e.Stats(w.ctx, "update_(success|rejected)")
	if err != nil {
		w.Fatal(err)
	}
	for _, n := range stats {
		sum += n
	}
	if sum == 0 {
		w.Fatal("no response was counted")
	}
	return sum
}
