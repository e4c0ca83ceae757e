//go:build real

package status

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/object"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/watcher/status"
)

// shop is the namespace that the files of deploy/ have served.
const shop = "shop"

// remove deletes when the test has ended.
func (w *suite) remove(o kube.Object) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if err := cluster.Delete(ctx, o); err != nil {
		w.Error(err)
	}
}

// TestRights: with the rights of deploy/, in the cluster and in some namespaces only,
// all that can be is written, on objects of every sort, and nothing is forbidden.
func TestRights(t *testing.T) {
	for file, namespaces := range map[string][]string{"rbac.yaml": nil, "manifests/namespaces.yaml": {shop, incluster.Namespace}} {
		t.Run(file, func(t *testing.T) {
			w := newSuite(t)
			if err := cluster.Apply(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}}); err != nil {
				t.Fatal(err)
			}
			w.config.REST = w.account(file)
			w.rights(namespaces)
		})
	}
}

// rights has everything written that can be, by the account of deploy/.
func (w *suite) rights(namespaces []string) {
	w.Helper()
	unique := w.namespace // Events outlive objects
	w.namespace = shop
	var text everything
	w.config.Log, w.config.Namespaces = text.logger(), namespaces
	w.config.Lease = types.NamespacedName{Namespace: incluster.Namespace, Name: "legation"}
	w.config.Addresses = map[string]status.Source{
		class:           {Pods: status.Pods{Namespace: incluster.Namespace, Selector: labels.SelectorFromSet(labels.Set{"app": "envoy"})}},
		status.AnyClass: {Service: types.NamespacedName{Namespace: incluster.Namespace, Name: "envoy"}}}
	pods, service := kube.Web(incluster.Namespace, "envoy", 2, time.Second)
	service.Spec.ExternalIPs = []string{"192.0.2.7"}
	ingressClass := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: unique}, Spec: networkingv1.IngressClassSpec{Controller: input.Controller}}
	for _, o := range []kube.Object{pods, service, ingressClass, w.ingress("one")} {
		w.Cleanup(func() { w.remove(o) })
	}
	if err := cluster.Apply(w.ctx, pods, service, ingressClass); err != nil {
		w.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, pods); err != nil {
		w.Fatal(err)
	}
	r := w.start()
	w.create("one")
	w.awaitAddress(kube.NodeAddress(0)+","+kube.NodeAddress(1), "one")
	w.problems = nil
	for _, ref := range []object.Ref{{Kind: object.KindIngress, Namespace: shop, Name: "one"}, {Kind: object.KindService, Namespace: incluster.Namespace, Name: "envoy"},
		{Kind: object.KindIngressClass, Name: unique}, {Kind: object.KindConfigMap, Namespace: shop, Name: "kube-root-ca.crt"}} {
		w.problems = append(w.problems, finding.Problem{Code: finding.Invalid, Object: ref, Message: "something"})
	}
	w.report()
	w.awaitStats(r, "Events", func(s status.Stats) bool { return s.Events == len(w.problems) })
	w.awaitStats(r, "addresses of both", func(s status.Stats) bool { return s.Follows >= 2 })
	w.events(metav1.NamespaceDefault, unique, only("Warning Invalid: something"))
	r.end()
	if s := r.Stats(); strings.Contains(text.String(), "forbidden") || s.EventFailures+s.Failures > 0 {
		w.Errorf("%+v\n%s", s, text.String())
	}
}

// everything keeps all that is logged, at every level.
type everything struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (e *everything) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(e, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write takes a line.
func (e *everything) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(b)
}

func (e *everything) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}
