//go:build real

package status

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/envoy"
	"legation.dev/test/kube"
)

// TestExplain: the binary reads a cluster, once, and says of a Service which
// settings are in force and who says so.
func TestExplain(t *testing.T) {
	w := newSuite(t)
	w.stack() // makes the class
	deployment, service := kube.Web(w.namespace, "web", 1, time.Second)
	service.Annotations = map[string]string{"legation.dev/upstream-preset": "gunicorn"}
	ingress := w.web("shop", "web")
	ingress.Annotations = map[string]string{"legation.dev/max-request-body": "8Mi"}
	if err := cluster.Apply(w.ctx, deployment, service, ingress); err != nil {
		t.Fatal(err)
	}
	if err := cluster.AwaitServed(w.ctx, deployment); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := kube.WriteKubeconfig(file, cluster.REST()); err != nil {
		t.Fatal(err)
	}
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(w.ctx, filepath.Join(root, "bin", "legation"), "explain", "service/"+w.namespace+"/web",
		"--source", "kube", "--kubeconfig", file, "-o", "json").Output()
	var out struct {
		Fleets []struct {
			Parts []struct {
				Endpoints struct{ Ready int }
				Settings  []struct{ Name, Value, Object string }
			}
		}
	}
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil || len(out.Fleets) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	want := map[string]string{
		"upstream-idle-timeout": "1.5s Service " + w.namespace + "/web",
		"max-request-body":      "8Mi Ingress " + w.namespace + "/shop",
	}
	for _, part := range out.Fleets[0].Parts {
		for _, s := range part.Settings {
			if want[s.Name] == s.Value+" "+s.Object {
				delete(want, s.Name)
			}
		}
	}
	if len(want) > 0 || out.Fleets[0].Parts[0].Endpoints.Ready != 1 {
		t.Errorf("not said: %v\n%s", want, text)
	}
	none := int32(0)
	if deployment.Spec.Replicas = &none; cluster.Apply(w.ctx, deployment) != nil {
		t.Fatal("not scaled")
	}
	w.events(w.namespace, "web", func(list []*corev1.Event) error {
		if got := describe(list); !strings.Contains(got, "Warning NoReadyEndpoint: ") {
			return fmt.Errorf("Events:\n%s", got)
		}
		return nil
	})
}
