//go:build real

package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/kube"
)

// inCluster runs helm on the API server of the test.
func inCluster(t *testing.T, args ...string) string {
	t.Helper()
	home := t.TempDir()
	config := filepath.Join(home, "kubeconfig")
	if err := kube.WriteKubeconfig(config, k.REST()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), hang) // it also cleans up
	defer cancel()
	c := exec.CommandContext(ctx, path(t, ".tools", "bin", "helm"), args...)
	c.Env = append(os.Environ(), "HOME="+home, "KUBECONFIG="+config)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestNotes: what helm says after an install is about what was installed.
func TestNotes(t *testing.T) {
	define(t)
	for set, says := range map[string][]string{
		"tls.certManager.enabled=true":                      {"kubectl get certificates --namespace edge", "ports 80 and 443 of the nodes"},
		"tls.renew=false,envoy.hostPorts.http=0":            {"legation certs --namespace edge --release legation --class legation", "port 443 of the nodes"},
		"tls.renew=false,fleets.public.kind=DaemonSet":      {"the classes legation, public", "--class legation,public", "Fleet public, a DaemonSet"},
		"envoy.terminationGracePeriodSeconds=30":            {"makes the Secrets of the wire", "terminationGracePeriodSeconds=30: what takes longer"},
		"monitoring.podMonitor=true,tls.life=24h":           {"only from pods of this namespace", "helm test legation --namespace edge", "legation problems"},
		"envoy.hostNetwork=true,envoy.hostPorts.https=8443": {"port 80 is below 1024"},
		deployment + ",envoy.replicas=1":                    {"there is no way in", "get no address", "envoy.replicas=1"},
		deployment + ",envoy.service.enabled=true,envoy.autoscaling.enabled=true,envoy.terminationGracePeriodSeconds=900": {
			"the Service legation-envoy-legation (LoadBalancer)", "the metric legation_envoy_worker_cpu", "600 by default"},
	} {
		out := inCluster(t, "install", "legation", path(t, "deploy", "helm", "legation"), "--namespace", "edge", "--dry-run=client", "--set", set)
		_, notes, _ := strings.Cut(out, "NOTES:")
		for _, s := range says {
			if !strings.Contains(notes, s) {
				t.Errorf("%s: the notes do not say %q:\n%s", set, s, notes)
			}
		}
	}
}

// TestAutoscalingBegins: an upgrade that hands the number of Envoys to an autoscaler
// takes no Envoy away, nor does a later one. (A Deployment that loses its number is
// given one pod.)
func TestAutoscalingBegins(t *testing.T) {
	const name = "up-legation-envoy-up"
	ns := k.Namespace(t)
	of := k.Client().AppsV1().Deployments(ns)
	upgrade := func(values string, want int32) {
		t.Helper()
		inCluster(t, "upgrade", "--install", "up", path(t, "deploy", "helm", "legation"), "--namespace", ns, "--set",
			"image.repository=none,envoy.image.repository=none,fleets.legation=null,fleets.up.service.enabled=true,"+deployment+values)
		d, err := of.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if *d.Spec.Replicas != want {
			t.Errorf("with %q there are to be %d Envoys, want %d", values, *d.Spec.Replicas, want)
		}
	}
	t.Cleanup(func() { inCluster(t, "uninstall", "up", "--namespace", ns) })
	upgrade(",envoy.replicas=3", 3)
	upgrade(",envoy.autoscaling.enabled=true", 3)
	if _, err := of.UpdateScale(t.Context(), name, &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: autoscalingv1.ScaleSpec{Replicas: 5}}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	upgrade(",envoy.autoscaling.enabled=true,envoy.maxConnections=1000", 5)
}
