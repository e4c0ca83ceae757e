//go:build real

package deploy

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/kube"
)

// TestAdmitted: the API server takes every object, with no unknown field; also those
// of the kinds of others, which it is given first.
func TestAdmitted(t *testing.T) {
	for _, namespace := range []string{"legation", "staging", "shop", "blog"} {
		if err := k.Apply(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			t.Fatal(err)
		}
	}
	define(t)
	judged := map[string]int{}
	admitted := func(what string, text []byte) {
		documents, err := kube.Documents(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range documents {
			if err := k.Admit(t.Context(), d); err != nil {
				t.Errorf("%s, object %d: %v", what, i+1, err)
			}
			judged[objects(t, d)[0].GetKind()]++
		}
	}
	for _, e := range examples(t) {
		admitted(e.name, e.render(t))
	}
	for what, set := range odd {
		admitted(what, render(t, "a-release-with-a-name-as-long-as-helm-lets-it-be-53ch", "legation", "--set", set))
	}
	admitted("extras", render(t, "legation", "legation", "--values", "testdata/extras.yaml"))
	t.Logf("judged: %v", judged)
	for _, kind := range []string{"Deployment", "DaemonSet", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Certificate", "ServiceMonitor", "PodMonitor", "PrometheusRule"} {
		if judged[kind] == 0 {
			t.Errorf("no example has a %s", kind)
		}
	}
}

// define gives the API server the kinds of others.
func define(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(path(t, ".tools", "crds", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no definitions of kinds (%v): run `make crds`", err)
	}
	if err := k.Define(t.Context(), files...); err != nil {
		t.Fatal(err)
	}
}

// TestMisspelt: the API server refuses a field that it does not know, of its own
// kinds and of those of others. Without this, TestAdmitted would say little.
func TestMisspelt(t *testing.T) {
	define(t)
	for field, document := range map[string]string{
		"date": `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: default}, date: {}}`,
		"spec.endpoints[0].paht": `{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: x, namespace: default},
			spec: {selector: {}, endpoints: [{port: admin, paht: /metrics}]}}`,
		"spec.podMetricsEndpoint": `{apiVersion: monitoring.coreos.com/v1, kind: PodMonitor, metadata: {name: x, namespace: default},
			spec: {selector: {}, podMetricsEndpoint: []}}`,
		"spec.secretname": `{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: x, namespace: default},
			spec: {secretName: x, issuerRef: {name: x}, secretname: x}}`,
	} {
		document = strings.ReplaceAll(document, "\t", " ")
		if err := k.Admit(t.Context(), []byte(document)); err == nil || !strings.Contains(err.Error(), `unknown field "`+field+`"`) {
			t.Errorf("%s is not refused as unknown: %v", field, err)
		}
	}
}
