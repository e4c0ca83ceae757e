//go:build real

package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/test/echo"
)

// box is a pod that serves. It belongs to the goroutine that has the pod's key.
type box struct {
	uid     types.UID
	address string
	servers []*echo.Server // of a pod that is played
	sandbox *sandbox       // of one that is run, else nil
	started time.Time
	readyAt time.Time
	until   time.Time // when its grace is over; zero while it is not deleted
	written podState
	told    []byte                // status of a pod that is run, as it was written
	said    []corev1.PodCondition // in that
}

// podState is what the status of a pod says.
type podState int

const (
	stateNone podState = iota
	stateRunning
	stateReady
)

func (k *kubelet) box(key string) *box {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.boxes[key]
}

// newBox starts a server on each port of the pod's containers.
func (k *kubelet) newBox(pod *corev1.Pod) (*box, error) {
	delay, err := readyAfter(pod)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	b := &box{uid: pod.UID, address: k.newAddress(), started: now, readyAt: now.Add(delay)}
	if k.isReal(pod) {
		b.sandbox, err = k.newSandbox(pod, b.address)
	} else {
		err = b.serve(pod)
	}
	if err != nil {
		k.end(keyOf(pod), b)
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.boxes[keyOf(pod)] = b
	return b, nil
}

func readyAfter(pod *corev1.Pod) (time.Duration, error) {
	text := pod.Annotations[ReadyAfter]
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}

func (b *box) serve(pod *corev1.Pod) error {
	service := cmp.Or(pod.Labels[LabelService], pod.Name)
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if cmp.Or(p.Protocol, corev1.ProtocolTCP) != corev1.ProtocolTCP {
				continue
			}
			s, err := echo.StartAs(service, pod.Name, net.JoinHostPort(b.address, strconv.Itoa(int(p.ContainerPort))))
			if err != nil {
				return err
			}
			b.servers = append(b.servers, s)
		}
	}
	return nil
}

// kill resets all connections, as the end of a process does.
func (b *box) kill() {
	if b.sandbox != nil {
		b.sandbox.kill()
	}
	for _, s := range b.servers {
		s.Kill()
	}
}

// end takes a pod's address away.
func (k *kubelet) end(key string, b *box) {
	b.kill()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.boxes, key)
	delete(k.used, b.address)
}

// hostsPerNet leaves out .0 and .255, nets 0 (which the API server advertises an
// address of) and 255.
const hostsPerNet, nets = 254, 254

// newAddress is the next one of PodRange that no pod has. It comes back only
// after all others were used, as late as a test can want.
func (k *kubelet) newAddress() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		n := k.next % (hostsPerNet * nets)
		k.next++
		address := fmt.Sprintf("10.244.%d.%d", 1+n/hostsPerNet, 1+n%hostsPerNet)
		if !k.used[address] {
			k.used[address] = true
			return address
		}
	}
}

// graceLeft is how long a deleted pod serves on. The end is fixed when the
// deletion is seen: the time in the object has whole seconds.
func (b *box) graceLeft(pod *corev1.Pod) time.Duration {
	grace := time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
	if until := time.Now().Add(grace); b.until.IsZero() || until.Before(b.until) {
		b.until = until
	}
	return time.Until(b.until)
}

// writeStatus writes the status of a pod.
func (k *kubelet) writeStatus(ctx context.Context, pod *corev1.Pod, status any) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID}, // a conflict if it is another by now
		"status":   status})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch,
		metav1.PatchOptions{}, "status")
	return err
}

// status is that of a pod that is played.
func (b *box) status(pod *corev1.Pod, ready bool) corev1.PodStatus {
	started := metav1.NewTime(b.started)
	s := corev1.PodStatus{Phase: corev1.PodRunning, PodIP: b.address, PodIPs: []corev1.PodIP{{IP: b.address}}, StartTime: &started}
	s.Conditions = conditionsOf(nil, true, ready)
	for _, c := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: ready,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}})
	}
	return s
}
