package drains

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"legation.dev/drain/event"
)

// TestReportsOf: a report is found where the kubelet puts it, also of a container that was
// started again and of a sidecar; and no other message is one.
func TestReportsOf(t *testing.T) {
	const text = `{"reason":"done","seconds":1.5,"known":true}`
	at := metav1.NewTime(time.Unix(1000, 0))
	ended := func(message string) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{Message: message, FinishedAt: at}
	}
	want := report{event.Pod{Namespace: "edge", Name: "envoy-1", UID: "u"}, text, 1000}
	for name, is := range map[string]struct {
		status corev1.PodStatus
		found  int
	}{
		"runs":               {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{}}}, 0},
		"ended":              {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: ended(text)}}}}, 1},
		"started again":      {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{LastTerminationState: corev1.ContainerState{Terminated: ended(text)}}}}, 1},
		"a sidecar":          {corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: ended(text)}}}}, 1},
		"another message":    {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: ended("panic")}}}}, 0},
		"another JSON":       {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: ended(`{"level":"error"}`)}}}}, 0},
		"one that was cut":   {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: ended(text[:20])}}}}, 0},
		"no message at all":  {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: ended("")}}}}, 0},
		"no status that day": {corev1.PodStatus{}, 0},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "envoy-1", UID: "u"}, Status: is.status}
		kept, err := narrow(pod)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []any{pod, kept, cache.DeletedFinalStateUnknown{Obj: pod}} {
			if got := reportsOf(o); len(got) != is.found || is.found > 0 && !slices.Contains(got, want) {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	if got := reportsOf(nil); got != nil {
		t.Errorf("of no pod: %v", got)
	}
}
