//go:build real

package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/kube"
)

// TestAdmissionPolicy: with it the API server refuses what no setting is, and what it cannot
// be, of annotations and of the settings of a class, and nothing else.
func TestAdmissionPolicy(t *testing.T) {
	ns := k.Namespace(t)
	d := &deployed{T: t, ctx: t.Context()}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, render(t, "judge", ns, "--set", "admissionPolicy.enabled=true,fleets.legation=null,fleets.judged.kind=DaemonSet", "--show-only", "templates/admission-policy.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	policies, err := kube.Manifests(file)
	if err != nil {
		t.Fatal(err)
	}
	d.apply(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "before", Annotations: map[string]string{"legation.dev/retrys": "1"}}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	d.apply(policies...)
	t.Cleanup(func() { d.ctx = t.Context(); _ = k.Delete(t.Context(), policies...) })
	annotated := func(kind, key, value string) error {
		spec := "{ports: [{port: 80}]}"
		if kind == "Ingress" {
			spec = "{defaultBackend: {service: {name: x, port: {number: 80}}}}"
		}
		return k.Admit(t.Context(), fmt.Appendf(nil, "{apiVersion: %s, kind: %s, metadata: {name: x, namespace: %s, annotations: {%q: %q}}, spec: %s}",
			map[string]string{"Ingress": "networking.k8s.io/v1", "Service": "v1"}[kind], kind, ns, key, value, spec))
	}
	set := func(name, key, value string) error {
		return k.Admit(t.Context(), fmt.Appendf(nil, "{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, namespace: %s}, data: {%q: %q}}", name, ns, key, value))
	}
	for _, refused := range []func() error{func() error { return annotated("Ingress", "legation.dev/no", "1") }, func() error { return set("judge-legation-class-judged", "no", "1") }} {
		d.until(func() error { // the API server looks at new policies after a while
			if refused() == nil {
				return fmt.Errorf("the policy is not in force")
			}
			return nil
		})
	}
	for _, c := range []struct {
		err  error
		want string // "" is admitted
	}{
		{annotated("Ingress", "legation.dev/request-timeout", "1m30s"), ""},
		{annotated("Ingress", "legation.dev/cors", "true"), ""},
		{annotated("Ingress", "example.com/request-timeout", "for ever"), ""},
		{annotated("Ingress", "legation.dev/request-timeout", "90"), "Legation cannot read legation.dev/request-timeout: 90"},
		{annotated("Ingress", "legation.dev/cors", "yes"), "Legation cannot read legation.dev/cors: yes"},
		{annotated("Ingress", "legation.dev/retrys", "1"), "Legation has no setting legation.dev/retrys"},
		{annotated("Service", "legation.dev/max-connections", "100"), ""},
		{annotated("Service", "legation.dev/max-connections", "many"), "Legation cannot read legation.dev/max-connections: many"},
		{set("judge-legation-class-judged", "retries", "2"), ""},
		{set("judge-legation-class-judged", "host-ownership", "mine"), "Legation cannot read host-ownership: mine"},
		{set("judge-legation-class-judged", "retrys", "2"), "Legation has no setting retrys"},
		{set("somebody-elses", "retrys", "2"), ""},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want)) {
			t.Errorf("%v, want %q", c.err, c.want)
		}
	}
	// What was there before may be updated.
	o, err := k.Client().CoreV1().Services(ns).Get(t.Context(), "before", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o.Labels = map[string]string{"new": "label"}
	if _, err := k.Client().CoreV1().Services(ns).Update(t.Context(), o, metav1.UpdateOptions{}); err != nil {
		t.Errorf("an update that leaves the annotation as it was: %v", err)
	}
}
