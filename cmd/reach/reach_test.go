package reach

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(namespace, release, name string, ready time.Time) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{labelRelease: release}}}
	if !ready.IsZero() {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(ready)}}
	}
	return p
}

// TestOne: of several control planes none is guessed; all are named.
func TestOne(t *testing.T) {
	at := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		pods []corev1.Pod
		want string // installation, or part of the error
	}{
		"one":      {[]corev1.Pod{pod("a", "r", "1", at), pod("a", "r", "2", at)}, "a/r"},
		"none":     {nil, "no control plane is in any namespace: -n says"},
		"releases": {[]corev1.Pod{pod("a", "r", "1", at), pod("a", "q", "2", at), pod("b", "r", "3", at)}, "several control planes, a/q, a/r, b/r: say which"},
	} {
		found, err := Cluster{}.one(c.pods, "any namespace")
		got := ""
		if found != nil {
			got = found.String()
		} else {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestNames: the names of Secrets are those of the chart.
func TestNames(t *testing.T) {
	var got []string
	for _, release := range []string{"legation", "edge", "my-legation-2", strings.Repeat("x", 39), "legation-" + strings.Repeat("y", 60)} {
		got = append(got, (&Installation{Release: release}).name())
	}
	want := []string{"legation", "edge-legation", "my-legation-2", strings.Repeat("x", 39), "legation-" + strings.Repeat("y", 31)}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestReadySince: a pod that leaves is not asked.
func TestReadySince(t *testing.T) {
	at := time.Unix(1000, 0)
	leaves := pod("a", "r", "1", at)
	leaves.DeletionTimestamp = &metav1.Time{Time: at}
	if !readySince(leaves).IsZero() || !readySince(pod("a", "r", "1", time.Time{})).IsZero() || !readySince(pod("a", "r", "1", at)).Equal(at) {
		t.Error("a pod is ready when its condition says so, and it does not leave")
	}
}
