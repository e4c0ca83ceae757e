//go:build real

package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
)

// Of pods that the kubelet runs.
const (
	// LabelService is the label of a pod whose value its answers carry as their
	// Service; without it they carry the pod's name. Web sets it.
	LabelService = "app"
	// ReadyAfter is the annotation of a pod that says how long it takes from
	// running to ready, as a Go duration ("300ms"); without it, no time.
	ReadyAfter = "test.legation.dev/ready-after"
)

const (
	// syncers is how many pods the kubelet works on at once.
	syncers = 16
	// again is when the kubelet tries anew what the API server refused, or was
	// not there for.
	again = 100 * time.Millisecond
)

// kubelet is that of all nodes, and the scheduler too. It binds pods that have no
// node, in turns, and serves what they are to serve in this process.
//
// A pod that is deleted serves on until its grace period is over, although it was
// told to end, and is then deleted for good: in between, the endpointslice
// controller calls it serving and terminating.
type kubelet struct {
	client kubernetes.Interface
	dir    string // for their files
	// account is a service account by a token of its own.
	account func(ctx context.Context, namespace, name string) (*rest.Config, error)
	nodes   []string
	pods    *mirror[*corev1.Pod]
	streams *streams
	queue   workqueue.TypedDelayingInterface[string] // keys of pods to look at; one goroutine has a key at a time
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu     sync.Mutex       // guards the fields below
	images map[string]Image // of pods that are run; replaced, never changed
	boxes  map[string]*box
	used   map[string]bool // addresses
	next   int             // number of the next address
	bound  int             // how many pods were bound
}

// startKubelet registers the nodes and starts the kubelet.
func (c *Cluster) startKubelet(ctx context.Context) error {
	k := &kubelet{client: c.client, images: c.options.Images, dir: c.dir, account: c.ServiceAccount, queue: workqueue.NewTypedDelayingQueue[string](),
		boxes: map[string]*box{}, used: map[string]bool{}}
	for i := range c.options.Nodes {
		name, err := c.registerNode(ctx, i)
		if err != nil {
			return fmt.Errorf("registering node %d: %w", i, err)
		}
		k.nodes = append(k.nodes, name)
	}
	k.pods = newMirror[*corev1.Pod](k.queue.Add)
	var running context.Context
	running, k.cancel = context.WithCancel(context.Background())
	k.done.Go(func() { follow(running, c.client.CoreV1().Pods(""), k.pods) })
	for range syncers {
		k.done.Go(func() { k.work(running) })
	}
	c.kubelet = k
	return c.serveStreams(running, k)
}

// close ends all pods as a power cut does.
func (k *kubelet) close() {
	k.cancel()
	k.queue.ShutDown()
	if k.streams != nil {
		_ = k.streams.server.Close() // what it passes on ends with the pods
	}
	k.done.Wait()
	for _, b := range k.boxes { // nobody else is left
		b.kill()
	}
}

func (k *kubelet) work(ctx context.Context) {
	for {
		key, ended := k.queue.Get()
		if ended {
			return
		}
		wait, err := k.sync(ctx, key)
		if err != nil {
			wait = again
		}
		if wait > 0 {
			k.queue.AddAfter(key, wait)
		}
		k.queue.Done(key)
	}
}

// sync does what is due for a pod, and says when to look again; zero means not
// before it changes.
func (k *kubelet) sync(ctx context.Context, key string) (time.Duration, error) {
	pod, ok := k.pods.get(key)
	b := k.box(key)
	if b != nil && (!ok || pod.UID != b.uid) {
		k.end(key, b) // it was deleted without grace
		b = nil
	}
	switch {
	case !ok:
		return 0, nil
	case pod.DeletionTimestamp != nil:
		return k.terminate(ctx, pod, b)
	case pod.Spec.NodeName == "":
		return 0, k.bind(ctx, pod)
	case b == nil:
		return k.start(ctx, pod)
	default:
		return k.ready(ctx, pod, b)
	}
}

// bind gives a pod its node: that which it demands, as those of DaemonSets do, or
// the next.
func (k *kubelet) bind(ctx context.Context, pod *corev1.Pod) error {
	k.mu.Lock()
	node := k.nodes[k.bound%len(k.nodes)]
	k.bound++
	k.mu.Unlock()
	if name := demanded(pod); name != "" {
		node = name
	}
	err := k.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node}}, metav1.CreateOptions{})
	return unlessOvertaken(err)
}

// demanded is the one node that a pod may run on; empty if there is none such.
func demanded(pod *corev1.Pod) string {
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, f := range term.MatchFields {
			if f.Key == metav1.ObjectNameField && len(f.Values) == 1 {
				return f.Values[0]
			}
		}
	}
	return ""
}

// unlessOvertaken is err, unless it says that the pod has changed or is gone:
// then there is an event of that.
func unlessOvertaken(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// terminate lets a pod serve until its grace period is over, or until its processes
// have ended.
func (k *kubelet) terminate(ctx context.Context, pod *corev1.Pod, b *box) (time.Duration, error) {
	if b != nil {
		wait := b.graceLeft(pod)
		if b.sandbox != nil {
			b.sandbox.end()
			if wait <= 0 {
				b.sandbox.graceIsOver()
			}
			over := b.sandbox.over() // before its last status is read
			if err := k.tell(ctx, pod, b); err != nil || !over {
				return lookAgain, err
			}
		} else if wait > 0 {
			return wait, nil
		}
		k.end(keyOf(pod), b)
	}
	now := int64(0)
	err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name,
		metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	return 0, unlessOvertaken(err)
}

// start makes a pod serve.
func (k *kubelet) start(ctx context.Context, pod *corev1.Pod) (time.Duration, error) {
	b, err := k.newBox(pod)
	if err != nil {
		if pod.Status.Message != err.Error() {
			_ = k.writeStatus(ctx, pod, corev1.PodStatus{Phase: corev1.PodPending, Message: err.Error()}) // it is tried again in any case
		}
		return 0, err
	}
	return k.ready(ctx, pod, b)
}

// ready writes the status of a pod that serves, if it is not written yet: running
// first, ready when its time has come.
func (k *kubelet) ready(ctx context.Context, pod *corev1.Pod, b *box) (time.Duration, error) {
	if b.sandbox != nil {
		return lookAgain, k.tell(ctx, pod, b)
	}
	wait := time.Until(b.readyAt)
	state := stateRunning
	if wait <= 0 {
		state = stateReady
	}
	if b.written < state {
		if err := k.writeStatus(ctx, pod, b.status(pod, state == stateReady)); err != nil {
			return 0, unlessOvertaken(err)
		}
		b.written = state
	}
	return max(0, wait), nil
}

// lookAgain is how often the processes of a pod are looked at.
const lookAgain = 50 * time.Millisecond

// tell writes the status of a pod that is run, if it differs from the last one.
func (k *kubelet) tell(ctx context.Context, pod *corev1.Pod, b *box) error {
	status := b.sandbox.status(metav1.NewTime(b.started), b.said)
	text, err := json.Marshal(struct {
		corev1.PodStatus
		Message *string `json:"message"` // null: what held it back is over
	}{PodStatus: status})
	if err != nil || bytes.Equal(text, b.told) {
		return err
	}
	if err := k.writeStatus(ctx, pod, json.RawMessage(text)); err != nil {
		return unlessOvertaken(err)
	}
	b.told, b.said = text, status.Conditions
	return nil
}
