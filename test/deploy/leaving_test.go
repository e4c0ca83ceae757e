//go:build real

package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/test/load"
)

// What shutdown-manager says of the node.
const (
	sayGoing = `"msg":"the node is about to go: clients are told to leave"`
	saysStay = `"msg":"pass the health checks again"`
	sayDrain = `"msg":"drain the listeners"`
)

// nodesLeave: the clients of an Envoy leave when its node has a taint that says it is about to
// go, and come back when that is taken away in time: the Envoy is the same. A node that is
// cordoned keeps its clients. One that stays tainted has none in the end, before its pod
// is told anything.
func (d *deployed) nodesLeave(l *load.Load) {
	d.Helper()
	one, other := d.pods("envoy")[0], d.pods("envoy")[1]
	d.taint(one.Spec.NodeName, "karpenter.sh/disrupted")
	tainted := time.Now()
	d.awaitLine(&one, sayGoing, 1)
	d.Logf("%v after its node was tainted %s tells its clients to leave", time.Since(tainted), one.Name)
	d.awaitReadiness(&one, corev1.ConditionFalse)
	d.taint(one.Spec.NodeName)
	d.awaitLine(&one, saysStay, 1)
	d.awaitReadiness(&one, corev1.ConditionTrue)
	d.patchNode(one.Spec.NodeName, map[string]any{"unschedulable": true})
	d.patchNode(one.Spec.NodeName, map[string]any{"unschedulable": nil})

	d.taint(other.Spec.NodeName, "ToBeDeletedByClusterAutoscaler")
	d.awaitLine(&other, sayDrain, 1)
	more := l.Results().Requests + 1000
	if err := l.Await(d.ctx, func(r load.Results) bool { return r.Requests >= more }); err != nil {
		d.Fatal(err)
	}
	d.awaitLine(&one, sayGoing, 1) // not once more: it was cordoned
}

// taint gives a node these taints, and no others; at the end of the test it has none.
func (d *deployed) taint(node string, keys ...string) {
	d.Helper()
	taints := []corev1.Taint{}
	for _, key := range keys {
		taints = append(taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	}
	d.patchNode(node, map[string]any{"taints": taints})
}

func (d *deployed) patchNode(node string, spec map[string]any) {
	d.Helper()
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		d.Fatal(err)
	}
	if _, err := k.Client().CoreV1().Nodes().Patch(d.ctx, node, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() {
		k.Client().CoreV1().Nodes().Patch(context.Background(), node, types.MergePatchType, []byte(`{"spec":{"taints":null,"unschedulable":null}}`), metav1.PatchOptions{})
	})
}

// awaitLine waits until the log of an Envoy has a line so many times; more are a failure.
func (d *deployed) awaitLine(p *corev1.Pod, line string, times int) {
	d.Helper()
	d.until(func() error {
		text, err := k.Logs(p, "envoy")
		if n := strings.Count(text, line); err != nil || n < times {
			return fmt.Errorf("%s has said %d times %s, want %d, %v", p.Name, n, line, times, err)
		} else if n > times {
			d.Fatalf("%s has said %d times %s, want %d", p.Name, n, line, times)
		}
		return nil
	})
}

// awaitReadiness waits until a pod, the same one, is ready or not.
func (d *deployed) awaitReadiness(p *corev1.Pod, want corev1.ConditionStatus) {
	d.Helper()
	d.until(func() error {
		now, err := k.Client().CoreV1().Pods(namespace).Get(d.ctx, p.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range now.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == want && now.UID == p.UID {
				return nil
			}
		}
		return fmt.Errorf("%s: ready is not %s", p.Name, want)
	})
}
