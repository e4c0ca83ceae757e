package drains

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"legation.dev/drain"
	"legation.dev/drain/event"
)

// report is what a container of a pod left of a drain. It is a value: a report that is seen
// twice is equal.
type report struct {
	pod   event.Pod
	text  string // the termination message
	ended int64  // when the container did, in seconds since 1970, as Kubernetes keeps it
}

// reportsOf are those in the status of a pod: of containers that ended, or that were started
// again since. Nothing is in what is no pod.
func reportsOf(o any) (list []report) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	p, ok := o.(*corev1.Pod)
	if !ok {
		return nil
	}
	of := event.Pod{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)}
	for _, statuses := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for _, s := range statuses {
			for _, state := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
				if state == nil {
					continue
				}
				r := report{of, state.Message, state.FinishedAt.Unix()}
				if _, ok := r.parse(); ok {
					list = append(list, r)
				}
			}
		}
	}
	return list
}

// parse reads it; false if a container left another message, or one that was cut off.
func (r report) parse() (parsed drain.Report, ok bool) {
	err := json.Unmarshal([]byte(r.text), &parsed)
	return parsed, err == nil && parsed.Reason != ""
}

// narrow is of a pod what is kept while it is followed.
func narrow(o any) (any, error) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion},
		Status: corev1.PodStatus{ContainerStatuses: p.Status.ContainerStatuses, InitContainerStatuses: p.Status.InitContainerStatuses}}, nil
}
