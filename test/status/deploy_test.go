//go:build real

package status

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"legation.dev/test/envoy"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

// account is one with the rights of a file of deploy/.
func (w *suite) account(file string) *rest.Config {
	w.Helper()
	ctx := context.WithoutCancel(w.ctx) // for the end
	root, err := envoy.Root()
	if err != nil {
		w.Fatal(err)
	}
	account, remove, err := cluster.Rights(w.ctx, filepath.Join(root, "deploy", file))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := remove(ctx); err != nil {
			w.Error(err)
		}
	})
	return account
}

// TestDeployedRights: with the rights of deploy/ and no others the binary serves,
// writes addresses and Events, and the API server refuses it nothing.
func TestDeployedRights(t *testing.T) {
	lease := "--lease=" + incluster.Namespace + "/legation"
	for _, c := range []struct {
		name    string
		file    string
		args    []string
		address string
	}{
		{"cluster", "manifests/load-balancer.yaml", []string{"--publish-service=" + incluster.Namespace + "/edge"}, "192.0.2.7"},
		{"nodes", "rbac.yaml", []string{"--publish-nodes=" + incluster.Namespace + "/app=envoy"}, kube.NodeAddress(0) + "," + kube.NodeAddress(1)},
		{"namespaces", "manifests/namespaces.yaml", []string{"--publish-service=" + incluster.Namespace + "/edge", "--namespaces=shop," + incluster.Namespace}, "192.0.2.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newSuite(t)
			name := w.namespace + "-" + c.name // whose Events no earlier test has written
			w.namespace = "shop"               // one of those of namespaces.yaml
			shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
			edge := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: incluster.Namespace, Name: "edge"},
				Spec: corev1.ServiceSpec{ExternalIPs: []string{"192.0.2.7"}, Ports: []corev1.ServicePort{{Port: 80}}}}
			if err := cluster.Apply(w.ctx, shop); err != nil {
				t.Fatal(err)
			}
			account := w.account(c.file)
			before, err := cluster.Forbidden(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			pods, _ := kube.Web(incluster.Namespace, "envoy", 2, time.Second)
			if err := cluster.Apply(w.ctx, edge, pods, w.web(name, "missing")); err != nil {
				t.Fatal(err)
			}
			ctx := context.WithoutCancel(w.ctx)
			t.Cleanup(func() {
				if err := cluster.Delete(ctx, w.web(name, ""), edge, pods); err != nil {
					t.Error(err)
				}
			})
			if err := cluster.AwaitReady(w.ctx, pods); err != nil {
				t.Fatal(err)
			}
			w.stackOf(incluster.Options{REST: account, Args: append(c.args, lease)})
			w.events(w.namespace, name, starts("Warning NoService: "))
			w.awaitAddress(c.address, name)
			after, err := cluster.Forbidden(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if n := after - before; n > 0 {
				t.Errorf("the API server refused %v requests", n)
			}
		})
	}
}
