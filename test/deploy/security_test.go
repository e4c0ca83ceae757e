//go:build real

package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// levels are those of the Pod Security Standards, as docs/install.md has their columns.
var levels = []string{"baseline", "restricted"}

// TestPodSecurity: a namespace that enforces a level admits and refuses the pods of each
// file of values as docs/install.md says.
func TestPodSecurity(t *testing.T) {
	says, namespaces := podSecurityPage(t), map[string]string{}
	for _, level := range levels {
		namespaces[level] = k.Namespace(t)
		n, err := k.Client().CoreV1().Namespaces().Get(t.Context(), namespaces[level], metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n.Labels["pod-security.kubernetes.io/enforce"] = level
		if _, err := k.Client().CoreV1().Namespaces().Update(t.Context(), n, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range examples(t) {
		for _, o := range objects(t, e.render(t)) {
			if _, runs, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec"); !runs {
				continue
			}
			who := "the control plane"
			if isFleet(o) {
				who = e.name
			}
			for i, level := range levels {
				err := admitPod(t, namespaces[level], o)
				if want := says[who][i]; want == "admitted" && err != nil || want == "refused" && (err == nil || !strings.Contains(err.Error(), "violates PodSecurity") || !strings.Contains(err.Error(), "hostPort")) ||
					want != "admitted" && want != "refused" {
					t.Errorf("%s, %s %s, level %s: %v; the page says %q", e.name, o.GetKind(), o.GetName(), level, err, want)
				}
			}
		}
	}
}

// podSecurityPage is what the page says of the pods of each file of values, by level.
func podSecurityPage(t *testing.T) map[string][2]string {
	t.Helper()
	text, err := os.ReadFile(path(t, "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	says := map[string][2]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| of (.*) \| (admitted|refused) \| (admitted|refused) \|$`).FindAllStringSubmatch(string(text), -1) {
		columns := [2]string{row[2], row[3]}
		if strings.HasPrefix(row[1], "the control plane") {
			says["the control plane"] = columns
		}
		if strings.Contains(row[1], "the defaults") {
			says["legation"] = columns
		}
		for _, name := range regexp.MustCompile("`(?:values-)?([a-z-]+)`").FindAllStringSubmatch(row[1], -1) {
			says[name[1]] = columns
		}
	}
	return says
}

// admitPod has the API server judge a pod of a workload. Account and class of priority
// are not what is asked about.
func admitPod(t *testing.T, namespace string, of *unstructured.Unstructured) error {
	t.Helper()
	template, _, _ := unstructured.NestedMap(of.Object, "spec", "template", "spec")
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod.Spec); err != nil {
		t.Fatal(err)
	}
	pod.Name, pod.Spec.ServiceAccountName, pod.Spec.PriorityClassName = "judged", "", ""
	_, err := k.Client().CoreV1().Pods(namespace).Create(t.Context(), &pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
