//go:build real

package deploy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/test/kube"
)

// TestCertificatesKept: the chart alone, without a Secret made before it, comes up; its pairs
// are renewed before they end, and an Envoy that began with the first one is let in by
// replicas that never saw that, long after it has ended. Neither is started again for it.
func TestCertificatesKept(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: the file systems of containers need root")
	}
	const life = 30 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	d, ns := &deployed{T: t, ctx: ctx}, k.Namespace(t)
	inCluster(t, "install", "kept", path(t, "deploy", "helm", "legation"), "--namespace", ns, "--set",
		"tls.life="+life.String()+",fleets.legation=null,fleets.kept.replicas=1,fleets.kept.terminationGracePeriodSeconds=5,"+deployment)
	t.Cleanup(func() { inCluster(t, "uninstall", "kept", "--namespace", ns) })
	workloads, err := k.Client().AppsV1().Deployments(ns).List(ctx, metav1.ListOptions{})
	if err != nil || len(workloads.Items) != 2 {
		t.Fatalf("%d Deployments, want 2 (%v)", len(workloads.Items), err)
	}
	for _, o := range workloads.Items {
		if err := k.AwaitReady(ctx, &o); err != nil {
			t.Fatalf("%v\n%s", err, k.Pods(ctx, ns))
		}
	}
	if out := inCluster(t, "test", "kept", "--namespace", ns); !strings.Contains(out, "Succeeded") {
		t.Errorf("helm test: %s", out)
	}
	before := only(t, ctx, ns, "envoy")
	first := renewed(t, ctx, ns, "kept-legation-xds-envoy-kept", time.Time{})
	t.Logf("the first pair ends at %v", first.NotAfter)
	// Each pair is that of a renewal after the first has ended.
	renewed(t, ctx, ns, "kept-legation-xds", first.NotAfter)
	now := renewed(t, ctx, ns, "kept-legation-xds-envoy-kept", first.NotAfter)
	if bytes.Equal(now.Raw, first.Raw) || bytes.Equal(now.RawSubjectPublicKeyInfo, first.RawSubjectPublicKeyInfo) {
		t.Error("the pair is the first one, or has its key")
	}
	patch := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{"restarted":"%d"}}}}}`, now.NotAfter.Unix())
	o, err := k.Client().AppsV1().Deployments(ns).Patch(ctx, "kept-legation", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitReady(ctx, o); err != nil {
		t.Fatalf("%v\n%s", err, k.Pods(ctx, ns))
	}
	d.until(func() error {
		pods, err := k.Client().CoreV1().Pods(ns).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=control-plane,pod-template-hash"})
		if err != nil {
			return err
		}
		connected := 0.0
		for _, p := range pods.Items {
			if p.Annotations["restarted"] != "" && p.Status.PodIP != "" && p.DeletionTimestamp == nil {
				connected += d.value(&p, `legation_fleet_envoys{fleet="kept"}`)
			}
		}
		if connected != 1 {
			return fmt.Errorf("%v Envoys are connected to new replicas, want 1", connected)
		}
		return nil
	})
	if after := only(t, ctx, ns, "envoy"); after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("Envoy was started again: %s, before %s", after.Name, before.Name)
	}
}

// only is the only pod of a component.
func only(t *testing.T, ctx context.Context, ns, component string) corev1.Pod {
	t.Helper()
	pods, err := k.Client().CoreV1().Pods(ns).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + component})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("%d pods of %s, want 1 (%v)", len(pods.Items), component, err)
	}
	return pods.Items[0]
}

// renewed is the certificate in a Secret, when that is one made after a time.
func renewed(t *testing.T, ctx context.Context, ns, secret string, after time.Time) (c *x509.Certificate) {
	t.Helper()
	err := kube.Await(ctx, k.Client().CoreV1().Secrets(ns), func(all []*corev1.Secret) error {
		for _, s := range all {
			if s.Name != secret {
				continue
			}
			pair, err := tls.X509KeyPair(s.Data["tls.crt"], s.Data["tls.key"])
			if err != nil {
				return err
			}
			if c = pair.Leaf; time.Now().After(after) && c.NotAfter.After(after) {
				return nil
			}
			return fmt.Errorf("%s ends at %v, and it is not yet %v", secret, c.NotAfter, after)
		}
		return errors.New("there is no " + secret)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
