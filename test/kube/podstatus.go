//go:build real

package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// status is what is to be said of a pod that is run, but for conditions that are as
// they were said to be.
func (s *sandbox) status(started metav1.Time, said []corev1.PodCondition) corev1.PodStatus {
	p := corev1.PodStatus{Phase: corev1.PodPending, StartTime: &started, PodIP: s.address, PodIPs: []corev1.PodIP{{IP: s.address}}}
	p.HostIP = s.kubelet.nodeAddress(s.pod.Spec.NodeName)
	p.HostIPs = []corev1.HostIP{{IP: p.HostIP}}
	initialized, ready := true, true
	for _, m := range s.init {
		status := m.status()
		status.Ready = status.State.Terminated != nil && status.State.Terminated.ExitCode == 0
		initialized = initialized && status.Ready
		p.InitContainerStatuses = append(p.InitContainerStatuses, status)
	}
	for _, m := range s.main {
		status := m.status()
		ready = ready && status.Ready
		if status.State.Waiting == nil || status.RestartCount > 0 {
			p.Phase = corev1.PodRunning
		}
		p.ContainerStatuses = append(p.ContainerStatuses, status)
	}
	if policy := s.pod.Spec.RestartPolicy; policy == corev1.RestartPolicyNever || policy == corev1.RestartPolicyOnFailure && finished(p) == corev1.PodSucceeded {
		p.Phase = finished(p)
	}
	p.Conditions = conditionsOf(said, initialized, ready)
	return p
}

// finished is the phase of a pod whose containers are not started again.
func finished(p corev1.PodStatus) corev1.PodPhase {
	phase := corev1.PodSucceeded
	for _, c := range p.ContainerStatuses {
		switch t := c.State.Terminated; {
		case t == nil:
			return p.Phase
		case t.ExitCode != 0:
			phase = corev1.PodFailed
		}
	}
	return phase
}

// conditionsOf are those of a pod; each keeps its time while it is as it was.
func conditionsOf(said []corev1.PodCondition, initialized, ready bool) (list []corev1.PodCondition) {
	for _, c := range []corev1.PodConditionType{corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		now := corev1.PodCondition{Type: c, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now()}
		if c == corev1.PodInitialized && initialized || c != corev1.PodInitialized && ready {
			now.Status = corev1.ConditionTrue
		}
		for _, was := range said {
			if was.Type == c && was.Status == now.Status {
				now = was
			}
		}
		list = append(list, now)
	}
	return list
}

// status is what is to be said of a container.
func (m *member) status() corev1.ContainerStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := corev1.ContainerStatus{Name: m.spec.Name, Image: m.spec.Image, RestartCount: m.restarts, Ready: m.ready}
	s.LastTerminationState.Terminated = m.last
	switch {
	case m.cmd != nil:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: m.started}
	case m.failure != nil:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: m.failure.Error()}
	case m.last != nil:
		s.State.Terminated, s.LastTerminationState.Terminated = m.last, m.before
	default:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating", Message: m.sandbox.held()}
	}
	return s
}
